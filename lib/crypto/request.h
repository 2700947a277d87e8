/* Certificate requests (PKCS #10, RFC 2986) for keys that somebody else holds, and the two
 * encodings of ECDSA signatures. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* What a request says and who signs it. Borrowed. */
struct cs_csr {
    struct cs_bytes spki; /* DER SubjectPublicKeyInfo, RSA or EC */
    const char *subject;  /* "CN=Example,O=Example Org,C=AT", or with slashes: "/CN=Example/C=AT" */
    void *self;
    /* Appends the raw signature of a digest: RSA PKCS #1 v1.5, or ECDSA r||s. */
    enum cs_rc (*sign)(void *self, const char *hash, struct cs_bytes digest, struct cs_buf *out,
                       struct cs_err *err);
};

/* Appends the request as PEM, after checking its signature. CS_INVALID ("csr.subject", "csr.key");
 * whatever sign answers; CS_FATAL ("csr.signature") when what it made does not verify. */
enum cs_rc cs_csr_make(const struct cs_csr *in, struct cs_buf *pem,
                       struct cs_err *err) CS_MUST_CHECK;

/* Appends the DER ECDSA-Sig-Value of r||s. CS_INVALID for an odd or empty length. */
enum cs_rc cs_ecdsa_to_der(struct cs_bytes raw, struct cs_buf *out,
                           struct cs_err *err) CS_MUST_CHECK;
