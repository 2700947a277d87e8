/* A decision on its way to the scheduler, and its verdict on the way back.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "requests.h"

/* Publishes the decision and answers the call with the verdict, or 202 when that takes longer. */
void verdict_decide(struct call *c, const char *request_id, Cs__Commands__DecisionSubmitted *m);
/* Personal text sealed under a person's key; NULL when there is none. */
Cs__Common__SealedText *verdict_seal(struct call *c, struct cs_db *db, const char *person_id,
                                     const char *text);
