/* A second opinion: the digests that will be signed, and the check of what was signed, by code that
 * shares nothing with lib/format or lib/authenticode but OpenSSL. keyd's digest child and the check
 * of every output use it; a bug would have to be made twice. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

struct cs_second_digest {
    uint64_t size;
    uint8_t sha256[32]; /* of the whole file */
    uint8_t image[64];  /* Authenticode digest */
    size_t image_len;
};

/* Reads the file once, front to back. 'algorithm' is sha256, sha384 or sha512. CS_INVALID
 * ("digest.pe") when the file is not a PE that this code understands. */
enum cs_rc cs_second_pe_digest(int fd, const char *algorithm, struct cs_second_digest *out,
                               struct cs_err *err) CS_MUST_CHECK;

struct cs_second_expect {
    const char *algorithm;
    struct cs_bytes digest; /* the approved Authenticode digest */
    struct cs_bytes leaf;   /* DER of the certificate that must have signed */
    bool timestamp;         /* there must be an RFC 3161 token over the signature value */
    bool nested;            /* look at the last appended signature instead of the primary one */
};

/* CS_OK when the file, as it is, has the approved digest and carries a right signature by that
 * certificate. Else CS_DENIED with "digest.changed", "digest.signature", "digest.certificate",
 * "digest.timestamp". timestamp_ms may be NULL. */
enum cs_rc cs_second_pe_verify(int fd, const struct cs_second_expect *want, int64_t *timestamp_ms,
                               struct cs_err *err) CS_MUST_CHECK;
