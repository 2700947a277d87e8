/* What people want to know about an X.509 certificate.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdint.h>

enum { CS_NAME_TEXT = 512, CS_SERIAL_TEXT = 2 * 32 + 1, CS_KEY_TYPE_TEXT = 32 };

struct cs_certificate_facts {
    char subject[CS_NAME_TEXT]; /* RFC 2253, UTF-8, cut (at a whole character) when longer */
    char issuer[CS_NAME_TEXT];
    char serial[CS_SERIAL_TEXT]; /* lower-case hexadecimal */
    int64_t not_before_ms;
    int64_t not_after_ms;
    uint8_t sha256[32];              /* of the DER */
    uint8_t spki_sha256[32];         /* of the SubjectPublicKeyInfo */
    char key_type[CS_KEY_TYPE_TEXT]; /* "RSA-3072", "EC-P256" */
};

/* CS_INVALID ("certificate.malformed") when the bytes are not exactly one DER certificate. */
enum cs_rc cs_certificate_describe(struct cs_bytes der, struct cs_certificate_facts *out,
                                   struct cs_err *err) CS_MUST_CHECK;
