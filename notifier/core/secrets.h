/* View tokens and codes: derived from the notifier's secret and the invitation's id, so that
 * nothing needs to be stored and a second mail carries the same ones. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "base/uuid.h"

#include <stdint.h>

enum { SECRETS_KEY = 32, SECRETS_TOKEN_TEXT = 44, SECRETS_CODE_TEXT = 9 };

struct secrets {
    char view_token[SECRETS_TOKEN_TEXT]; /* base64url of 32 bytes */
    char approve[SECRETS_CODE_TEXT];     /* 8 Crockford characters, no dash */
    char deny[SECRETS_CODE_TEXT];
};

/* The id of the invitation that the InvitationsRequested event 'event_id' wants for an approver.
 * What is approved is part of it: whoever repeats an event id with another body gets other secrets.
 */
void secrets_invitation_id(const char *event_id, const char *approver_id, uint32_t generation,
                           const uint8_t authorization_sha256[32], char out[CS_UUID_TEXT]);
/* CS_NOMEM. The two codes always differ. */
enum cs_rc secrets_derive(const uint8_t key[SECRETS_KEY], const char *invitation_id,
                          struct secrets *out, struct cs_err *err) CS_MUST_CHECK;
void secrets_wipe(struct secrets *s);

/* SHA-256 of token and proofs: all that an event may hold. */
struct commitments {
    uint8_t view_token_sha256[32];
    uint8_t approve_proof_sha256[32];
    uint8_t deny_proof_sha256[32];
};
/* Blocking: two Argon2id runs, about 20 ms. */
enum cs_rc secrets_commit(const char *invitation_id, const struct secrets *s,
                          struct commitments *out, struct cs_err *err) CS_MUST_CHECK;
