/* Entry bundles; see entry.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/entry.h"

enum cs_rc cs_tlog_bundle_add(struct cs_buf *bundle, struct cs_bytes entry, struct cs_err *err)
{
    if (entry.len > CS_TLOG_ENTRY_MAX)
        return cs_err_code(err, CS_LIMIT, "tlog.entry", "an entry of %zu bytes, at most %d",
                           entry.len, CS_TLOG_ENTRY_MAX);
    const uint8_t length[2] = {(uint8_t)(entry.len >> 8), (uint8_t)entry.len};
    CS_TRY(cs_buf_reserve(bundle, 2 + entry.len, err));
    CS_TRY(cs_buf_add(bundle, length, sizeof(length), err));
    return cs_buf_add(bundle, entry.ptr, entry.len, err);
}

enum cs_rc cs_tlog_bundle_read(struct cs_bytes bundle, size_t n, struct cs_bytes *entries,
                               struct cs_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (bundle.len - at < 2)
            return cs_err_code(err, CS_INVALID, "tlog.bundle", "the bundle ends before entry %zu",
                               i);
        const size_t len = (size_t)bundle.ptr[at] << 8 | bundle.ptr[at + 1];
        at += 2;
        if (bundle.len - at < len)
            return cs_err_code(err, CS_INVALID, "tlog.bundle", "the bundle ends in entry %zu", i);
        entries[i] = cs_bytes(bundle.ptr + at, len);
        at += len;
    }
    if (at != bundle.len)
        return cs_err_code(err, CS_INVALID, "tlog.bundle", "bytes after the last entry");
    return CS_OK;
}
