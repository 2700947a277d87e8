/* Authenticode's ASN.1: what is signed, and the PKCS #7 SignedData around it (Microsoft, "Windows
 * Authenticode Portable Executable Signature Format"). Values in, DER out; the same inputs give the
 * same bytes. No files, no keys.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* What one signature says. Borrowed. */
struct cs_authenticode {
    const char *hash;             /* sha256, sha384, sha512 */
    struct cs_bytes digest;       /* Authenticode digest of the PE image under that hash */
    const char *description;      /* may be "" */
    const char *description_url;  /* may be "" */
    int64_t signing_time_ms;      /* frozen by the job; 0: no signingTime attribute */
    const struct cs_bytes *chain; /* DER certificates, leaf first */
    size_t n_chain;
};

/* Appends the DER SET OF signed attributes: hash this and sign it. CS_INVALID for a digest whose
 * length does not fit, an unknown hash ("authenticode.hash") or a bad certificate. */
enum cs_rc cs_authenticode_attributes(const struct cs_authenticode *in, struct cs_buf *out,
                                      struct cs_err *err) CS_MUST_CHECK;

/* Appends the DER ContentInfo. 'signature' is RSA PKCS #1 v1.5 or a DER ECDSA-Sig-Value; 'token' an
 * RFC 3161 TimeStampToken (empty: none), put into 1.3.6.1.4.1.311.3.3.1. */
enum cs_rc cs_authenticode_build(const struct cs_authenticode *in, struct cs_bytes signature,
                                 struct cs_bytes token, struct cs_buf *out,
                                 struct cs_err *err) CS_MUST_CHECK;

/* Appends 'primary' with 'added' nested in its unsigned attributes (1.3.6.1.4.1.311.2.4.1), as
 * signtool /as does. */
enum cs_rc cs_authenticode_nest(struct cs_bytes primary, struct cs_bytes added, struct cs_buf *out,
                                struct cs_err *err) CS_MUST_CHECK;
