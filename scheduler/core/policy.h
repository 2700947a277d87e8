/* Who may approve, what a decision counts for, and when there are enough. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/store.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

enum { POLICY_MAX_TRIES = 5, POLICY_MAX_GENERATIONS = 3 };

/* The approver may decide on requests of this submitter: neither the submitter nor the person who
 * answers for a CI user. */
bool policy_may_decide(const Cs__Common__Principal *submitter, const char *approver_id);
/* How many of the policy's distinct approvers may decide. */
size_t policy_eligible(const Cs__Config__SigningPolicy *p, const Cs__Common__Principal *submitter);
const Cs__Config__Approver *policy_approver(const Cs__Config__SigningPolicy *p, const char *id);
bool policy_may_submit(const Cs__Config__SigningPolicy *p, const char *user_id);

/* What one decision says once its factors were judged. */
struct policy_decision {
    const char *approver_id; /* "": not established */
    Cs__Commands__Decision decision;
    Cs__Trust__Assurance assurance;
    bool binds; /* it is about the authorization body in force */
};

/* NULL when the decision counts, else the refusal code (events.proto, DecisionRecorded). */
const char *policy_refusal(const Cs__Store__RequestRecord *r, const Cs__Config__SigningPolicy *p,
                           const Cs__Common__Principal *submitter, const struct policy_decision *d);
/* Distinct approvers among the votes that approve. */
size_t policy_approvals(const Cs__Store__RequestRecord *r);
