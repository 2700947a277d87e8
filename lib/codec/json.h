/* Messages as JSON, by their descriptors: for people and scripts that look at events. Not a wire
 * format: nothing reads it back. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <jansson.h>

struct ProtobufCMessage;

/* Fields that are not set are left out; enums by name, bytes as hexadecimal (up to 64 of them) or
 * base64, 64-bit numbers as numbers. The caller decrefs; NULL without memory. */
json_t *cs_message_json(const struct ProtobufCMessage *m);
