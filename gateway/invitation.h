/* Invitations by their view token. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "requests.h"

struct invitation {
    const char *invitation_id;
    const char *request_id;
    const char *approver_id;
    const char *state; /* open, used, voided, superseded */
    int64_t expires_at_ms;
    uint8_t view_token_sha256[32];
    const Cs__Store__RequestRecord *r;
    const Cs__Commands__RequestSubmitted *request;
    const Cs__Store__Invitation *stored; /* in the record */
};

/* By the token of the body. Answers and returns false when there is none. */
bool invitation_load(struct call *c, struct cs_db *db, const char *token, struct invitation *out);
