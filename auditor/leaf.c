/* Blobs that events name; see leaf.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "leaf.h"

#include "base/hex.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"

#include "proto/jobs.pb-c.h"
#include "proto/results.pb-c.h"

#include <string.h>

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
