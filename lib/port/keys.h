/* Signing keys that never leave their token. Only keyd and the key tool use this port.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum cs_key_kind { CS_KEY_RSA, CS_KEY_EC };

/* A key that was found; owned by the token, valid until it is closed. */
struct cs_key {
    enum cs_key_kind kind;
    unsigned bits;
    struct cs_bytes spki; /* DER SubjectPublicKeyInfo */
    uint8_t spki_sha256[32];
};

enum cs_scheme { CS_SCHEME_RSA_PKCS1, CS_SCHEME_RSA_PSS, CS_SCHEME_ECDSA };

struct cs_sign_input {
    enum cs_scheme scheme;
    const char *hash; /* sha256, ...; what the digest was made with */
    struct cs_bytes digest;
};

/* Errors: CS_NOT_FOUND "keys.not_found"; CS_DENIED "keys.pin_incorrect" (never tried again until
 * resume), "keys.pin_locked"; CS_RETRY "keys.token" (gone, busy, device error); CS_FATAL
 * "keys.bad_signature": the token returned something that does not verify. */
struct cs_keys {
    void *self;
    enum cs_rc (*find)(void *self, const char *label, const struct cs_key **out,
                       struct cs_err *err);
    /* Appends the raw signature: RSA block, or ECDSA r||s of equal lengths. Verified before it is
     * returned. */
    enum cs_rc (*sign)(void *self, const struct cs_key *key, const struct cs_sign_input *in,
                       struct cs_buf *out, struct cs_err *err);
    /* An operator corrected the PIN: one more try is allowed. */
    void (*resume)(void *self);
};
