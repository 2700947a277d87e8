/* What clients asked for: submissions, cancellations, mails sent again. Decisions are in
 * decisions.c. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/uuid.h"
#include "batch.h"

#include <string.h>

static bool well_formed(const Cs__Commands__RequestSubmitted *m)
{
    return cs_uuid_valid(m->request_id) && cs_uuid_valid(m->organization_id) &&
           cs_uuid_valid(m->policy_id) && m->submitter != NULL &&
           (m->hash == NULL) != (m->artifact == NULL) &&
           strcmp(m->header->aggregate_id, m->request_id) == 0;
}

/* Hash requests: no inspection, no approval; the policy must say that this is fine. */
static enum cs_rc begin_hash(struct batch *b, struct request *q, struct cs_err *err)
{
    struct config_at at;
    const enum cs_rc rc =
        store_config(b, q->r->policy_id, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, &at, err);
    if (rc != CS_OK && rc != CS_NOT_FOUND)
        return rc;
    const Cs__Config__SigningPolicy *p = (const Cs__Config__SigningPolicy *)at.entity;
    if (rc == CS_OK && (!p->hash_signing_allowed || p->quorum != 0))
        return batch_end(b, q, EV_FAIL, "hash.not_allowed",
                         "this signing policy does not allow bare hashes to be signed: they cannot "
                         "be inspected or approved",
                         err);
    q->r->round = 1;
    return approval_begin(b, q, err);
}

static enum cs_rc may_submit(struct batch *b, struct request *q, bool *out, struct cs_err *err)
{
    struct config_at at;
    *out = false;
    const enum cs_rc rc =
        store_config(b, q->r->policy_id, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, &at, err);
    if (rc == CS_NOT_FOUND)
        return CS_OK;
    CS_TRY(rc);
    const Cs__Config__SigningPolicy *p = (const Cs__Config__SigningPolicy *)at.entity;
    *out = policy_may_submit(p, q->submitted->submitter->user_id) &&
           strcmp(p->project_id, q->r->project_id) == 0 &&
           strcmp(p->organization_id, q->r->organization_id) == 0;
    return CS_OK;
}

static enum cs_rc submitted(struct batch *b, const struct cs_event *e, int partition,
                            struct cs_err *err)
{
    const Cs__Commands__RequestSubmitted *m = (const Cs__Commands__RequestSubmitted *)e->message;
    struct request *q = NULL;
    bool allowed = false;
    if (!well_formed(m))
        return cs_err_code(err, CS_INVALID, "request.malformed",
                           "a request without valid ids, submitter or content");
    CS_TRY(batch_request(b, m->request_id, &q, err));
    if (q != NULL) {
        cs_log_info("request.again", CS_KS("request", m->request_id));
        return CS_OK;
    }
    CS_TRY(batch_new_request(b, e, partition, &q, err));
    CS_TRY(may_submit(b, q, &allowed, err));
    if (!allowed)
        return batch_end(b, q, EV_FAIL, "policy.not_a_submitter",
                         "the submitter may not use this signing policy (any more)", err);
    return q->r->is_hash ? begin_hash(b, q, err) : approval_inspect(b, q, err);
}

static enum cs_rc cancel(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Commands__CancelRequested *m = (const Cs__Commands__CancelRequested *)e->message;
    struct request *q = NULL;
    CS_TRY(batch_request(b, m->request_id, &q, err));
    if (q == NULL || machine_next(q->r->state, EV_CANCEL) == CS__EVENTS__STATE__STATE_UNSPECIFIED) {
        cs_log_info("cancel.late", CS_KS("request", m->request_id));
        return CS_OK;
    }
    q->r->by = m->principal;
    return batch_end(b, q, EV_CANCEL, "request.canceled", "it was canceled", err);
}

static enum cs_rc resend(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Commands__ResendRequested *m = (const Cs__Commands__ResendRequested *)e->message;
    struct request *q = NULL;
    CS_TRY(batch_request(b, m->request_id, &q, err));
    for (size_t i = 0; q != NULL && i < q->r->n_invitations; i++) {
        Cs__Common__Header h = CS__COMMON__HEADER__INIT;
        Cs__Events__InvitationIssued issued = CS__EVENTS__INVITATION_ISSUED__INIT;
        const Cs__Store__Invitation *inv = q->r->invitations[i];
        if (!inv->open)
            continue;
        issued.header = &h;
        issued.organization_id = q->r->organization_id;
        issued.request_id = q->r->request_id;
        issued.invitation_id = inv->invitation_id;
        issued.approver_id = inv->approver_id;
        issued.invitation_envelope = inv->envelope;
        issued.authorization_body = q->r->authorization_body;
        issued.resend = true;
        CS_TRY(batch_emit(b, q, "cs.events", &issued.base, &h, NULL, err));
    }
    return CS_OK;
}

enum cs_rc commands_apply(struct batch *b, const struct cs_event *e, int partition,
                          struct cs_err *err)
{
    const char *type = e->type->name;
    if (strcmp(type, "cs.commands.RequestSubmitted") == 0)
        return submitted(b, e, partition, err);
    if (strcmp(type, "cs.commands.DecisionSubmitted") == 0)
        return decisions_apply(b, e, err);
    if (strcmp(type, "cs.commands.CancelRequested") == 0)
        return cancel(b, e, err);
    if (strcmp(type, "cs.commands.ResendRequested") == 0)
        return resend(b, e, err);
    return CS_OK; /* commands for others, such as KeysResumeRequested */
}
