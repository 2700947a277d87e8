/* Derived tokens and codes; see secrets.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include <string.h>

void secrets_invitation_id(const char *event_id, const char *approver_id, uint32_t generation,
                           const uint8_t authorization_sha256[32], char out[CS_UUID_TEXT])
{
    char type[160];
    char hex[2 * CS_SHA256_SIZE + 1];
    cs_hex_encode(authorization_sha256, CS_SHA256_SIZE, hex);
    /* Approver ids are UUIDs; a longer one would only be cut, never overflow. */
    cs_ignore(cs_strf(type, sizeof(type), NULL, "invitation/%.64s/%s", approver_id, hex),
              "bounded");
    cs_event_id_derive(event_id, type, generation, out);
}

static void derive(const uint8_t key[SECRETS_KEY], const char *label, const char *invitation_id,
                   uint8_t attempt, uint8_t out[32])
{
    const struct cs_bytes parts[] = {cs_bytes_str(invitation_id), cs_bytes(&attempt, 1)};
    cs_hmac(cs_bytes(key, SECRETS_KEY), label, parts, 2, out);
}

enum cs_rc secrets_derive(const uint8_t key[SECRETS_KEY], const char *invitation_id,
                          struct secrets *out, struct cs_err *err)
{
    uint8_t mac[32];
    derive(key, "countersign/view-token/v1", invitation_id, 0, mac);
    CS_AUTO_STR token = cs_base64url_encode(mac, sizeof(mac));
    if (token == NULL)
        return cs_err_set(err, CS_NOMEM, "view token");
    CS_TRY(cs_strf(out->view_token, sizeof(out->view_token), err, "%s", token));
    cs_wipe(token, strlen(token));
    derive(key, "countersign/approve-code/v1", invitation_id, 0, mac);
    cs_code_from_bytes(mac, out->approve);
    /* Equal codes would decide both ways: 1 in 2^40, and yet. */
    for (uint8_t attempt = 0; attempt < UINT8_MAX; attempt++) {
        derive(key, "countersign/deny-code/v1", invitation_id, attempt, mac);
        cs_code_from_bytes(mac, out->deny);
        if (strcmp(out->approve, out->deny) != 0)
            break;
    }
    cs_wipe(mac, sizeof(mac));
    return CS_OK;
}

void secrets_wipe(struct secrets *s)
{
    cs_wipe(s, sizeof(*s));
}

enum cs_rc secrets_commit(const char *invitation_id, const struct secrets *s,
                          struct commitments *out, struct cs_err *err)
{
    uint8_t proof[CS_SHA256_SIZE];
    cs_sha256(s->view_token, strlen(s->view_token), out->view_token_sha256);
    CS_TRY(cs_decision_proof(invitation_id, s->view_token, s->approve, proof, err));
    cs_sha256(proof, sizeof(proof), out->approve_proof_sha256);
    CS_TRY(cs_decision_proof(invitation_id, s->view_token, s->deny, proof, err));
    cs_sha256(proof, sizeof(proof), out->deny_proof_sha256);
    cs_wipe(proof, sizeof(proof));
    return CS_OK;
}
