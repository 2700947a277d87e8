/* From events to invitations and deliveries.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "deliveries.h"

#include "proto/envelope.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/store.pb-c.h"

#include <string.h>

enum { ACK_MS = 15000 };

static ProtobufCBinaryData data(const uint8_t *p)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = p};
    return (ProtobufCBinaryData){.data = u.out, .len = 32};
}

/* One approver's invitation: only the commitments leave this process. */
static enum cs_rc invite(struct notifier *n, const Cs__Events__InvitationsRequested *m,
                         const Cs__Events__InvitationWanted *w, unsigned ordinal,
                         struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Notices__InvitationCreated inv = CS__NOTICES__INVITATION_CREATED__INIT;
    struct secrets secrets;
    struct commitments c;
    char id[CS_UUID_TEXT];
    char event_id[CS_UUID_TEXT];
    uint8_t body[CS_SHA256_SIZE];
    cs_sha256(m->authorization_body.data, m->authorization_body.len, body);
    secrets_invitation_id(m->header->event_id, w->approver_id, w->generation, body, id);
    CS_TRY(secrets_derive(n->secret, id, &secrets, err));
    const enum cs_rc rc = secrets_commit(id, &secrets, &c, err);
    secrets_wipe(&secrets);
    CS_TRY(rc);
    cs_event_id_derive(m->header->event_id, "cs.notices.InvitationCreated", ordinal, event_id);
    h.event_id = event_id;
    h.aggregate_id = m->request_id;
    h.cause_event_id = m->header->event_id;
    h.traceparent = m->header->traceparent;
    inv.header = &h;
    inv.organization_id = m->organization_id;
    inv.request_id = m->request_id;
    inv.invitation_id = id;
    inv.approver_id = w->approver_id;
    inv.authorization_sha256 = data(body);
    inv.view_token_sha256 = data(c.view_token_sha256);
    inv.approve_proof_sha256 = data(c.approve_proof_sha256);
    inv.deny_proof_sha256 = data(c.deny_proof_sha256);
    inv.expires_at_ms = m->expires_at_ms;
    inv.generation = w->generation;
    const struct cs_publication e = {
        .topic = "cs.notices", .key = m->request_id, .message = &inv.base};
    return cs_publish_wait(n->publisher, &e, ACK_MS, err);
}

static enum cs_rc invitations_requested(struct notifier *n, const struct cs_event *e,
                                        struct cs_err *err)
{
    const Cs__Events__InvitationsRequested *m =
        (const Cs__Events__InvitationsRequested *)e->message;
    for (size_t i = 0; i < m->n_wanted; i++)
        CS_TRY(invite(n, m, m->wanted[i], (unsigned)i, err));
    return CS_OK;
}

/* What one event asks to be mailed. */
struct asked {
    struct cs_db *db;
    const struct cs_event *e;
    const char *request_id;
    const char *organization_id;
};

static enum cs_rc add(const struct asked *q, enum mail_kind kind, const char *recipient,
                      struct cs_err *err)
{
    char id[CS_UUID_TEXT];
    char cause[2 * CS_UUID_TEXT];
    if (recipient == NULL || recipient[0] == '\0' || strlen(recipient) >= CS_UUID_TEXT)
        return CS_OK;
    CS_TRY(cs_strf(cause, sizeof(cause), err, "%s%s", q->e->header->event_id, recipient));
    cs_event_id_derive(cause, mail_kind_name(kind), 0, id);
    const struct delivery d = {.id = id,
                               .request_id = q->request_id,
                               .organization_id = q->organization_id,
                               .recipient_id = recipient,
                               .kind = kind,
                               .payload = q->e->envelope};
    return delivery_add(q->db, &d, err);
}

/* The person who hears of a request: the submitter, or who answers for a CI user. */
static const char *requester_of(const Cs__Common__Principal *p)
{
    if (p == NULL)
        return "";
    return p->is_ci ? p->responsible_user_id : p->user_id;
}

static enum cs_rc load_record(struct cs_db *db, const char *request_id, struct cs_arena *a,
                              const Cs__Store__RequestRecord **out, struct cs_err *err)
{
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(request_id)};
    CS_TRY(cs_db_query(db, "SELECT record FROM requests WHERE request_id=?", v, 1, a, &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_RETRY, "request %s is not in the database yet", request_id);
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 0), a, &m,
                             err));
    *out = (const Cs__Store__RequestRecord *)m;
    return CS_OK;
}

static enum cs_rc to_voters(const struct asked *q, const Cs__Store__RequestRecord *r,
                            enum mail_kind kind, const char *but, struct cs_err *err)
{
    for (size_t i = 0; i < r->n_votes; i++) {
        if (strcmp(r->votes[i]->approver_id, but) != 0)
            CS_TRY(add(q, kind, r->votes[i]->approver_id, err));
    }
    return CS_OK;
}

/* Those who hold a mail that asks them to decide need to know that it is over. A delivery that is
 * there already is not made twice. */
static enum cs_rc to_invited(const struct asked *q, const Cs__Store__RequestRecord *r,
                             enum mail_kind kind, struct cs_err *err)
{
    for (size_t i = 0; i < r->n_invitations; i++)
        CS_TRY(add(q, kind, r->invitations[i]->approver_id, err));
    return CS_OK;
}

static enum cs_rc state_changed(struct cs_db *db, const struct cs_event *e, struct cs_arena *a,
                                struct cs_err *err)
{
    const Cs__Events__RequestStateChanged *m = (const Cs__Events__RequestStateChanged *)e->message;
    const Cs__Store__RequestRecord *r = NULL;
    const struct asked q = {db, e, m->request_id, m->organization_id};
    enum mail_kind kind = MAIL_SIGNED;
    switch ((int)m->state) {
    case CS__EVENTS__STATE__STATE_COMPLETED:
        break;
    case CS__EVENTS__STATE__STATE_FAILED:
        kind = MAIL_FAILED;
        break;
    case CS__EVENTS__STATE__STATE_EXPIRED:
        kind = MAIL_EXPIRED;
        break;
    case CS__EVENTS__STATE__STATE_CANCELED:
        kind = MAIL_CANCELED;
        break;
    default:
        return CS_OK; /* a denial is told by its decision */
    }
    CS_TRY(load_record(db, m->request_id, a, &r, err));
    if (r->is_hash || (r->quorum == 0 && kind == MAIL_SIGNED))
        return CS_OK; /* nobody wants a mail for each of a build's files */
    const char *requester = requester_of(m->submitter);
    CS_TRY(add(&q, kind, requester, err));
    if (kind == MAIL_CANCELED)
        CS_TRY(to_invited(&q, r, kind, err));
    return to_voters(&q, r, kind, requester, err);
}

/* The RequestSubmitted inside an envelope that the scheduler verified when it stored it. */
static enum cs_rc requester(const Cs__Store__RequestRecord *r, struct cs_arena *a, const char **out,
                            struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(&cs__envelope__envelope__descriptor,
                             cs_bytes(r->request_envelope.data, r->request_envelope.len), a, &m,
                             err));
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)m;
    CS_TRY(cs_message_unpack(&cs__commands__request_submitted__descriptor,
                             cs_bytes(e->payload.data, e->payload.len), a, &m, err));
    *out = requester_of(((const Cs__Commands__RequestSubmitted *)m)->submitter);
    return CS_OK;
}

static enum cs_rc decision_recorded(struct cs_db *db, const struct cs_event *e, struct cs_arena *a,
                                    struct cs_err *err)
{
    const Cs__Events__DecisionRecorded *m = (const Cs__Events__DecisionRecorded *)e->message;
    const Cs__Store__RequestRecord *r = NULL;
    const struct asked q = {db, e, m->request_id, m->organization_id};
    const char *who = "";
    if (!m->accepted)
        return CS_OK;
    CS_TRY(load_record(db, m->request_id, a, &r, err));
    CS_TRY(requester(r, a, &who, err));
    CS_TRY(add(&q, MAIL_DECIDED, who, err));
    return to_voters(&q, r, MAIL_DECIDED, m->approver_id, err);
}

static enum cs_rc reminder_due(struct cs_db *db, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Events__ReminderDue *m = (const Cs__Events__ReminderDue *)e->message;
    const struct asked q = {db, e, m->request_id, m->organization_id};
    for (size_t i = 0; i < m->n_approver_ids; i++)
        CS_TRY(add(&q, MAIL_REMINDER, m->approver_ids[i], err));
    return CS_OK;
}

enum cs_rc events_apply(struct notifier *n, struct cs_db *db, const struct cs_event *e,
                        struct cs_arena *a, struct cs_err *err)
{
    const char *type = e->type->name;
    if (strcmp(type, "cs.events.InvitationsRequested") == 0)
        return invitations_requested(n, e, err);
    if (strcmp(type, "cs.events.InvitationIssued") == 0) {
        const Cs__Events__InvitationIssued *m = (const Cs__Events__InvitationIssued *)e->message;
        const struct asked q = {db, e, m->request_id, m->organization_id};
        return add(&q, MAIL_APPROVAL, m->approver_id, err);
    }
    if (strcmp(type, "cs.events.RequestStateChanged") == 0)
        return state_changed(db, e, a, err);
    if (strcmp(type, "cs.events.DecisionRecorded") == 0)
        return decision_recorded(db, e, a, err);
    if (strcmp(type, "cs.events.ReminderDue") == 0)
        return reminder_due(db, e, err);
    return CS_OK;
}
