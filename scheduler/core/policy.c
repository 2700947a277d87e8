/* The approval rules; see policy.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include "base/guard.h"

#include <string.h>

bool policy_may_decide(const Cs__Common__Principal *submitter, const char *approver_id)
{
    return strcmp(submitter->user_id, approver_id) != 0 &&
           strcmp(submitter->responsible_user_id, approver_id) != 0;
}

static bool listed_before(const Cs__Config__SigningPolicy *p, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(p->approvers[k]->user_id, p->approvers[i]->user_id) == 0)
            return true;
    }
    return false;
}

size_t policy_eligible(const Cs__Config__SigningPolicy *p, const Cs__Common__Principal *submitter)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_approvers; i++)
        n += policy_may_decide(submitter, p->approvers[i]->user_id) && !listed_before(p, i);
    return n;
}

const Cs__Config__Approver *policy_approver(const Cs__Config__SigningPolicy *p, const char *id)
{
    for (size_t i = 0; i < p->n_approvers; i++) {
        if (strcmp(p->approvers[i]->user_id, id) == 0)
            return p->approvers[i];
    }
    return NULL;
}

bool policy_may_submit(const Cs__Config__SigningPolicy *p, const char *user_id)
{
    for (size_t i = 0; i < p->n_submitter_ids; i++) {
        if (strcmp(p->submitter_ids[i], user_id) == 0)
            return true;
    }
    return false;
}

static bool has_voted(const Cs__Store__RequestRecord *r, const char *approver_id)
{
    for (size_t i = 0; i < r->n_votes; i++) {
        if (strcmp(r->votes[i]->approver_id, approver_id) == 0)
            return true;
    }
    return false;
}

const char *policy_refusal(const Cs__Store__RequestRecord *r, const Cs__Config__SigningPolicy *p,
                           const Cs__Common__Principal *submitter, const struct policy_decision *d)
{
    if (r->state != CS__EVENTS__STATE__STATE_AWAITING_APPROVAL)
        return "decision.late";
    if (!d->binds)
        return "decision.superseded";
    if (CS_GUARD("scheduler-self-approval") && !policy_may_decide(submitter, d->approver_id))
        return "decision.own_request";
    if (CS_GUARD("scheduler-approver") && policy_approver(p, d->approver_id) == NULL)
        return "decision.not_an_approver";
    if (CS_GUARD("scheduler-distinct") && has_voted(r, d->approver_id))
        return "decision.voted";
    if (CS_GUARD("scheduler-assurance") && d->assurance < p->min_assurance)
        return "decision.assurance";
    return NULL;
}

size_t policy_approvals(const Cs__Store__RequestRecord *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_votes; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(r->votes[k]->approver_id, r->votes[i]->approver_id) == 0;
        n += r->votes[i]->decision == CS__COMMANDS__DECISION__DECISION_APPROVE &&
             !(again && CS_GUARD("scheduler-distinct"));
    }
    return n;
}
