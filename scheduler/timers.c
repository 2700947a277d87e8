/* What happens by itself: reminders, deadlines, and a changed policy for those who wait.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"
#include "batch.h"
#include "codec/message.h"

#include <string.h>

static bool has_answered(const Cs__Store__RequestRecord *r, const char *approver_id)
{
    for (size_t i = 0; i < r->n_votes; i++) {
        if (strcmp(r->votes[i]->approver_id, approver_id) == 0)
            return true;
    }
    return false;
}

static enum cs_rc remind(struct batch *b, struct request *q, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__ReminderDue m = CS__EVENTS__REMINDER_DUE__INIT;
    Cs__Store__RequestRecord *r = q->r;
    char **ids = cs_arena_alloc(b->a, (r->n_invitations + 1) * sizeof(*ids));
    if (ids == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    m.header = &h;
    m.organization_id = r->organization_id;
    m.request_id = r->request_id;
    m.approver_ids = ids;
    for (size_t i = 0; i < r->n_invitations; i++) {
        if (r->invitations[i]->open && !has_answered(r, r->invitations[i]->approver_id))
            ids[m.n_approver_ids++] = r->invitations[i]->approver_id;
    }
    m.expires_at_ms = r->deadline_ms;
    r->reminded = true;
    r->version++;
    q->dirty = true;
    return batch_emit(b, q, "cs.events", &m.base, &h, NULL, err);
}

/* A newer revision of the policy: those who wait are asked again, under it. */
static enum cs_rc policy_changed(struct batch *b, struct request *q, bool *changed,
                                 struct cs_err *err)
{
    struct config_at at;
    *changed = false;
    if (q->r->state != CS__EVENTS__STATE__STATE_AWAITING_APPROVAL)
        return CS_OK;
    const enum cs_rc rc =
        store_config(b, q->r->policy_id, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, &at, err);
    if (rc == CS_NOT_FOUND) {
        *changed = true;
        return batch_end(b, q, EV_FAIL, "policy.removed", "the signing policy was removed", err);
    }
    CS_TRY(rc);
    if (at.revision <= q->r->policy_revision)
        return CS_OK;
    *changed = true;
    const Cs__Config__SigningPolicy *p = (const Cs__Config__SigningPolicy *)at.entity;
    if (strcmp(p->certificate_id, q->r->certificate_id) != 0)
        return approval_inspect(b, q, err); /* the manifest names the other certificate */
    q->r->round++;
    return approval_begin(b, q, err);
}

static enum cs_rc expire(struct batch *b, struct request *q, struct cs_err *err)
{
    switch ((int)q->r->state) {
    case CS__EVENTS__STATE__STATE_INSPECTING:
        return batch_end(
            b, q, EV_FAIL, "inspection.deadline",
            q->r->waiting_message[0] != '\0'
                ? q->r->waiting_message
                : "no signer inspected the artifact in time; do signers of this pool run?",
            err);
    case CS__EVENTS__STATE__STATE_AWAITING_APPROVAL:
        return batch_end(b, q, EV_EXPIRE, "approval.deadline",
                         "it was not approved in the time that the policy gives", err);
    default:
        return batch_end(b, q, EV_EXPIRE, "signing.deadline",
                         q->r->waiting_message[0] != '\0'
                             ? q->r->waiting_message
                             : "it was not signed in the time that the policy gives",
                         err);
    }
}

enum cs_rc timers_apply(struct batch *b, struct request *q, struct cs_err *err)
{
    char *cause = cs_arena_alloc(b->a, CS_UUID_TEXT);
    bool changed = false;
    if (cause == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (machine_final(q->r->state))
        return CS_OK;
    cs_event_id_derive(q->r->request_id, "timer", q->r->version, cause);
    b->cause = cause;
    CS_TRY(policy_changed(b, q, &changed, err));
    if (changed)
        return CS_OK;
    if (b->now_ms >= q->r->deadline_ms)
        return expire(b, q, err);
    if (q->r->state == CS__EVENTS__STATE__STATE_AWAITING_APPROVAL && !q->r->reminded &&
        b->now_ms >= q->r->reminder_at_ms)
        return remind(b, q, err);
    return CS_OK;
}
