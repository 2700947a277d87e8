/* Log entries; see leaf.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "leaf.h"

#include "base/hex.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "tlog/tile.h"

#include "proto/audit.pb-c.h"
#include "proto/jobs.pb-c.h"
#include "proto/results.pb-c.h"

#include <string.h>

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

enum cs_rc leaf_encode(const struct cs_record *r, struct cs_arena *a, struct cs_bytes *out,
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

static size_t name_blob(const char *kind, const ProtobufCBinaryData *sha256, char out[STATE_BLOB])
{
    char hex[2 * CS_SHA256_SIZE + 1];
    if (sha256->len != CS_SHA256_SIZE)
        return 0;
    cs_hex_encode(sha256->data, CS_SHA256_SIZE, hex);
    return cs_strf(out, STATE_BLOB, NULL, "%s/%s", kind, hex) == CS_OK ? 1 : 0;
}

size_t leaf_blobs(const struct cs_record *r, struct cs_arena *a, char out[2][STATE_BLOB])
{
    static const struct {
        const char *type;
        const ProtobufCMessageDescriptor *descriptor;
    } rows[] = {{"cs.results.InspectionCompleted", &cs__results__inspection_completed__descriptor},
                {"cs.results.SigningStarted", &cs__results__signing_started__descriptor},
                {"cs.jobs.SigningJob", &cs__jobs__signing_job__descriptor}};
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    if (cs_envelope_parse(r->value, 0, a, &raw, NULL) != CS_OK)
        return 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(raw.type, rows[i].type) != 0 ||
            cs_message_unpack(rows[i].descriptor, raw.payload, a, &m, NULL) != CS_OK)
            continue;
        if (i == 0)
            return name_blob("manifests", &((Cs__Results__InspectionCompleted *)m)->manifest_sha256,
                             out[0]);
        if (i == 1)
            return name_blob("evidence", &((Cs__Results__SigningStarted *)m)->evidence_sha256,
                             out[0]);
        return name_blob("evidence", &((Cs__Jobs__SigningJob *)m)->evidence_sha256, out[0]);
    }
    return 0;
}
