/* Entry bundles: up to 256 entries, each after its length in two bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "tlog/tile.h"

/* Appends one entry. CS_LIMIT past 65,535 bytes. */
enum cs_rc cs_tlog_bundle_add(struct cs_buf *bundle, struct cs_bytes entry,
                              struct cs_err *err) CS_MUST_CHECK;
/* Takes the bundle apart: exactly n entries (views). CS_INVALID ("tlog.bundle"). Total. */
enum cs_rc cs_tlog_bundle_read(struct cs_bytes bundle, size_t n, struct cs_bytes *entries,
                               struct cs_err *err) CS_MUST_CHECK;
