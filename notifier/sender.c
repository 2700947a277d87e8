/* Sends what is due: checks whose address it is, composes, hands to the relay, says what came of
 * it. SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/message.h"
#include "evidence/evidence.h"
#include "recipient.h"
#include "story.h"

#include "proto/events.pb-c.h"
#include "proto/notices.pb-c.h"

#include <string.h>

enum {
    ARENA = 96 << 20,
    IDLE_MS = 2000,
    ACK_MS = 10000,
    LONGEST_WAIT_MS = 600000,
    GIVE_UP_MS = 24 * 3600 * 1000,
    LINK_ROOM = 512,
    ID_ROOM = 400
};

enum { TROUBLE = 3 }; /* mails in a row that the relay did not take: not ready */

struct sender {
    unsigned trouble;
    struct reader r;
    struct cs_smtp *smtp;
    struct cs_mailbox from;
};

/* One mail in the making. */
struct letter {
    struct story story;
    struct mail_order order;
    struct cs_mailbox to;
    struct secrets secrets;
    char link[LINK_ROOM];
    bool unsendable; /* for good; 'err' says why */
};

/* --- whose address is it? -----------------------------------------------------------------------
 */

/* What the key's floor asks of the revision that names the approvers: or whoever can write
 * configuration could send himself the codes. */
static enum cs_rc read_floor(const struct sender *s, const struct story *story,
                             struct recipient_evidence *e, struct cs_err *err)
{
    struct cs_floor floor;
    const Cs__Config__SigningPolicy *p = story->policy;
    CS_TRY(cs_trust_floor(s->r.n->trust, p->organization_id, p->pool,
                          cs_bytes(p->key_spki_sha256.data, p->key_spki_sha256.len), &floor, err));
    e->floor_assurance = floor.min_assurance;
    e->floor_signatures = floor.administrator_signatures;
    e->signatures = cs_evidence_administrators(s->r.n->trust, story->policy_revision);
    return CS_OK;
}

/* The invitation as this service signed it; the database only keeps it. */
static enum cs_rc open_invitation(struct sender *s, const Cs__Store__Invitation *inv,
                                  const Cs__Notices__InvitationCreated **out, struct cs_err *err)
{
    struct cs_event e;
    CS_TRY(cs_open(s->r.opener, cs_bytes(inv->envelope.data, inv->envelope.len), NULL, -1, s->r.a,
                   &e, err));
    if (strcmp(e.type->name, "cs.notices.InvitationCreated") != 0)
        return cs_err_code(err, CS_DENIED, "envelope.other_type", "it is a %s", e.type->name);
    *out = (const Cs__Notices__InvitationCreated *)e.message;
    return CS_OK;
}

static enum cs_rc check_approver(struct sender *s, const struct letter *l, const char *user_id,
                                 const Cs__Notices__InvitationCreated *invitation,
                                 struct cs_err *err)
{
    const struct story *story = &l->story;
    const Cs__Store__RequestRecord *r = story->r;
    struct recipient_evidence e = {
        .invitation = invitation,
        .authorization_body = cs_bytes(r->authorization_body.data, r->authorization_body.len),
        .request = story->submitted,
        .manifest_sha256 = cs_bytes(r->manifest_sha256.data, r->manifest_sha256.len),
        .revision = story->policy_revision,
        .policy = story->policy};
    if (e.policy == NULL)
        return cs_err_code(err, CS_DENIED, "notifier.policy", "the request has no policy revision");
    if (story->mail.manifest == NULL)
        return cs_err_set(err, CS_RETRY, "the manifest of %s cannot be read", r->request_id);
    CS_TRY(read_floor(s, story, &e, err));
    return recipient_check(&e, user_id, l->to.address, err);
}

static enum cs_rc check_user(struct sender *s, const struct letter *l, const char *user_id,
                             struct cs_err *err)
{
    struct cs_rows rows;
    struct cs_event e;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(user_id)};
    CS_TRY(cs_db_query(s->r.db,
                       "SELECT envelope FROM config_revisions WHERE entity_id=? AND is_head", v, 1,
                       s->r.a, &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_NOT_FOUND, "there is no user %s", user_id);
    CS_TRY(cs_open(s->r.opener, cs_cell(&rows, 0, 0), NULL, -1, s->r.a, &e, err));
    if (strcmp(e.type->name, "cs.config.ConfigChanged") != 0)
        return cs_err_code(err, CS_DENIED, "envelope.other_type", "it is a %s", e.type->name);
    const Cs__Config__ConfigChanged *cc = (const Cs__Config__ConfigChanged *)e.message;
    CS_TRY(cs_message_unpack(&cs__config__user__descriptor, cs_bytes(cc->body.data, cc->body.len),
                             s->r.a, &m, err));
    const Cs__Config__User *u = (const Cs__Config__User *)m;
    if (recipient_same_address(l->to.address, &u->address_salt, &u->address_hash))
        return CS_OK;
    return cs_err_code(err, CS_DENIED, "notifier.other_address",
                       "the address in the database is not the configured one");
}

/* --- the letter ---------------------------------------------------------------------------------
 */

/* The invitation that this mail carries, if it was issued and is still open. */
static const Cs__Store__Invitation *invitation_of(const struct letter *l, const struct delivery *d,
                                                  const char *id)
{
    for (size_t i = 0; i < l->story.r->n_invitations; i++) {
        const Cs__Store__Invitation *inv = l->story.r->invitations[i];
        if (inv->open && strcmp(inv->approver_id, d->recipient_id) == 0 &&
            (id == NULL || strcmp(inv->invitation_id, id) == 0))
            return inv;
    }
    return NULL;
}

static enum cs_rc put_secrets(struct sender *s, struct letter *l, const struct delivery *d,
                              const char *invitation_id, struct cs_err *err)
{
    const Cs__Store__Invitation *inv = invitation_of(l, d, invitation_id);
    const Cs__Notices__InvitationCreated *created = NULL;
    if (inv == NULL)
        return cs_err_code(err, CS_CONFLICT, "notifier.closed", "the invitation is closed already");
    CS_TRY(open_invitation(s, inv, &created, err));
    CS_TRY(check_approver(s, l, d->recipient_id, created, err));
    CS_TRY(secrets_derive(s->r.n->secret, created->invitation_id, &l->secrets, err));
    const char *url = s->r.n->public_url;
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    CS_TRY(cs_strf(l->link, sizeof(l->link), err, "%.*s/decide#%s", (int)n, url,
                   l->secrets.view_token));
    l->order.link = l->link;
    l->order.approve = l->secrets.approve;
    l->order.deny = l->secrets.deny;
    l->order.again = l->order.again || inv->generation > 1;
    return CS_OK;
}

/* The event that asked for it: opened again, because the database is not believed. */
static enum cs_rc open_event(struct sender *s, const struct delivery *d, struct cs_event *e,
                             struct cs_err *err)
{
    return cs_open(s->r.opener, d->payload, NULL, -1, s->r.a, e, err);
}

static enum cs_rc write_letter(struct sender *s, const struct delivery *d, struct letter *l,
                               struct cs_err *err)
{
    struct cs_event e;
    const char *invitation_id = NULL;
    CS_TRY(open_event(s, d, &e, err));
    CS_TRY(story_read(&s->r, d->request_id, &l->story, err));
    CS_TRY(story_person(&s->r, d->recipient_id, &l->to.name, &l->to.address, err));
    if (l->to.address[0] == '\0')
        return cs_err_code(err, CS_CONFLICT, "notifier.no_address", "the user has no mail address");
    l->order.kind = d->kind;
    l->order.recipient = l->to.name;
    if (strcmp(e.type->name, "cs.events.InvitationIssued") == 0) {
        const Cs__Events__InvitationIssued *m = (const Cs__Events__InvitationIssued *)e.message;
        invitation_id = m->invitation_id;
        l->order.again = m->resend != 0;
    }
    if (d->kind != MAIL_APPROVAL && d->kind != MAIL_REMINDER)
        return check_user(s, l, d->recipient_id, err);
    return put_secrets(s, l, d, invitation_id, err);
}

static enum cs_rc post(struct sender *s, const struct delivery *d, const struct letter *l,
                       struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
    struct mail_content content = {0};
    char message_id[ID_ROOM];
    char thread_id[ID_ROOM];
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_strf(message_id, sizeof(message_id), err, "%s@%s", d->id, s->r.n->host));
    CS_TRY(cs_strf(thread_id, sizeof(thread_id), err, "%s@%s", d->request_id, s->r.n->host));
    enum cs_rc rc = mail_compose(&l->order, &l->story.mail, a, &content, err);
    if (rc == CS_OK) {
        const struct cs_mail mail = {.from = s->from,
                                     .to = l->to,
                                     .subject = content.subject,
                                     .message_id = message_id,
                                     .thread_id = thread_id,
                                     .delivery_id = d->id,
                                     .date_ms = cs_now_ms(),
                                     .text = cs_buf_view(&content.text),
                                     .html = cs_buf_view(&content.html)};
        const struct cs_mail_port *port = cs_smtp_port(s->smtp);
        rc = port->send(port->self, &mail, err);
    }
    mail_content_done(&content);
    return rc;
}

/* --- what came of it ----------------------------------------------------------------------------
 */

static enum cs_rc report(struct sender *s, const struct delivery *d, bool sent, const char *detail,
                         struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Notices__DeliveryReported m = CS__NOTICES__DELIVERY_REPORTED__INIT;
    char event_id[CS_UUID_TEXT];
    union {
        const char *in;
        char *out;
    } request = {.in = d->request_id}, organization = {.in = d->organization_id},
      id = {.in = d->id}, kind = {.in = mail_kind_name(d->kind)},
      recipient = {.in = d->recipient_id}, text = {.in = detail};
    cs_event_id_derive(d->id, "cs.notices.DeliveryReported", 0, event_id);
    h.event_id = event_id;
    h.aggregate_id = request.out;
    m.header = &h;
    m.organization_id = organization.out;
    m.request_id = request.out;
    m.delivery_id = id.out;
    m.kind = kind.out;
    m.recipient_id = recipient.out;
    m.delivered = sent;
    m.detail = text.out;
    const struct cs_publication e = {
        .topic = "cs.notices", .key = d->request_id, .message = &m.base};
    return cs_publish_wait(s->r.n->publisher, &e, ACK_MS, err);
}

static bool passes(enum cs_rc rc)
{
    return rc == CS_RETRY || rc == CS_NOMEM;
}

static int64_t backoff_ms(unsigned attempts)
{
    const int64_t d = attempts > 9 ? LONGEST_WAIT_MS : 1000LL << attempts;
    return d < LONGEST_WAIT_MS ? d : LONGEST_WAIT_MS;
}

static enum cs_rc settle(struct sender *s, const struct delivery *d, enum cs_rc rc,
                         const struct cs_err *why, struct cs_err *err)
{
    const bool login = rc == CS_DENIED && strcmp(why->code, "mail.login") == 0;
    if ((passes(rc) || login) && d->attempts < 200) {
        cs_log_warn("mail.again", CS_KS("delivery", d->id), CS_KS("request", d->request_id),
                    CS_KI("attempts", d->attempts), CS_KERR(why));
        return delivery_again(s->r.db, d, cs_now_ms() + backoff_ms(d->attempts), why->msg, err);
    }
    const bool sent = rc == CS_OK;
    cs_log_info(sent ? "mail.sent" : "mail.not_sent", CS_KS("delivery", d->id),
                CS_KS("request", d->request_id), CS_KS("kind", mail_kind_name(d->kind)),
                CS_KS("code", why->code), CS_KS("detail", why->msg));
    cs_metric_add(sent ? "cs_notifier_mails_total{result=\"sent\"}"
                       : "cs_notifier_mails_total{result=\"not_sent\"}",
                  1);
    CS_TRY(report(s, d, sent, sent ? "" : why->msg, err));
    return delivery_done(s->r.db, d, sent, why->msg, err);
}

/* Readiness says why mails wait: at once without a valid login, else after some mails in a row. */
static void judge_relay(struct sender *s, enum cs_rc rc, const struct cs_err *why)
{
    const bool login = rc == CS_DENIED && strcmp(why->code, "mail.login") == 0;
    s->trouble = passes(rc) || login ? s->trouble + 1 : 0;
    cs_app_check(s->r.n->app, "smtp", !login && s->trouble < TROUBLE, why->msg);
}

static enum cs_rc one(struct sender *s, struct cs_err *err)
{
    struct delivery d;
    struct letter l = {.unsendable = false};
    struct cs_err why = {0};
    CS_TRY(delivery_claim(s->r.db, s->r.a, &d, err));
    enum cs_rc rc = write_letter(s, &d, &l, &why);
    if (rc == CS_OK) {
        rc = post(s, &d, &l, &why);
        judge_relay(s, rc, &why);
    }
    secrets_wipe(&l.secrets);
    return settle(s, &d, rc, &why, err);
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* "Countersign <countersign@example.com>" */
static void read_from(struct sender *s, struct cs_arena *a)
{
    const char *text = cs_option_text(s->r.n->options, "smtp.from");
    const char *open = strchr(text, '<');
    const char *close = open == NULL ? NULL : strchr(open, '>');
    if (close == NULL) {
        s->from = (struct cs_mailbox){.name = "", .address = text};
        return;
    }
    size_t n = (size_t)(open - text);
    while (n > 0 && text[n - 1] == ' ')
        n--;
    s->from.name = cs_arena_strndup(a, text, n);
    s->from.address = cs_arena_strndup(a, open + 1, (size_t)(close - open - 1));
}

static enum cs_rc sender_open(struct sender *s, struct notifier *n, struct cs_arena *lasting,
                              struct cs_err *err)
{
    const struct cs_options *o = n->options;
    const struct cs_smtp_options smtp = {.url = cs_option_text(o, "smtp.url"),
                                         .user = cs_option_text(o, "smtp.user"),
                                         .password = cs_option_text(o, "smtp.password"),
                                         .ca_file = cs_option_text(o, "smtp.ca_file"),
                                         .require_tls =
                                             cs_option_number(o, "smtp.allow_plain") == 0,
                                         .timeout_ms = 30000};
    s->r = (struct reader){.n = n, .opener = cs_opener_new(n->trust), .a = cs_arena_new(ARENA)};
    if (s->r.opener == NULL || s->r.a == NULL || lasting == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    read_from(s, lasting);
    return cs_smtp_open(&smtp, &s->smtp, err);
}

static void work(struct sender *s)
{
    struct notifier *n = s->r.n;
    while (!atomic_load(&n->stop)) {
        struct cs_err err = {0};
        enum cs_rc rc = s->r.db == NULL ? notifier_open_db(n, &s->r.db, &err) : CS_OK;
        cs_arena_reset(s->r.a);
        if (rc == CS_OK)
            rc = one(s, &err);
        if (rc == CS_OK)
            continue;
        if (rc != CS_NOT_FOUND) {
            cs_log_warn("mail.waits", CS_KERR(&err));
            cs_app_check(n->app, "mariadb", rc != CS_RETRY, err.msg);
            cs_ignore(s->r.db == NULL ? CS_OK : cs_db_ping(s->r.db, NULL), "the next try tells");
        } else {
            cs_app_check(n->app, "mariadb", true, "");
        }
        notifier_sleep(n, IDLE_MS);
    }
}

void *sender_run(void *arg)
{
    struct notifier *n = arg;
    struct sender s = {.smtp = NULL};
    struct cs_err err = {0};
    CS_AUTO(cs_arena) lasting = cs_arena_new(1 << 16);
    if (sender_open(&s, n, lasting, &err) == CS_OK)
        work(&s);
    else
        cs_app_fail(n->app, &err);
    cs_smtp_close(s.smtp);
    cs_db_close(s.r.db);
    cs_opener_free(s.r.opener);
    cs_arena_free(s.r.a);
    return NULL;
}
