/* Streaming through tiles; see audit_log.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_log.h"

#include "base/guard.h"
#include "base/mem.h"
#include "codec/message.h"
#include "tlog/edge.h"
#include "tlog/entry.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum {
    TILE_BYTES = CS_TLOG_TILE * 32,
    BUNDLE_BYTES = CS_TLOG_TILE * (CS_TLOG_ENTRY_MAX + 2),
    LEAF_ARENA = 64 << 20
};

struct reading {
    const struct audit_walk *w;
    struct cs_tlog_edge edge;
    struct cs_arena *arena;
    struct cs_buf bundle;
    struct cs_buf tile;
};

enum cs_rc audit_checkpoint(struct cs_log_source *source, const struct cs_note_key *key,
                            struct cs_checkpoint *out, struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(CS_NOTE_MAX);
    CS_TRY(cs_log_source_fetch(source, "checkpoint", &note, err));
    return cs_checkpoint_open(cs_buf_view(&note), key, out, err);
}

/* Damage is reported and reading goes on where it can. */
static void damage(const struct reading *r, const struct audit_place *where, const char *code,
                   const char *what)
{
    if (r->w->report != NULL)
        audit_finding(r->w->report, AUDIT_INTEGRITY, where, code, "%s", what);
}

/* A partial tile may have given way to the full one (tlog-tiles, "Partial Tiles"). */
static enum cs_rc fetch(struct reading *r, struct cs_tlog_tile t, struct cs_buf *out,
                        struct cs_err *err)
{
    char path[CS_TLOG_PATH];
    CS_TRY(cs_tlog_path(&t, path, err));
    const enum cs_rc rc = cs_log_source_fetch(r->w->source, path, out, err);
    if (rc != CS_NOT_FOUND || t.width == CS_TLOG_TILE)
        return rc;
    t.width = CS_TLOG_TILE;
    CS_TRY(cs_tlog_path(&t, path, err));
    return cs_log_source_fetch(r->w->source, path, out, err);
}

/* The full bundle stands in for a partial one: its first entries are the same. */
static bool read_bundle(const struct reading *r, unsigned width,
                        struct cs_bytes entries[CS_TLOG_TILE])
{
    return cs_tlog_bundle_read(cs_buf_view(&r->bundle), width, entries, NULL) == CS_OK ||
           cs_tlog_bundle_read(cs_buf_view(&r->bundle), CS_TLOG_TILE, entries, NULL) == CS_OK;
}

/* Level 0 is compared while its bundle is still at hand. */
static void name_record(struct reading *r, unsigned i, unsigned width, struct audit_place *where)
{
    struct cs_bytes entries[CS_TLOG_TILE];
    ProtobufCMessage *m = NULL;
    cs_arena_reset(r->arena);
    if (!read_bundle(r, width, entries) ||
        cs_message_unpack(&cs__audit__log_entry__descriptor, entries[i], r->arena, &m, NULL) !=
            CS_OK)
        return;
    where->topic = ((const Cs__Audit__LogEntry *)m)->topic;
    where->partition = ((const Cs__Audit__LogEntry *)m)->partition;
    where->offset = ((const Cs__Audit__LogEntry *)m)->offset;
}

/* Compares a tile of the log with what the entries hash to. */
static enum cs_rc compare(void *self, unsigned level, uint64_t index, const struct cs_hash *hashes,
                          struct cs_err *err)
{
    struct reading *r = self;
    char what[160];
    const unsigned width = cs_tlog_width(r->w->head.size, level, index);
    const struct cs_tlog_tile t = {.level = level, .index = index, .width = width};
    const enum cs_rc rc = fetch(r, t, &r->tile, err);
    if (rc != CS_OK && rc != CS_NOT_FOUND && rc != CS_LIMIT)
        return rc;
    if (rc != CS_OK || r->tile.len < width * 32U) {
        snprintf(what, sizeof(what), "hash tile %llu of level %u is missing or cut",
                 (unsigned long long)index, level);
        damage(r, NULL, "audit.tile_missing", what);
        return CS_OK;
    }
    for (unsigned i = 0; CS_GUARD("audit-tiles") && i < width; i++) {
        struct audit_place where = {.has_leaf = true, .leaf = ((index << 8) + i) << (8 * level)};
        if (memcmp(r->tile.ptr + i * 32U, hashes[i].b, 32) == 0)
            continue;
        if (level == 0)
            name_record(r, i, width, &where);
        snprintf(what, sizeof(what),
                 "hash %u of tile %llu, level %u, is not what the entries hash to", i,
                 (unsigned long long)index, level);
        damage(r, &where, "audit.tile_differs", what);
    }
    return CS_OK;
}

static void take_apart(struct reading *r, struct audit_leaf *l)
{
    ProtobufCMessage *m = NULL;
    l->arena = r->arena;
    l->entry = NULL;
    l->place = (struct audit_place){.has_leaf = true, .leaf = l->index};
    cs_arena_reset(r->arena);
    if (cs_message_unpack(&cs__audit__log_entry__descriptor, l->bytes, r->arena, &m, NULL) !=
        CS_OK) {
        damage(r, &l->place, "audit.entry", "the leaf holds no log entry");
        return;
    }
    l->entry = (const Cs__Audit__LogEntry *)m;
    l->place.topic = l->entry->topic;
    l->place.partition = l->entry->partition;
    l->place.offset = l->entry->offset;
}

static void check_earlier(struct reading *r)
{
    const struct cs_tlog_head *old = r->w->earlier;
    if (old == NULL || old->size != r->edge.size)
        return;
    const struct cs_hash root = cs_tlog_edge_root(&r->edge);
    if (CS_GUARD("audit-earlier") && memcmp(root.b, old->root.b, sizeof(root.b)) != 0)
        damage(r, &(struct audit_place){.has_leaf = true, .leaf = old->size}, "audit.forked",
               "the leaves below are not those of the earlier checkpoint: the log was rewritten");
}

static enum cs_rc one_leaf(struct reading *r, struct audit_leaf *l, struct cs_err *err)
{
    const struct cs_tlog_sink sink = {.self = r, .full = compare};
    const struct cs_hash leaf = cs_tlog_leaf(l->bytes);
    take_apart(r, l);
    CS_TRY(r->w->leaf(r->w->self, l, err));
    CS_TRY(cs_tlog_edge_append(&r->edge, &leaf, &sink, err));
    check_earlier(r);
    return CS_OK;
}

static enum cs_rc one_bundle(struct reading *r, uint64_t index, struct cs_err *err)
{
    struct cs_bytes entries[CS_TLOG_TILE];
    const unsigned width = cs_tlog_width(r->w->head.size, 0, index);
    const struct cs_tlog_tile t = {.entries = true, .index = index, .width = width};
    const struct audit_place where = {.has_leaf = true, .leaf = index * CS_TLOG_TILE};
    const enum cs_rc rc = fetch(r, t, &r->bundle, err);
    if (rc == CS_NOT_FOUND || rc == CS_LIMIT) {
        damage(r, &where, "audit.bundle_missing", "the entry bundle is missing or too large");
        return cs_err_code(err, CS_INVALID, "audit.bundle_missing", "the log cannot be read on");
    }
    CS_TRY(rc);
    if (!read_bundle(r, width, entries)) {
        damage(r, &where, "audit.bundle_damaged", "the entry bundle does not hold its entries");
        return cs_err_code(err, CS_INVALID, "audit.bundle_damaged", "the log cannot be read on");
    }
    for (unsigned i = 0; i < width; i++) {
        struct audit_leaf l = {.index = index * CS_TLOG_TILE + i, .bytes = entries[i]};
        CS_TRY(one_leaf(r, &l, err));
    }
    if (r->w->report != NULL)
        audit_progress(r->w->report, r->w->what, r->edge.size, r->w->head.size);
    return CS_OK;
}

static enum cs_rc finish(struct reading *r, struct cs_err *err)
{
    for (unsigned level = 0; level < CS_TLOG_LEVELS; level++) {
        if (cs_tlog_edge_width(&r->edge, level) > 0)
            CS_TRY(compare(r, level, r->edge.size >> (8 * level) >> 8, r->edge.tiles[level], err));
    }
    const struct cs_hash root = cs_tlog_edge_root(&r->edge);
    if (CS_GUARD("audit-root") && memcmp(root.b, r->w->head.root.b, sizeof(root.b)) != 0)
        damage(r, NULL, "audit.root_differs",
               "the entries do not hash to the root that the checkpoint signs");
    if (r->w->earlier != NULL && r->w->earlier->size > r->w->head.size)
        damage(r, NULL, "audit.rolled_back",
               "the checkpoint is of a smaller tree than the earlier one: the log was rolled back");
    return CS_OK;
}

static enum cs_rc read_all(struct reading *r, struct cs_err *err)
{
    for (uint64_t i = 0; i * CS_TLOG_TILE < r->w->head.size; i++) {
        if (one_bundle(r, i, err) == CS_OK)
            continue;
        /* What was reported as damage ends the reading, not the audit. */
        return strcmp(err->code, "audit.bundle_missing") == 0 ||
                       strcmp(err->code, "audit.bundle_damaged") == 0
                   ? CS_OK
                   : err->rc;
    }
    return finish(r, err);
}

enum cs_rc audit_walk(const struct audit_walk *w, struct cs_err *err)
{
    struct reading *r = cs_calloc(1, sizeof(*r));
    if (r == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    r->w = w;
    r->arena = cs_arena_new(LEAF_ARENA);
    r->bundle = CS_BUF_INIT(BUNDLE_BYTES);
    r->tile = CS_BUF_INIT(TILE_BYTES);
    const enum cs_rc rc =
        r->arena == NULL ? cs_err_set(err, CS_NOMEM, "no memory") : read_all(r, err);
    cs_arena_free(r->arena);
    cs_buf_done(&r->bundle);
    cs_buf_done(&r->tile);
    cs_free(r);
    return rc;
}
