/* Whether codes may go to an address; see recipient.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "recipient.h"

#include "base/arena.h"
#include "base/guard.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/evidence.pb-c.h"

#include <string.h>

enum { MAX_ADDRESS = 256, ARENA = 1 << 18 };

static struct cs_bytes bytes_of(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}

static bool hashes_to(struct cs_bytes content, const ProtobufCBinaryData *sha256)
{
    uint8_t have[CS_SHA256_SIZE];
    cs_sha256(content.ptr, content.len, have);
    return cs_bytes_eq(cs_bytes(have, sizeof(have)), bytes_of(sha256));
}

bool recipient_same_address(const char *address, const ProtobufCBinaryData *salt,
                            const ProtobufCBinaryData *hash)
{
    char lower[MAX_ADDRESS];
    uint8_t have[CS_SHA256_SIZE];
    const size_t n = strlen(address);
    if (n >= sizeof(lower))
        return false;
    for (size_t i = 0; i < n; i++)
        lower[i] =
            address[i] >= 'A' && address[i] <= 'Z' ? (char)(address[i] - 'A' + 'a') : address[i];
    const struct cs_bytes parts[] = {bytes_of(salt), cs_bytes(lower, n)};
    cs_sha256_parts(parts, 2, have);
    return cs_bytes_eq(cs_bytes(have, sizeof(have)), bytes_of(hash));
}

/* The codes of one approver's invitation are for that approver, for that request, for that body. */
static enum cs_rc check_invitation(const struct recipient_evidence *e, const char *user_id,
                                   struct cs_err *err)
{
    const Cs__Notices__InvitationCreated *i = e->invitation;
    if (CS_GUARD("notifier-invitation-binding") &&
        (strcmp(i->approver_id, user_id) != 0 ||
         strcmp(i->request_id, e->request->request_id) != 0 ||
         !hashes_to(e->authorization_body, &i->authorization_sha256)))
        return cs_err_code(err, CS_DENIED, "notifier.other_invitation",
                           "the invitation is another approver's, or for something else");
    return CS_OK;
}

/* What the mail shows is what the approval binds to. */
static enum cs_rc check_content(const struct recipient_evidence *e,
                                const Cs__Evidence__AuthorizationBody *b, struct cs_err *err)
{
    const bool same =
        strcmp(b->request_id, e->request->request_id) == 0 &&
        strcmp(b->organization_id, e->request->organization_id) == 0 &&
        e->request->artifact != NULL &&
        cs_bytes_eq(bytes_of(&b->artifact_sha256), bytes_of(&e->request->artifact->sha256)) &&
        cs_bytes_eq(bytes_of(&b->manifest_sha256), e->manifest_sha256);
    if (CS_GUARD("notifier-content-binding") && !same)
        return cs_err_code(err, CS_DENIED, "notifier.other_content",
                           "the request or its contents are not those that the approval binds to");
    return CS_OK;
}

/* The revision that names the approvers is the one that the approval binds to, so that the key's
 * floor speaks of the key that will sign. */
static enum cs_rc check_policy(const struct recipient_evidence *e,
                               const Cs__Evidence__AuthorizationBody *b, struct cs_err *err)
{
    const Cs__Config__ConfigChanged *cc = e->revision;
    const bool same = cc->kind == CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY &&
                      strcmp(cc->entity_id, b->policy_id) == 0 &&
                      cc->revision == b->policy_revision &&
                      strcmp(cc->organization_id, b->organization_id) == 0 &&
                      strcmp(e->policy->organization_id, b->organization_id) == 0 &&
                      hashes_to(bytes_of(&cc->body), &b->policy_sha256);
    if (CS_GUARD("notifier-policy-binding") && !same)
        return cs_err_code(err, CS_DENIED, "notifier.other_policy",
                           "the policy revision is not the one that the approval binds to");
    return CS_OK;
}

static enum cs_rc check_signatures(const struct recipient_evidence *e, struct cs_err *err)
{
    unsigned wanted = e->floor_signatures;
    if (wanted == 0 && e->floor_assurance > (int)CS__TRUST__ASSURANCE__ASSURANCE_SESSION)
        wanted = 1;
    if (CS_GUARD("notifier-policy-signature") && e->signatures < wanted)
        return cs_err_code(err, CS_DENIED, "notifier.unsigned_policy",
                           "the policy revision has %u administrators' signatures, the key's floor "
                           "wants %u",
                           e->signatures, wanted);
    return CS_OK;
}

static enum cs_rc check_address(const struct recipient_evidence *e, const char *user_id,
                                const char *address, struct cs_err *err)
{
    for (size_t i = 0; i < e->policy->n_approvers; i++) {
        const Cs__Config__Approver *a = e->policy->approvers[i];
        if (strcmp(a->user_id, user_id) != 0)
            continue;
        if (!CS_GUARD("notifier-address-hash") ||
            recipient_same_address(address, &a->address_salt, &a->address_hash))
            return CS_OK;
        return cs_err_code(err, CS_DENIED, "notifier.other_address",
                           "the address in the database is not the one that the policy revision "
                           "froze");
    }
    return cs_err_code(err, CS_DENIED, "notifier.not_an_approver", "not an approver of the policy");
}

enum cs_rc recipient_check(const struct recipient_evidence *e, const char *user_id,
                           const char *address, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(ARENA);
    ProtobufCMessage *m = NULL;
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(check_invitation(e, user_id, err));
    CS_TRY(cs_message_unpack(&cs__evidence__authorization_body__descriptor, e->authorization_body,
                             a, &m, err));
    const Cs__Evidence__AuthorizationBody *b = (const Cs__Evidence__AuthorizationBody *)m;
    CS_TRY(check_content(e, b, err));
    CS_TRY(check_policy(e, b, err));
    CS_TRY(check_signatures(e, err));
    return check_address(e, user_id, address, err);
}
