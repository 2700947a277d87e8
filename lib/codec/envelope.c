/* Seals and takes apart envelopes; see envelope.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/envelope.h"

#include "codec/message.h"

#include "proto/envelope.pb-c.h"

#include <stdio.h>
#include <string.h>

static const char batch_head[] = "countersign batch v1\n";
static const char revision_head[] = "countersign revision v1\n";

/* DSSE pre-authentication encoding: "DSSEv1" SP len(type) SP type SP len(body) SP body. */
static struct cs_hash leaf_of(const char *type, struct cs_bytes payload)
{
    char before[64];
    char between[32];
    const int n = snprintf(before, sizeof(before), "DSSEv1 %zu ", strlen(type));
    const int m = snprintf(between, sizeof(between), " %zu ", payload.len);
    const struct cs_bytes parts[] = {cs_bytes(before, (size_t)n), cs_bytes_str(type),
                                     cs_bytes(between, (size_t)m), payload};
    return cs_merkle_leaf(parts, 4);
}

struct signed_root {
    uint8_t text[sizeof(batch_head) - 1 + CS_SHA256_SIZE];
};

static struct signed_root to_be_signed(const struct cs_hash *root)
{
    struct signed_root s;
    memcpy(s.text, batch_head, sizeof(batch_head) - 1);
    memcpy(s.text + sizeof(batch_head) - 1, root->b, sizeof(root->b));
    return s;
}

union text_or_const {
    const char *in;
    char *out; /* protobuf-c's structs predate const; packing does not write */
};
static char *unconst_text(const char *s)
{
    return (union text_or_const){.in = s}.out;
}
union bytes_or_const {
    const uint8_t *in;
    uint8_t *out;
};
static ProtobufCBinaryData binary(struct cs_bytes b)
{
    return (ProtobufCBinaryData){.len = b.len, .data = (union bytes_or_const){.in = b.ptr}.out};
}

struct batch {
    const struct cs_signing_key *key;
    struct cs_hash *leaves;
    size_t n;
    uint8_t sig[CS_ED25519_SIGNATURE];
};

static enum cs_rc seal_one(const struct batch *b, const struct cs_payload *payload, size_t i,
                           struct cs_arena *a, struct cs_bytes *out, struct cs_err *err)
{
    struct cs_hash proof[CS_MERKLE_MAX_PROOF];
    ProtobufCBinaryData proof_data[CS_MERKLE_MAX_PROOF];
    Cs__Envelope__Signature sig = CS__ENVELOPE__SIGNATURE__INIT;
    Cs__Envelope__Signature *sigs[] = {&sig};
    Cs__Envelope__Envelope env = CS__ENVELOPE__ENVELOPE__INIT;

    const size_t n_proof = cs_merkle_prove(b->leaves, b->n, i, proof);
    for (size_t k = 0; k < n_proof; k++)
        proof_data[k] = binary(cs_bytes(proof[k].b, sizeof(proof[k].b)));
    sig.key_id = unconst_text(cs_signing_key_id(b->key));
    sig.sig = binary(cs_bytes(b->sig, sizeof(b->sig)));
    sig.leaf_index = (uint32_t)i;
    sig.tree_size = (uint32_t)b->n;
    sig.n_proof = n_proof;
    sig.proof = proof_data;
    env.payload = binary(payload->bytes);
    env.payload_type = unconst_text(payload->type);
    env.n_signatures = 1;
    env.signatures = sigs;
    CS_TRY(cs_message_pack(&env.base, a, out, err));
    if (out->len > CS_ENVELOPE_MAX)
        return cs_err_code(err, CS_LIMIT, "envelope.too_large",
                           "a %s of %zu bytes: an event is at most %d", payload->type, out->len,
                           CS_ENVELOPE_MAX);
    return CS_OK;
}

enum cs_rc cs_envelope_seal(const struct cs_signing_key *key, const struct cs_payload *payloads,
                            size_t n, struct cs_arena *a, struct cs_bytes *out, struct cs_err *err)
{
    if (n == 0 || n > CS_MERKLE_MAX_LEAVES)
        return cs_err_set(err, CS_INVALID, "a batch of %zu payloads", n);
    struct batch b = {.key = key, .n = n, .leaves = cs_arena_alloc(a, n * sizeof(struct cs_hash))};
    if (b.leaves == NULL)
        return cs_err_set(err, CS_NOMEM, "no room for a batch of %zu", n);
    for (size_t i = 0; i < n; i++)
        b.leaves[i] = leaf_of(payloads[i].type, payloads[i].bytes);
    const struct cs_hash root = cs_merkle_root(b.leaves, n);
    const struct signed_root tbs = to_be_signed(&root);
    cs_sign(key, tbs.text, sizeof(tbs.text), b.sig);
    for (size_t i = 0; i < n; i++)
        CS_TRY(seal_one(&b, &payloads[i], i, a, &out[i], err));
    return CS_OK;
}

static enum cs_rc root_of(const Cs__Envelope__Envelope *env, const Cs__Envelope__Signature *sig,
                          struct cs_hash *root, struct cs_err *err)
{
    struct cs_bytes proof[CS_MERKLE_MAX_PROOF];
    if (sig->n_proof > CS_MERKLE_MAX_PROOF)
        return cs_err_code(err, CS_INVALID, "envelope.malformed", "batch proof: %zu hashes",
                           sig->n_proof);
    for (size_t i = 0; i < sig->n_proof; i++)
        proof[i] = cs_bytes(sig->proof[i].data, sig->proof[i].len);
    const struct cs_hash leaf =
        leaf_of(env->payload_type, cs_bytes(env->payload.data, env->payload.len));
    if (cs_merkle_root_from_proof(&leaf, sig->leaf_index, sig->tree_size, proof, sig->n_proof, root,
                                  err) != CS_OK)
        return cs_err_code(err, CS_INVALID, "envelope.malformed",
                           "leaf %u of %u does not fit a proof of %zu hashes", sig->leaf_index,
                           sig->tree_size, sig->n_proof);
    return CS_OK;
}

enum cs_rc cs_envelope_parse(struct cs_bytes envelope, size_t which, struct cs_arena *a,
                             struct cs_raw_envelope *out, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    if (envelope.len > CS_ENVELOPE_MAX)
        return cs_err_code(err, CS_LIMIT, "envelope.too_large", "%zu bytes: an event is at most %d",
                           envelope.len, CS_ENVELOPE_MAX);
    if (cs_message_unpack(&cs__envelope__envelope__descriptor, envelope, a, &m, err) != CS_OK)
        return cs_err_code(err, CS_INVALID, "envelope.malformed", "not an envelope");
    const Cs__Envelope__Envelope *env = (const Cs__Envelope__Envelope *)m;
    if (which >= env->n_signatures)
        return cs_err_code(err, CS_INVALID, "envelope.malformed", "no signature");
    const Cs__Envelope__Signature *sig = env->signatures[which];
    struct cs_raw_envelope raw = {
        .type = env->payload_type,
        .payload = cs_bytes(env->payload.data, env->payload.len),
        .key_id = sig->key_id,
        .sig = cs_bytes(sig->sig.data, sig->sig.len),
        .n_signatures = env->n_signatures,
    };
    CS_TRY(root_of(env, sig, &raw.root, err));
    *out = raw;
    return CS_OK;
}

bool cs_envelope_check(const struct cs_raw_envelope *raw,
                       const uint8_t public_key[CS_ED25519_PUBLIC])
{
    const struct signed_root tbs = to_be_signed(&raw->root);
    return raw->sig.len == CS_ED25519_SIGNATURE &&
           cs_sign_verify(public_key, tbs.text, sizeof(tbs.text), raw->sig.ptr);
}

/* The body may be long, so its digest is signed under the head and the kind. */
static void revision_digest(const char *kind, struct cs_bytes body, uint8_t out[CS_SHA256_SIZE])
{
    const struct cs_bytes parts[] = {cs_bytes_str(revision_head), cs_bytes_str(kind),
                                     cs_bytes_str("\n"), body};
    cs_sha256_parts(parts, 4, out);
}

void cs_revision_sign(const struct cs_signing_key *key, const char *kind, struct cs_bytes body,
                      uint8_t sig[CS_ED25519_SIGNATURE])
{
    uint8_t digest[CS_SHA256_SIZE];
    revision_digest(kind, body, digest);
    cs_sign(key, digest, sizeof(digest), sig);
}

bool cs_revision_check(const uint8_t public_key[CS_ED25519_PUBLIC], const char *kind,
                       struct cs_bytes body, struct cs_bytes sig)
{
    uint8_t digest[CS_SHA256_SIZE];
    revision_digest(kind, body, digest);
    return sig.len == CS_ED25519_SIGNATURE &&
           cs_sign_verify(public_key, digest, sizeof(digest), sig.ptr);
}
