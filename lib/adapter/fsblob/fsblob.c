/* Blobs as files; see fsblob.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/fsblob/fsblob.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cs_blobs {
    char directory[256];
};

/* Names are ours (ids and digests), but a '..' in one would leave the store. */
static bool name_ok(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_/") == strlen(name);
}

static enum cs_rc path_of(const struct cs_blobs *b, const char *name, char out[512],
                          struct cs_err *err)
{
    if (!name_ok(name))
        return cs_err_code(err, CS_INVALID, "blob.name", "'%.100s' is not a blob's name", name);
    return cs_strf(out, 512, err, "%s/%s", b->directory, name);
}

enum cs_rc cs_blobs_open(const char *directory, struct cs_blobs **out, struct cs_err *err)
{
    char drafts[300];
    CS_AUTO(cs_blobs) b = cs_calloc(1, sizeof(*b));
    if (b == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_strf(b->directory, sizeof(b->directory), err, "%s", directory));
    CS_TRY(cs_strf(drafts, sizeof(drafts), err, "%s/drafts", directory));
    CS_TRY(cs_mkdir_p(drafts, 0750, err));
    *out = CS_STEAL(b);
    return CS_OK;
}

void cs_blobs_close(struct cs_blobs *b)
{
    cs_free(b);
}

void cs_blobs_freep(struct cs_blobs **b)
{
    cs_blobs_close(*b);
    *b = NULL;
}

enum cs_rc cs_blob_begin(struct cs_blobs *b, struct cs_blob_draft *out, struct cs_err *err)
{
    char id[CS_UUID_TEXT];
    cs_uuid_random(id);
    out->fd = -1;
    CS_TRY(cs_strf(out->path, sizeof(out->path), err, "%s/drafts/%s", b->directory, id));
    out->fd = open(out->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (out->fd < 0)
        return cs_err_code(err, errno == ENOSPC ? CS_LIMIT : CS_RETRY, "blob.store",
                           "the artifact store cannot be written: %s", strerror(errno));
    return CS_OK;
}

void cs_blob_abort(struct cs_blob_draft *d)
{
    if (d->fd < 0)
        return;
    unlink(d->path);
    cs_close_fd(&d->fd);
}

static enum cs_rc make_parent(char *path, struct cs_err *err)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    const enum cs_rc rc = cs_mkdir_p(path, 0750, err);
    *slash = '/';
    return rc;
}

enum cs_rc cs_blob_commit(struct cs_blobs *b, struct cs_blob_draft *d, const char *name,
                          bool *existed, struct cs_err *err)
{
    char path[512];
    CS_TRY(path_of(b, name, path, err));
    CS_TRY(make_parent(path, err));
    if (CS_GUARD("blob-fsync") && fsync(d->fd) != 0)
        return cs_err_code(err, CS_RETRY, "blob.store", "fsync: %s", strerror(errno));
    const int linked = link(d->path, path);
    if (linked != 0 && errno != EEXIST)
        return cs_err_code(err, CS_RETRY, "blob.store", "%s: %s", name, strerror(errno));
    if (existed != NULL)
        *existed = linked != 0;
    cs_blob_abort(d);
    return cs_fsync_parent(path, err);
}

enum cs_rc cs_blob_put(struct cs_blobs *b, const char *name, struct cs_bytes bytes, bool *existed,
                       struct cs_err *err)
{
    struct cs_blob_draft d;
    CS_TRY(cs_blob_begin(b, &d, err));
    enum cs_rc rc = cs_fd_write_all(d.fd, bytes.ptr, bytes.len, err);
    if (rc == CS_OK)
        rc = cs_blob_commit(b, &d, name, existed, err);
    cs_blob_abort(&d);
    return rc;
}

enum cs_rc cs_blob_open(struct cs_blobs *b, const char *name, int *fd, uint64_t *size,
                        struct cs_err *err)
{
    char path[512];
    struct stat st;
    CS_TRY(path_of(b, name, path, err));
    CS_AUTO_FD f = open(path, O_RDONLY | O_CLOEXEC);
    if (f < 0 || fstat(f, &st) != 0)
        return cs_err_code(err, errno == ENOENT ? CS_NOT_FOUND : CS_RETRY, "blob.missing", "%s: %s",
                           name, strerror(errno));
    *size = (uint64_t)st.st_size;
    *fd = f;
    f = -1;
    return CS_OK;
}

enum cs_rc cs_blob_get(struct cs_blobs *b, const char *name, struct cs_buf *out, struct cs_err *err)
{
    char path[512];
    CS_TRY(path_of(b, name, path, err));
    return cs_file_read(path, out, err);
}

enum cs_rc cs_blob_remove(struct cs_blobs *b, const char *name, struct cs_err *err)
{
    char path[512];
    CS_TRY(path_of(b, name, path, err));
    if (unlink(path) != 0 && errno != ENOENT)
        return cs_err_code(err, CS_RETRY, "blob.store", "%s: %s", name, strerror(errno));
    return CS_OK;
}

int cs_blobs_sweep(struct cs_blobs *b, int64_t max_age_ms)
{
    char drafts[512];
    int removed = 0;
    if (cs_strf(drafts, sizeof(drafts), NULL, "%s/drafts", b->directory) != CS_OK)
        return 0;
    DIR *dir = opendir(drafts);
    if (dir == NULL)
        return 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (cs_now_ms() - (int64_t)st.st_mtime * 1000 > max_age_ms &&
            unlinkat(dirfd(dir), e->d_name, 0) == 0)
            removed++;
    }
    closedir(dir);
    return removed;
}
