/* Appending to a tree of tiles; see edge.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/edge.h"

#include <string.h>

struct cs_hash cs_tlog_leaf(struct cs_bytes entry)
{
    return cs_merkle_leaf(&entry, 1);
}

unsigned cs_tlog_edge_width(const struct cs_tlog_edge *e, unsigned level)
{
    return (unsigned)(e->size >> (8 * level)) % CS_TLOG_TILE;
}

enum cs_rc cs_tlog_edge_append(struct cs_tlog_edge *e, const struct cs_hash *leaf,
                               const struct cs_tlog_sink *sink, struct cs_err *err)
{
    struct cs_hash h = *leaf;
    if (e->size == UINT64_MAX)
        return cs_err_set(err, CS_LIMIT, "the log is full");
    for (unsigned level = 0; level < CS_TLOG_LEVELS; level++) {
        const unsigned width = cs_tlog_edge_width(e, level);
        e->tiles[level][width] = h;
        if (width + 1 < CS_TLOG_TILE)
            break;
        if (sink != NULL)
            CS_TRY(
                sink->full(sink->self, level, e->size >> (8 * level) >> 8, e->tiles[level], err));
        h = cs_merkle_root(e->tiles[level], CS_TLOG_TILE);
    }
    e->size++;
    return CS_OK;
}

/* A level's hashes, with what lies right of them as one more, are the leaves of a smaller tree of
 * the same shape: RFC 6962 splits at the same places in both. */
struct cs_hash cs_tlog_edge_root(const struct cs_tlog_edge *e)
{
    struct cs_hash row[CS_TLOG_TILE + 1];
    struct cs_hash right;
    bool have_right = false;
    cs_sha256("", 0, right.b);
    for (unsigned level = 0; level < CS_TLOG_LEVELS; level++) {
        size_t n = cs_tlog_edge_width(e, level);
        memcpy(row, e->tiles[level], n * sizeof(row[0]));
        if (have_right)
            row[n++] = right;
        if (n == 0)
            continue;
        right = cs_merkle_root(row, n);
        have_right = true;
    }
    return right;
}
