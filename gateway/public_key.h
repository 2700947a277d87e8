/* The public key of a certificate, in the pieces that PKCS #11 clients ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct public_key {
    const char *type; /* "RSA", "ECDSA" */
    unsigned bits;
    struct cs_bytes spki;    /* DER SubjectPublicKeyInfo */
    struct cs_bytes modulus; /* RSA only; big-endian */
    struct cs_bytes exponent;
};

/* Everything in the arena. CS_INVALID when the bytes are no certificate. */
enum cs_rc public_key_read(struct cs_bytes der, struct cs_arena *a, struct public_key *out,
                           struct cs_err *err) CS_MUST_CHECK;
