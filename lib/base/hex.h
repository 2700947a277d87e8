/* Hexadecimal and base64 text (RFC 4648), strict on the way in.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Writes 2*n lower-case digits and a NUL; out has room for 2*n+1. */
void cs_hex_encode(const void *p, size_t n, char *out);
/* Exactly 2*n digits, either case; CS_INVALID otherwise. */
enum cs_rc cs_hex_decode(const char *text, uint8_t *out, size_t n,
                         struct cs_err *err) CS_MUST_CHECK;

/* Standard alphabet with padding; a heap string for cs_free, NULL without memory. */
char *cs_base64_encode(const void *p, size_t n);
/* URL alphabet without padding. */
char *cs_base64url_encode(const void *p, size_t n);
/* Appends the decoded bytes. Standard alphabet; padding required; white space refused. */
enum cs_rc cs_base64_decode(const char *text, size_t len, struct cs_buf *out,
                            struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_base64url_decode(const char *text, size_t len, struct cs_buf *out,
                               struct cs_err *err) CS_MUST_CHECK;
