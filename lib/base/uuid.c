/* UUIDs by libuuid; see uuid.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <string.h>
#include <uuid/uuid.h>

void cs_uuid_random(char out[CS_UUID_TEXT])
{
    uuid_t u;
    uuid_generate_random(u);
    uuid_unparse_lower(u, out);
}

void cs_uuid_from_bytes(const uint8_t bytes[16], char out[CS_UUID_TEXT])
{
    uuid_t u;
    memcpy(u, bytes, sizeof(u));
    u[6] = (unsigned char)((u[6] & 0x0f) | 0x80); /* version 8: derived by our own rule */
    u[8] = (unsigned char)((u[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    uuid_unparse_lower(u, out);
}

bool cs_uuid_valid(const char *text)
{
    uuid_t u;
    return text != NULL && strnlen(text, CS_UUID_TEXT) == CS_UUID_TEXT - 1 &&
           uuid_parse(text, u) == 0;
}

enum cs_rc cs_uuid_parse(const char *text, char out[CS_UUID_TEXT], struct cs_err *err)
{
    uuid_t u;
    if (!cs_uuid_valid(text) || uuid_parse(text, u) != 0)
        return cs_err_set(err, CS_INVALID, "not a UUID");
    uuid_unparse_lower(u, out);
    return CS_OK;
}
