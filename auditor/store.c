/* Writing the log; see store.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tlog/checkpoint.h"
#include "tlog/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { BUNDLE_MAX = CS_TLOG_TILE * (CS_TLOG_ENTRY_MAX + 2), TILE_BYTES = CS_TLOG_TILE * 32 };

struct store {
    struct files files;
    const struct cs_signing_key *key;
    int lock_fd;
    struct state state;
    struct cs_tlog_edge edge;
    struct cs_buf bundle;        /* of the entries that fill no bundle yet */
    struct cs_tlog_tile *filled; /* since the last commit: their partial ones can go */
    size_t n_filled;
    atomic_ullong published;
};

struct state *store_state(struct store *s)
{
    return &s->state;
}

uint64_t store_published(const struct store *s)
{
    return atomic_load(&s->published);
}

static enum cs_rc damaged(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_FATAL, "auditor.damaged",
                       "the log directory contradicts itself: %s. Nothing was written; compare it "
                       "with a backup or with cs.audit",
                       what);
}

static enum cs_rc put_tile(struct store *s, const struct cs_tlog_tile *t, struct cs_bytes bytes,
                           struct cs_err *err)
{
    char path[CS_TLOG_PATH];
    CS_TRY(cs_tlog_path(t, path, err));
    return files_put(&s->files, path, bytes, err);
}

static enum cs_rc note_filled(struct store *s, const struct cs_tlog_tile *t, struct cs_err *err)
{
    struct cs_tlog_tile *grown = cs_realloc(s->filled, s->n_filled + 1, sizeof(*grown));
    if (grown == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->filled = grown;
    s->filled[s->n_filled++] = *t;
    return CS_OK;
}

static enum cs_rc tile_full(void *self, unsigned level, uint64_t index,
                            const struct cs_hash *hashes, struct cs_err *err)
{
    struct store *s = self;
    struct cs_tlog_tile t = {.level = level, .index = index, .width = CS_TLOG_TILE};
    CS_TRY(put_tile(s, &t, cs_bytes(hashes, TILE_BYTES), err));
    CS_TRY(note_filled(s, &t, err));
    if (level > 0)
        return CS_OK;
    t.entries = true;
    CS_TRY(put_tile(s, &t, cs_buf_view(&s->bundle), err));
    s->bundle.len = 0;
    return note_filled(s, &t, err);
}

enum cs_rc store_add(struct store *s, struct cs_bytes entry, struct cs_err *err)
{
    const struct cs_tlog_sink sink = {.self = s, .full = tile_full};
    const struct cs_hash leaf = cs_tlog_leaf(entry);
    CS_TRY(cs_tlog_bundle_add(&s->bundle, entry, err));
    return cs_tlog_edge_append(&s->edge, &leaf, &sink, err);
}

/* The tiles that are not full, for exactly this size. */
static enum cs_rc put_partials(struct store *s, struct cs_err *err)
{
    for (unsigned level = 0; level < CS_TLOG_LEVELS; level++) {
        struct cs_tlog_tile t = {.level = level,
                                 .index = s->edge.size >> (8 * level) >> 8,
                                 .width = cs_tlog_edge_width(&s->edge, level)};
        if (t.width == 0)
            continue;
        CS_TRY(put_tile(s, &t, cs_bytes(s->edge.tiles[level], t.width * 32U), err));
        t.entries = true;
        if (level == 0)
            CS_TRY(put_tile(s, &t, cs_buf_view(&s->bundle), err));
    }
    return CS_OK;
}

static void drop_partials(struct store *s)
{
    for (size_t i = 0; i < s->n_filled; i++) {
        char path[CS_TLOG_PATH];
        char partial[CS_TLOG_PATH + 4];
        if (cs_tlog_path(&s->filled[i], path, NULL) == CS_OK &&
            cs_strf(partial, sizeof(partial), NULL, "%s.p", path) == CS_OK)
            files_remove_directory(&s->files, partial);
    }
    s->n_filled = 0;
}

enum cs_rc store_save_state(struct store *s, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(STATE_MAX);
    CS_TRY(state_format(&s->state, &text, err));
    CS_TRY(files_put(&s->files, "state", cs_buf_view(&text), err));
    return files_sync(&s->files, err);
}

static enum cs_rc publish(struct store *s, struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(4096);
    struct cs_checkpoint c = {.head = {.size = s->state.size, .root = s->state.root}};
    memcpy(c.origin, s->state.origin, sizeof(c.origin));
    CS_TRY(cs_checkpoint_sign(&c, s->key, &note, err));
    CS_TRY(files_put(&s->files, "checkpoint", cs_buf_view(&note), err));
    CS_TRY(files_sync(&s->files, err));
    atomic_store(&s->published, s->state.size);
    return CS_OK;
}

enum cs_rc store_commit(struct store *s, struct cs_err *err)
{
    CS_TRY(put_partials(s, err));
    CS_TRY(files_sync(&s->files, err));
    s->state.size = s->edge.size;
    s->state.root = cs_tlog_edge_root(&s->edge);
    CS_TRY(store_save_state(s, err));
    CS_TRY(publish(s, err));
    drop_partials(s);
    return CS_OK;
}

enum cs_rc store_put(struct store *s, const char *name, struct cs_bytes bytes, struct cs_err *err)
{
    CS_TRY(files_put(&s->files, name, bytes, err));
    return files_sync(&s->files, err);
}

bool store_has(const struct store *s, const char *name)
{
    return files_exists(&s->files, name);
}

static enum cs_rc get_tile(const struct store *s, const struct cs_tlog_tile *t, struct cs_buf *out,
                           struct cs_err *err)
{
    char path[CS_TLOG_PATH];
    CS_TRY(cs_tlog_path(t, path, err));
    return files_get(&s->files, path, out, err);
}

enum cs_rc store_read_bundle(struct store *s, uint64_t index, struct cs_buf *bytes,
                             struct cs_bytes entries[CS_TLOG_TILE], size_t *n, struct cs_err *err)
{
    const struct cs_tlog_tile t = {
        .entries = true, .index = index, .width = cs_tlog_width(s->state.size, 0, index)};
    bytes->len = 0;
    CS_TRY(get_tile(s, &t, bytes, err));
    CS_TRY(cs_tlog_bundle_read(cs_buf_view(bytes), t.width, entries, err));
    *n = t.width;
    return CS_OK;
}

/* The right edge, back from its partial tiles. */
static enum cs_rc load_edge(struct store *s, struct cs_err *err)
{
    s->edge.size = s->state.size;
    for (unsigned level = 0; level < CS_TLOG_LEVELS; level++) {
        CS_AUTO_BUF bytes = CS_BUF_INIT(TILE_BYTES);
        const struct cs_tlog_tile t = {.level = level,
                                       .index = s->state.size >> (8 * level) >> 8,
                                       .width = cs_tlog_edge_width(&s->edge, level)};
        if (t.width == 0)
            continue;
        if (get_tile(s, &t, &bytes, err) != CS_OK || bytes.len != t.width * 32U)
            return damaged(err, "a tile of the state's tree is missing or cut");
        memcpy(s->edge.tiles[level], bytes.ptr, bytes.len);
    }
    const struct cs_hash root = cs_tlog_edge_root(&s->edge);
    if (memcmp(root.b, s->state.root.b, sizeof(root.b)) != 0)
        return damaged(err, "the tiles do not lead to the state's root");
    return CS_OK;
}

static enum cs_rc load_bundle(struct store *s, struct cs_err *err)
{
    struct cs_bytes entries[CS_TLOG_TILE];
    size_t n = 0;
    if (s->state.size % CS_TLOG_TILE == 0)
        return CS_OK;
    if (store_read_bundle(s, s->state.size / CS_TLOG_TILE, &s->bundle, entries, &n, err) != CS_OK)
        return damaged(err, "the last entry bundle is missing or cut");
    for (size_t i = 0; i < n; i++) {
        const struct cs_hash leaf = cs_tlog_leaf(entries[i]);
        if (memcmp(leaf.b, s->edge.tiles[0][i].b, sizeof(leaf.b)) != 0)
            return damaged(err, "the last entry bundle is not what its tile hashes");
    }
    return CS_OK;
}

static enum cs_rc read_for_proof(void *self, const struct cs_tlog_tile *t, struct cs_hash *out,
                                 struct cs_err *err)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(TILE_BYTES);
    CS_TRY(get_tile(self, t, &bytes, err));
    if (bytes.len != t->width * 32U)
        return cs_err_set(err, CS_INVALID, "a tile of another size");
    memcpy(out, bytes.ptr, bytes.len);
    return CS_OK;
}

/* What was published before must be a prefix of what the state says: no fork is ever signed. */
static enum cs_rc check_published(struct store *s, struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(CS_NOTE_MAX);
    struct cs_checkpoint c;
    struct cs_note_key key;
    struct cs_tlog_proof proof;
    const struct cs_tlog_tiles tiles = {.self = s, .read = read_for_proof};
    const struct cs_tlog_head now = {.size = s->state.size, .root = s->state.root};
    const enum cs_rc rc = files_get(&s->files, "checkpoint", &note, err);
    if (rc == CS_NOT_FOUND)
        return CS_OK;
    CS_TRY(rc);
    CS_TRY(cs_note_key_make(s->state.origin, cs_signing_key_public(s->key), &key, err));
    if (cs_checkpoint_open(cs_buf_view(&note), NULL, &c, err) != CS_OK ||
        strcmp(c.origin, s->state.origin) != 0)
        return damaged(err, "the checkpoint is of another log");
    if (c.head.size > now.size)
        return damaged(err, "the checkpoint is newer than the state");
    if (c.head.size == 0)
        return CS_OK;
    if (cs_tlog_prove_consistency(&tiles, c.head.size, now.size, &proof, err) != CS_OK ||
        cs_tlog_check_consistency(&c.head, &now, &proof, err) != CS_OK)
        return damaged(err, "the checkpoint is not of this tree");
    return CS_OK;
}

static enum cs_rc load(struct store *s, const char *origin, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(STATE_MAX);
    const enum cs_rc rc = files_get(&s->files, "state", &text, err);
    if (rc == CS_NOT_FOUND) {
        if (files_exists(&s->files, "checkpoint"))
            return damaged(err, "there is a checkpoint and no state");
        cs_sha256("", 0, s->state.root.b);
        return cs_strf(s->state.origin, sizeof(s->state.origin), err, "%s", origin);
    }
    CS_TRY(rc);
    if (state_parse(cs_buf_view(&text), &s->state, err) != CS_OK)
        return damaged(err, "the state file is cut or changed");
    if (strcmp(s->state.origin, origin) != 0)
        return cs_err_code(err, CS_FATAL, "auditor.damaged",
                           "the log is '%s', log.origin says '%s'", s->state.origin, origin);
    CS_TRY(load_edge(s, err));
    CS_TRY(load_bundle(s, err));
    return check_published(s, err);
}

static enum cs_rc lock(struct store *s, const char *directory, struct cs_err *err)
{
    char path[FILES_PATH];
    CS_TRY(cs_mkdir_p(directory, 0755, err));
    CS_TRY(cs_strf(s->files.root, sizeof(s->files.root), err, "%s", directory));
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/lock", directory));
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->lock_fd < 0)
        return cs_err_set(err, CS_RETRY, "%s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return cs_err_code(err, CS_FATAL, "auditor.locked",
                           "%s is held by another auditor: a log has one writer", path);
    return CS_OK;
}

enum cs_rc store_open(const char *directory, const char *origin, const struct cs_signing_key *key,
                      struct store **out, struct cs_err *err)
{
    CS_AUTO(store) s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->lock_fd = -1;
    s->key = key;
    s->bundle = CS_BUF_INIT(BUNDLE_MAX);
    CS_TRY(lock(s, directory, err));
    CS_TRY(load(s, origin, err));
    CS_TRY(store_save_state(s, err));
    CS_TRY(publish(s, err));
    *out = CS_STEAL(s);
    return CS_OK;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    cs_close_fd(&s->lock_fd);
    state_done(&s->state);
    cs_buf_done(&s->bundle);
    cs_free(s->filled);
    cs_free(s);
}

void store_freep(struct store **s)
{
    store_close(*s);
    *s = NULL;
}
