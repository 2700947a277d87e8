/* Envelopes: exact payload bytes under a batch signature (DSSE pre-authentication encoding, RFC
 * 6962 batch tree, Ed25519). Sealing for producers; the raw check for lib/trust.
 * proto/INTERFACES.md. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "codec/merkle.h"
#include "crypto/sign.h"

struct cs_payload {
    const char *type; /* full message name */
    struct cs_bytes bytes;
};

/* Signs n payloads (1..CS_MERKLE_MAX_LEAVES) together once and writes one envelope each into the
 * arena. Each envelope stays verifiable alone. CS_LIMIT when one would exceed CS_ENVELOPE_MAX. */
enum cs_rc cs_envelope_seal(const struct cs_signing_key *key, const struct cs_payload *payloads,
                            size_t n, struct cs_arena *a, struct cs_bytes *out,
                            struct cs_err *err) CS_MUST_CHECK;

/* An envelope taken apart, nothing verified yet; views into the arena or the input. */
struct cs_raw_envelope {
    const char *type;
    struct cs_bytes payload;
    const char *key_id; /* of the first signature */
    struct cs_bytes sig;
    struct cs_hash root; /* recomputed from payload and proof: what sig must cover */
    size_t n_signatures;
};

/* Parses and recomputes the batch root for signature 'which'. CS_INVALID ("envelope.malformed"),
 * CS_LIMIT ("envelope.too_large"). */
enum cs_rc cs_envelope_parse(struct cs_bytes envelope, size_t which, struct cs_arena *a,
                             struct cs_raw_envelope *out, struct cs_err *err) CS_MUST_CHECK;

/* Whether raw->sig is the key's signature over raw->root. */
bool cs_envelope_check(const struct cs_raw_envelope *raw,
                       const uint8_t public_key[CS_ED25519_PUBLIC]);

/* Signature over one configuration revision's body by an administrator's own key:
 * SHA-256 of "countersign revision v1\n" + kind ("SigningPolicy") + "\n" + body. */
void cs_revision_sign(const struct cs_signing_key *key, const char *kind, struct cs_bytes body,
                      uint8_t sig[CS_ED25519_SIGNATURE]);
bool cs_revision_check(const uint8_t public_key[CS_ED25519_PUBLIC], const char *kind,
                       struct cs_bytes body, struct cs_bytes sig);
