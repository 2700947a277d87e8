/* Log entries; see record.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/record.h"

#include "codec/message.h"
#include "crypto/hash.h"
#include "tlog/tile.h"

#include "proto/audit.pb-c.h"

static ProtobufCBinaryData data_of(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out; /* only packed, never written */
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}

static char *text_of(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

enum cs_rc cs_log_entry_encode(const struct cs_record *r, struct cs_arena *a, struct cs_bytes *out,
                               struct cs_err *err)
{
    uint8_t sha256[CS_SHA256_SIZE];
    Cs__Audit__LogEntry m = CS__AUDIT__LOG_ENTRY__INIT;
    m.topic = text_of(r->topic);
    m.partition = r->partition;
    m.offset = r->offset;
    m.timestamp_ms = r->timestamp_ms;
    m.key = data_of(r->key);
    m.value = data_of(r->value);
    if (cs__audit__log_entry__get_packed_size(&m) <= CS_TLOG_ENTRY_MAX)
        return cs_message_pack(&m.base, a, out, err);
    cs_sha256(r->value.ptr, r->value.len, sha256);
    m.value = (ProtobufCBinaryData){0};
    m.value_sha256 = (ProtobufCBinaryData){.data = sha256, .len = sizeof(sha256)};
    m.left_out_reason = text_of("too large for an entry");
    if (r->key.len > 1024) {
        m.key = (ProtobufCBinaryData){0};
        m.left_out_reason = text_of("key and value too large for an entry");
    }
    return cs_message_pack(&m.base, a, out, err);
}
