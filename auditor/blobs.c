/* Evidence and manifests, copied; see blobs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "blobs.h"

#include "base/guard.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

enum { BLOB_MAX = 64 << 20, GIVE_UP_MS = 24 * 3600 * 1000 };

enum cs_rc blobs_copy(struct cs_blobs *from, struct store *to, const char *name, struct cs_err *err)
{
    char target[STATE_BLOB];
    char hex[2 * CS_SHA256_SIZE + 1];
    CS_AUTO_BUF bytes = CS_BUF_INIT(BLOB_MAX);
    const char *slash = strchr(name, '/');
    if (slash == NULL)
        return cs_err_set(err, CS_INVALID, "'%s' is no blob of the log", name);
    CS_TRY(cs_strf(target, sizeof(target), err, "bundles/%s", slash + 1));
    if (store_has(to, target))
        return CS_OK;
    CS_TRY(cs_blob_get(from, name, &bytes, err));
    cs_sha256_hex(bytes.ptr, bytes.len, hex);
    if (CS_GUARD("audit-blob-digest") && strcmp(hex, slash + 1) != 0)
        return cs_err_code(err, CS_INVALID, "auditor.blob", "the blob %s has digest %s", name, hex);
    return store_put(to, target, cs_buf_view(&bytes), err);
}

bool blobs_retry(struct cs_blobs *from, struct store *to, int64_t now_ms)
{
    struct state *s = store_state(to);
    bool changed = false;
    for (size_t i = s->n_wanted; i-- > 0;) {
        struct cs_err err = {0};
        const enum cs_rc rc = blobs_copy(from, to, s->wanted[i].name, &err);
        const bool given_up = rc != CS_OK && now_ms - s->wanted[i].since_ms > GIVE_UP_MS;
        if (given_up)
            cs_log_error("blob.given_up", CS_KS("blob", s->wanted[i].name), CS_KERR(&err));
        if (rc == CS_OK || given_up) {
            state_unwant(s, i);
            changed = true;
        }
    }
    return changed;
}
