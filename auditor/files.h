/* Files that must be durable together: written at once, made durable by one call.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum { FILES_PATH = 512, FILES_DIRTY = 64 };

struct files {
    char root[256];
    char dirty[FILES_DIRTY][FILES_PATH]; /* directories whose entries are not durable yet */
    size_t n_dirty;
};

/* Writes root/name: a temporary file, fsync, rename; the directory follows with files_sync (or
 * before, when many are waiting). Directories are created. CS_RETRY (I/O). */
enum cs_rc files_put(struct files *f, const char *name, struct cs_bytes bytes,
                     struct cs_err *err) CS_MUST_CHECK;
enum cs_rc files_sync(struct files *f, struct cs_err *err) CS_MUST_CHECK;
/* CS_NOT_FOUND, CS_RETRY. */
enum cs_rc files_get(const struct files *f, const char *name, struct cs_buf *out,
                     struct cs_err *err) CS_MUST_CHECK;
bool files_exists(const struct files *f, const char *name);
/* Removes the directory root/name and the files in it, as far as possible. */
void files_remove_directory(const struct files *f, const char *name);
