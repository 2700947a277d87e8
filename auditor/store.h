/* The log on disk: entries in, tiles and a signed checkpoint out, in an order that survives a crash
 * at any point. One writer per directory. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "crypto/sign.h"
#include "files.h"
#include "state.h"
#include "tlog/edge.h"

#include <stdatomic.h>

struct store;

/* Opens or begins the log in 'directory', rebuilds its right edge, and publishes the checkpoint of
 * the state. The key is borrowed. CS_FATAL when another process holds it ("auditor.locked"), or
 * when files, state and checkpoint contradict each other ("auditor.damaged"): nothing is then
 * written. */
enum cs_rc store_open(const char *directory, const char *origin, const struct cs_signing_key *key,
                      struct store **out, struct cs_err *err) CS_MUST_CHECK;
void store_close(struct store *s);
void store_freep(struct store **s);

/* What the log knows; offsets and wanted blobs are changed by the caller between commits. */
struct state *store_state(struct store *s);
/* Leaves under the published checkpoint. Any thread. */
uint64_t store_published(const struct store *s);

/* Appends one entry; durable and visible after the next commit. Any failure is final: the process
 * has to end and begin again from its state. */
enum cs_rc store_add(struct store *s, struct cs_bytes entry, struct cs_err *err) CS_MUST_CHECK;
/* Bundles, tiles, fsync, state, checkpoint. */
enum cs_rc store_commit(struct store *s, struct cs_err *err) CS_MUST_CHECK;
/* The state alone: wanted blobs or republished changed, no leaf was added. */
enum cs_rc store_save_state(struct store *s, struct cs_err *err) CS_MUST_CHECK;
/* Entries of one committed bundle: *n of them (views into bytes). */
enum cs_rc store_read_bundle(struct store *s, uint64_t index, struct cs_buf *bytes,
                             struct cs_bytes entries[CS_TLOG_TILE], size_t *n,
                             struct cs_err *err) CS_MUST_CHECK;
/* A file beside the tiles ("bundles/HEX"); durable on return. */
enum cs_rc store_put(struct store *s, const char *name, struct cs_bytes bytes,
                     struct cs_err *err) CS_MUST_CHECK;
bool store_has(const struct store *s, const char *name);
