/* UUIDs in canonical lower-case text (RFC 9562): random ones, and ones derived from what they name.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { CS_UUID_TEXT = 37 }; /* 36 characters and the NUL */

/* A random (version 4) id. */
void cs_uuid_random(char out[CS_UUID_TEXT]);
/* A version 8 id made from 16 derived bytes (for instance the head of an HMAC). */
void cs_uuid_from_bytes(const uint8_t bytes[16], char out[CS_UUID_TEXT]);
/* Accepts either case, writes lower case; CS_INVALID for anything else. */
enum cs_rc cs_uuid_parse(const char *text, char out[CS_UUID_TEXT],
                         struct cs_err *err) CS_MUST_CHECK;
bool cs_uuid_valid(const char *text);
