/* Events in words; see audit_tell.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_tell.h"

#include "base/hex.h"
#include "base/str.h"
#include "codec/message.h"

#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/jobs.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/results.pb-c.h"

#include <string.h>

struct name {
    char slug[104];
};

/* What a teller gets. */
struct told {
    const struct audit_names *names;
    const struct cs_event *e;
    struct cs_arena *a;
    struct cs_buf *out;
};

enum cs_rc audit_names_init(struct audit_names *n, struct cs_err *err)
{
    n->table = audit_table_new(sizeof(struct name));
    return n->table != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

void audit_names_done(struct audit_names *n)
{
    audit_table_free(n->table);
    n->table = NULL;
}

static const ProtobufCMessageDescriptor *body_of(Cs__Config__EntityKind kind)
{
    switch (kind) {
    case CS__CONFIG__ENTITY_KIND__ENTITY_USER:
        return &cs__config__user__descriptor;
    case CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE:
        return &cs__config__certificate__descriptor;
    case CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT:
        return &cs__config__project__descriptor;
    case CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY:
        return &cs__config__signing_policy__descriptor;
    case CS__CONFIG__ENTITY_KIND__ENTITY_UNSPECIFIED:
    case CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION:
    case CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN:
    case CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION:
    case _CS__CONFIG__ENTITY_KIND_IS_INT_SIZE:
    default:
        return NULL;
    }
}

/* All of those bodies have a text field "slug". */
static const char *slug_of(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "slug");
    const uint8_t *base = (const uint8_t *)m;
    return f == NULL ? "" : *(char *const *)(const void *)(base + f->offset);
}

enum cs_rc audit_names_learn(struct audit_names *n, const struct cs_event *e, struct cs_arena *a,
                             struct cs_err *err)
{
    ProtobufCMessage *body = NULL;
    if (strcmp(e->type->name, "cs.config.ConfigChanged") != 0)
        return CS_OK;
    const Cs__Config__ConfigChanged *c = (const Cs__Config__ConfigChanged *)e->message;
    const ProtobufCMessageDescriptor *d = body_of(c->kind);
    if (d == NULL || c->deleted ||
        cs_message_unpack(d, cs_bytes(c->body.data, c->body.len), a, &body, NULL) != CS_OK)
        return CS_OK;
    struct name *slot = audit_table_add(n->table, c->entity_id, strlen(c->entity_id), NULL);
    if (slot == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return cs_strf(slot->slug, sizeof(slot->slug), err, "%.100s", slug_of(body));
}

const char *audit_name(const struct audit_names *n, const char *id)
{
    const struct name *slot = audit_table_get(n->table, id, strlen(id));
    return slot == NULL || slot->slug[0] == '\0' ? id : slot->slug;
}

static void hex_of(const ProtobufCBinaryData *d, char out[65])
{
    out[0] = '\0';
    if (d->len == 32)
        cs_hex_encode(d->data, d->len, out);
}

static enum cs_rc submitted(const struct told *t, struct cs_err *err)
{
    const Cs__Commands__RequestSubmitted *m = (const Cs__Commands__RequestSubmitted *)t->e->message;
    char hex[65] = "";
    const char *by = m->submitter == NULL ? "?" : audit_name(t->names, m->submitter->user_id);
    const char *project = audit_name(t->names, m->project_id);
    const char *policy = audit_name(t->names, m->policy_id);
    if (m->artifact == NULL)
        return cs_buf_addf(t->out, err, "submitted by %s: a hash, project %s, policy %s", by,
                           project, policy);
    hex_of(&m->artifact->sha256, hex);
    return cs_buf_addf(
        t->out, err, "submitted by %s: %s, %llu bytes, SHA-256 %s, project %s, policy %s", by,
        m->artifact->file_name, (unsigned long long)m->artifact->size, hex, project, policy);
}

static enum cs_rc decided(const struct told *t, struct cs_err *err)
{
    const Cs__Commands__DecisionSubmitted *m =
        (const Cs__Commands__DecisionSubmitted *)t->e->message;
    if (m->approver_id[0] == '\0')
        return cs_buf_add_str(t->out, "a decision came in by mail", err);
    return cs_buf_addf(t->out, err, "%s sent a decision", audit_name(t->names, m->approver_id));
}

static enum cs_rc recorded(const struct told *t, struct cs_err *err)
{
    const Cs__Events__DecisionRecorded *m = (const Cs__Events__DecisionRecorded *)t->e->message;
    const char *who = m->approver_id[0] == '\0' ? "somebody" : audit_name(t->names, m->approver_id);
    if (!m->accepted)
        return cs_buf_addf(t->out, err, "the decision of %s was refused: %s", who, m->refusal_code);
    return cs_buf_addf(t->out, err, "%s %s", who,
                       m->decision == CS__COMMANDS__DECISION__DECISION_APPROVE ? "approved"
                                                                               : "denied");
}

static enum cs_rc canceled(const struct told *t, struct cs_err *err)
{
    const Cs__Commands__CancelRequested *m = (const Cs__Commands__CancelRequested *)t->e->message;
    return cs_buf_addf(t->out, err, "%s asked to cancel it",
                       m->principal == NULL ? "?" : audit_name(t->names, m->principal->user_id));
}

static enum cs_rc inspected(const struct told *t, struct cs_err *err)
{
    const Cs__Results__InspectionCompleted *m =
        (const Cs__Results__InspectionCompleted *)t->e->message;
    return cs_buf_addf(t->out, err, "inspected: %u item%s, %u to be signed", m->items,
                       m->items == 1 ? "" : "s", m->to_be_signed);
}

static enum cs_rc failure(const struct told *t, const char *what, const Cs__Common__Failure *f,
                          struct cs_err *err)
{
    return cs_buf_addf(t->out, err, "%s: %s (%s)", what, f == NULL ? "?" : f->message,
                       f == NULL ? "" : f->code);
}

static enum cs_rc inspection_failed(const struct told *t, struct cs_err *err)
{
    return failure(t, "inspection failed",
                   ((const Cs__Results__InspectionFailed *)t->e->message)->failure, err);
}

static enum cs_rc signing_failed(const struct told *t, struct cs_err *err)
{
    return failure(t, "signing failed",
                   ((const Cs__Results__SigningFailed *)t->e->message)->failure, err);
}

static enum cs_rc deferred(const struct told *t, struct cs_err *err)
{
    return failure(t, "signing waits", ((const Cs__Results__JobDeferred *)t->e->message)->reason,
                   err);
}

static enum cs_rc invited(const struct told *t, struct cs_err *err)
{
    const Cs__Notices__InvitationCreated *m = (const Cs__Notices__InvitationCreated *)t->e->message;
    return cs_buf_addf(t->out, err, "an invitation for %s was made (number %u)",
                       audit_name(t->names, m->approver_id), m->generation);
}

static enum cs_rc asked(const struct told *t, struct cs_err *err)
{
    const Cs__Events__InvitationsRequested *m =
        (const Cs__Events__InvitationsRequested *)t->e->message;
    CS_TRY(cs_buf_add_str(t->out, "approval is wanted from", err));
    for (size_t i = 0; i < m->n_wanted; i++)
        CS_TRY(cs_buf_addf(t->out, err, "%s%s", i == 0 ? " " : ", ",
                           audit_name(t->names, m->wanted[i]->approver_id)));
    return CS_OK;
}

static enum cs_rc reminded(const struct told *t, struct cs_err *err)
{
    const Cs__Events__ReminderDue *m = (const Cs__Events__ReminderDue *)t->e->message;
    CS_TRY(cs_buf_add_str(t->out, "no answer yet from", err));
    for (size_t i = 0; i < m->n_approver_ids; i++)
        CS_TRY(cs_buf_addf(t->out, err, "%s%s", i == 0 ? " " : ", ",
                           audit_name(t->names, m->approver_ids[i])));
    return CS_OK;
}

static enum cs_rc resend(const struct told *t, struct cs_err *err)
{
    const Cs__Commands__ResendRequested *m = (const Cs__Commands__ResendRequested *)t->e->message;
    return cs_buf_addf(t->out, err, "%s asked to send the mails again",
                       m->principal == NULL ? "?" : audit_name(t->names, m->principal->user_id));
}

static enum cs_rc issued(const struct told *t, struct cs_err *err)
{
    const Cs__Events__InvitationIssued *m = (const Cs__Events__InvitationIssued *)t->e->message;
    return cs_buf_addf(t->out, err, "%s is asked by mail%s", audit_name(t->names, m->approver_id),
                       m->resend ? " once more" : "");
}

static enum cs_rc voided(const struct told *t, struct cs_err *err)
{
    const Cs__Events__InvitationVoided *m = (const Cs__Events__InvitationVoided *)t->e->message;
    return cs_buf_addf(t->out, err, "the invitation of %s ended: %s",
                       audit_name(t->names, m->approver_id), m->reason);
}

static enum cs_rc mailed(const struct told *t, struct cs_err *err)
{
    const Cs__Notices__DeliveryReported *m = (const Cs__Notices__DeliveryReported *)t->e->message;
    return cs_buf_addf(t->out, err, "mail (%s) to %s %s%s%s", m->kind,
                       audit_name(t->names, m->recipient_id), m->delivered ? "sent" : "not sent",
                       m->detail[0] != '\0' ? ": " : "", m->detail);
}

static enum cs_rc authorized(const struct told *t, struct cs_err *err)
{
    const Cs__Events__RequestAuthorized *m = (const Cs__Events__RequestAuthorized *)t->e->message;
    ProtobufCMessage *body = NULL;
    CS_TRY(cs_buf_add_str(t->out, "authorized", err));
    for (size_t i = 0; i < m->n_approver_ids; i++)
        CS_TRY(cs_buf_addf(t->out, err, "%s%s", i == 0 ? ", approved by " : " and ",
                           audit_name(t->names, m->approver_ids[i])));
    if (cs_message_unpack(&cs__evidence__authorization_body__descriptor,
                          cs_bytes(m->authorization_body.data, m->authorization_body.len), t->a,
                          &body, NULL) != CS_OK)
        return CS_OK;
    const Cs__Evidence__AuthorizationBody *b = (const Cs__Evidence__AuthorizationBody *)body;
    return cs_buf_addf(t->out, err, ": policy %s revision %llu, certificate %s",
                       audit_name(t->names, b->policy_id), (unsigned long long)b->policy_revision,
                       audit_name(t->names, b->certificate_id));
}

static enum cs_rc dispatched(const struct told *t, struct cs_err *err)
{
    const Cs__Jobs__SigningJob *m = (const Cs__Jobs__SigningJob *)t->e->message;
    return cs_buf_addf(t->out, err, "sent to the signers of pool %s, lane %s", m->pool, m->lane);
}

static enum cs_rc inspecting(const struct told *t, struct cs_err *err)
{
    const Cs__Jobs__InspectionJob *m = (const Cs__Jobs__InspectionJob *)t->e->message;
    return cs_buf_addf(t->out, err, "sent to be inspected by pool %s", m->pool);
}

static enum cs_rc started(const struct told *t, struct cs_err *err)
{
    const Cs__Results__SigningStarted *m = (const Cs__Results__SigningStarted *)t->e->message;
    return cs_buf_addf(t->out, err, "the key is about to be used (use %llu of key process %.8s)",
                       (unsigned long long)m->use_number, m->keyd_boot_id);
}

static enum cs_rc made(const struct told *t, struct cs_err *err)
{
    const Cs__Results__SignatureMade *m = (const Cs__Results__SignatureMade *)t->e->message;
    return cs_buf_addf(t->out, err, "signature made (use %llu)", (unsigned long long)m->use_number);
}

static enum cs_rc completed(const struct told *t, struct cs_err *err)
{
    const Cs__Results__SigningCompleted *m = (const Cs__Results__SigningCompleted *)t->e->message;
    char hex[65] = "";
    if (m->signed_artifact == NULL)
        return cs_buf_add_str(t->out, "signed: the signature was returned", err);
    hex_of(&m->signed_artifact->sha256, hex);
    return cs_buf_addf(t->out, err, "signed: SHA-256 %s%s%s", hex,
                       m->timestamp_authority[0] != '\0' ? ", timestamp by " : "",
                       m->timestamp_authority);
}

static enum cs_rc changed(const struct told *t, struct cs_err *err)
{
    const Cs__Events__RequestStateChanged *m =
        (const Cs__Events__RequestStateChanged *)t->e->message;
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(&cs__events__state__descriptor, (int)m->state);
    CS_TRY(cs_buf_addf(t->out, err, "now %s",
                       v == NULL ? "in an unknown state" : v->name + sizeof("STATE_") - 1));
    if (m->failure != NULL)
        return cs_buf_addf(t->out, err, ": %s (%s)", m->failure->message, m->failure->code);
    if (m->waiting_message[0] != '\0')
        return cs_buf_addf(t->out, err, ", waiting: %s", m->waiting_message);
    return CS_OK;
}

static const struct {
    const char *type;
    enum cs_rc (*tell)(const struct told *t, struct cs_err *err);
} tellers[] = {{"cs.commands.RequestSubmitted", submitted},
               {"cs.commands.DecisionSubmitted", decided},
               {"cs.commands.CancelRequested", canceled},
               {"cs.commands.ResendRequested", resend},
               {"cs.events.InvitationsRequested", asked},
               {"cs.events.ReminderDue", reminded},
               {"cs.jobs.InspectionJob", inspecting},
               {"cs.jobs.SigningJob", dispatched},
               {"cs.results.InspectionCompleted", inspected},
               {"cs.results.InspectionFailed", inspection_failed},
               {"cs.results.SigningStarted", started},
               {"cs.results.SignatureMade", made},
               {"cs.results.SigningCompleted", completed},
               {"cs.results.SigningFailed", signing_failed},
               {"cs.results.JobDeferred", deferred},
               {"cs.notices.InvitationCreated", invited},
               {"cs.notices.DeliveryReported", mailed},
               {"cs.events.InvitationIssued", issued},
               {"cs.events.InvitationVoided", voided},
               {"cs.events.DecisionRecorded", recorded},
               {"cs.events.RequestAuthorized", authorized},
               {"cs.events.RequestStateChanged", changed}};

/* File names and messages come from outside: they must not reach the terminal as commands. */
static void clean(struct cs_buf *b, size_t from)
{
    for (size_t i = from; i < b->len; i++) {
        if (b->ptr[i] < ' ' || b->ptr[i] == 0x7f)
            b->ptr[i] = '?';
    }
}

enum cs_rc audit_tell(const struct audit_names *n, const struct cs_event *e, struct cs_arena *a,
                      struct cs_buf *out, struct cs_err *err)
{
    const struct told t = {.names = n, .e = e, .a = a, .out = out};
    const size_t from = out->len;
    enum cs_rc (*tell)(const struct told *, struct cs_err *) = NULL;
    for (size_t i = 0; i < sizeof(tellers) / sizeof(tellers[0]); i++) {
        if (strcmp(tellers[i].type, e->type->name) == 0)
            tell = tellers[i].tell;
    }
    const enum cs_rc rc = tell != NULL ? tell(&t, err) : cs_buf_add_str(out, e->type->name, err);
    clean(out, from);
    return rc;
}
