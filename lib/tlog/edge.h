/* The right edge of a growing RFC 6962 tree: takes leaves, gives full tiles and the root. All that
 * a log's writer and a streaming verifier need, in 64 KiB. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "codec/merkle.h"
#include "tlog/tile.h"

/* Zero it to begin with an empty tree. */
struct cs_tlog_edge {
    uint64_t size;
    /* Per level: the hashes of the tile that is not full yet; as many as cs_tlog_edge_width. */
    struct cs_hash tiles[CS_TLOG_LEVELS][CS_TLOG_TILE];
};

/* Told of each tile that a leaf completes, bottom up. */
struct cs_tlog_sink {
    void *self;
    enum cs_rc (*full)(void *self, unsigned level, uint64_t index, const struct cs_hash *hashes,
                       struct cs_err *err);
};

/* Whatever the sink answers; the edge is then to be thrown away. CS_LIMIT past 2^64 - 1 leaves. */
enum cs_rc cs_tlog_edge_append(struct cs_tlog_edge *e, const struct cs_hash *leaf,
                               const struct cs_tlog_sink *sink, struct cs_err *err) CS_MUST_CHECK;
/* Hashes in the unfinished tile of that level: 0 to 255. */
unsigned cs_tlog_edge_width(const struct cs_tlog_edge *e, unsigned level);
/* Root of the tree; SHA-256 of nothing for the empty one. */
struct cs_hash cs_tlog_edge_root(const struct cs_tlog_edge *e);

/* SHA-256(0x00 || entry). */
struct cs_hash cs_tlog_leaf(struct cs_bytes entry);
