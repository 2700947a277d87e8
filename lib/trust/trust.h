/* The trust root and the registry it signs: which key may say what, and the floors of signing keys.
 * design.md, trust; proto/trust.proto. A loaded cs_trust is immutable and may be shared by threads.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "codec/types.h"
#include "crypto/sign.h"

struct cs_trust;

/* The root file is one line: "countersign-trust-root:v1:<environment>:<base64url public key>". */
enum cs_rc cs_trust_root_format(const char *environment,
                                const uint8_t public_key[CS_ED25519_PUBLIC], struct cs_buf *out,
                                struct cs_err *err) CS_MUST_CHECK;

/* Loads the root file and the registry envelope it must have signed. CS_DENIED
 * ("trust.bad_signature"), CS_INVALID ("trust.malformed", "trust.other_environment"), CS_NOT_FOUND.
 */
enum cs_rc cs_trust_load(const char *root_path, const char *registry_path, struct cs_trust **out,
                         struct cs_err *err) CS_MUST_CHECK;
/* The same from bytes: the text of the root file, the registry envelope. */
enum cs_rc cs_trust_parse(struct cs_bytes root_text, struct cs_bytes registry_envelope,
                          struct cs_trust **out, struct cs_err *err) CS_MUST_CHECK;
void cs_trust_free(struct cs_trust *t);
void cs_trust_freep(struct cs_trust **t);

/* Borrowed. */
const char *cs_trust_environment(const struct cs_trust *t);
uint64_t cs_trust_version(const struct cs_trust *t);
/* When the root key signed this version. */
int64_t cs_trust_created_at_ms(const struct cs_trust *t);
/* The registry's envelope as loaded, to be published on cs.config. Borrowed. */
struct cs_bytes cs_trust_registry_envelope(const struct cs_trust *t);

struct cs_trust_key {
    uint8_t public_key[CS_ED25519_PUBLIC];
    enum cs_role role;        /* CS_ROLE_NONE for administrators' keys */
    const char *pool;         /* borrowed; "" where none */
    const char *organization; /* administrators' keys; "" = every organisation */
    const char *name;         /* administrators' keys: for people */
};

/* The key with that id if it was valid at 'at_ms'. CS_DENIED with "trust.unknown_key",
 * "trust.revoked_key" or "trust.expired_key". */
enum cs_rc cs_trust_service_key(const struct cs_trust *t, const char *key_id, int64_t at_ms,
                                struct cs_trust_key *out, struct cs_err *err) CS_MUST_CHECK;
/* The i-th service key of the registry, valid or not; false past the end. */
bool cs_trust_service_key_at(const struct cs_trust *t, size_t i, struct cs_trust_key *out);
enum cs_rc cs_trust_administrator_key(const struct cs_trust *t, const char *key_id, int64_t at_ms,
                                      struct cs_trust_key *out, struct cs_err *err) CS_MUST_CHECK;

/* The least that a use of a signing key needs; numbers of enum Assurance in proto/trust.proto. */
struct cs_floor {
    unsigned min_quorum;
    int min_assurance;
    bool hash_signing_allowed;
    unsigned administrator_signatures;
};

/* The floor of the key with that SubjectPublicKeyInfo digest in that pool: the key's own if it has
 * one (and belongs to the organisation, else CS_DENIED "trust.other_organization"), else the pool's
 * (CS_DENIED "trust.no_floor" when the registry has neither: an unknown key signs nothing). */
enum cs_rc cs_trust_floor(const struct cs_trust *t, const char *organization_id, const char *pool,
                          struct cs_bytes spki_sha256, struct cs_floor *out,
                          struct cs_err *err) CS_MUST_CHECK;
