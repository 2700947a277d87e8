/* The key holder: what it knows, and the steps from a request to a signature. No Kafka, no format
 * code, no network: evidence in, two signed events and a signature out. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/pkcs11/pkcs11.h"
#include "base/uuid.h"
#include "crypto/sign.h"
#include "evidence/evidence.h"

#include "proto/signer_internal.pb-c.h"

enum { KEYD_PENDING = 64, KEYD_PARTITIONS = 64, KEYD_KEYS = 64, KEYD_MAX_DIGEST = 64 };

/* Paths and names, borrowed. */
struct keyd_options {
    const char *trust_root;
    const char *trust_registry;
    const char *key_file; /* the service key of role keyd */
    const char *pool;
    const char *instance;
    const char *resume_file; /* touched by an operator after the PIN was corrected */
    const char *digest_path; /* countersign-digest */
};

/* What one verified use of a key will sign. */
struct keyd_use {
    struct cs_authorized *authorized; /* owned; NULL: the slot is free */
    char job_id[CS_UUID_TEXT];
    char item_id[32];
    int partition;
    const struct cs_key *key; /* borrowed from the token */
    struct cs_sign_input input;
    uint8_t digest[KEYD_MAX_DIGEST]; /* input.digest points here */
    bool der;                        /* ECDSA as DER instead of r||s */
    uint64_t use_number;
    uint8_t evidence_sha256[32];
};

struct keyd {
    struct keyd_options o;
    const struct cs_keys *keys;
    struct cs_trust *trust;
    struct cs_opener *opener;
    int64_t registry_mtime;
    struct cs_signing_key *service_key;
    char producer_id[80];
    char boot_id[CS_UUID_TEXT];
    uint64_t sequence[KEYD_PARTITIONS]; /* last number given, by partition of cs.results */
    struct {
        uint8_t spki_sha256[32];
        uint64_t uses;
    } uses[KEYD_KEYS];
    size_t n_uses;
    struct keyd_use pending[KEYD_PENDING];
    bool pin_refused;
    int64_t pin_refused_at_ms;
};

enum cs_rc keyd_init(struct keyd *k, const struct keyd_options *o, const struct cs_keys *keys,
                     struct cs_err *err) CS_MUST_CHECK;
void keyd_done(struct keyd *k);

/* Answers one request; 'fd' is the artifact (-1: none). Never fails: what went wrong is in the
 * answer, whose bytes live in the arena. */
void keyd_answer(struct keyd *k, const Cs__Signer__KeydRequest *q, int fd, struct cs_arena *a,
                 Cs__Signer__KeydAnswer *answer);

/* keyd_digest.c: the second opinion. CS_DENIED "keyd.digest" when the file is not the approved one.
 */
enum cs_rc keyd_check_artifact(const struct keyd *k, const struct cs_authorized *authorized,
                               const struct cs_authorized_item *item, int fd,
                               struct cs_err *err) CS_MUST_CHECK;

/* keyd_use.c: the only way to a key. It takes an authorization that only the verifier can make. */
enum cs_rc keyd_prepare(struct keyd *k, const struct cs_authorized *authorized, const char *item_id,
                        int fd, struct keyd_use *use, struct cs_err *err) CS_MUST_CHECK;
/* Appends the signature in the encoding that the use asks for. */
enum cs_rc keyd_sign(struct keyd *k, const struct keyd_use *use, struct cs_buf *out,
                     struct cs_err *err) CS_MUST_CHECK;
