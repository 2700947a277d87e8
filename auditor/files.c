/* Durable files in groups; see files.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum cs_rc sync_directory(const char *path, struct cs_err *err)
{
    CS_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return cs_err_set(err, CS_RETRY, "fsync of %s: %s", path, strerror(errno));
    return CS_OK;
}

enum cs_rc files_sync(struct files *f, struct cs_err *err)
{
    while (f->n_dirty > 0) {
        CS_TRY(sync_directory(f->dirty[f->n_dirty - 1], err));
        f->n_dirty--;
    }
    return CS_OK;
}

static enum cs_rc mark(struct files *f, const char *directory, struct cs_err *err)
{
    for (size_t i = 0; i < f->n_dirty; i++) {
        if (strcmp(f->dirty[i], directory) == 0)
            return CS_OK;
    }
    if (f->n_dirty == FILES_DIRTY)
        CS_TRY(files_sync(f, err));
    return cs_strf(f->dirty[f->n_dirty++], FILES_PATH, err, "%s", directory);
}

/* Creates what is missing of the directory, marking each parent that gained an entry. */
static enum cs_rc make_directory(struct files *f, char *directory, struct cs_err *err)
{
    const size_t root = strlen(f->root);
    for (char *p = directory + root;; p++) {
        const char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(directory, 0755) == 0) {
            char parent[FILES_PATH];
            CS_TRY(cs_strf(parent, sizeof(parent), err, "%s", directory));
            char *slash = strrchr(parent, '/');
            if (slash != NULL && slash != parent)
                *slash = '\0';
            CS_TRY(mark(f, parent, err));
        } else if (errno != EEXIST) {
            return cs_err_set(err, CS_RETRY, "mkdir %s: %s", directory, strerror(errno));
        }
        *p = c;
        if (c == '\0')
            return CS_OK;
    }
}

static enum cs_rc write_synced(const char *path, struct cs_bytes bytes, struct cs_err *err)
{
    CS_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return cs_err_set(err, CS_RETRY, "%s: %s", path, strerror(errno));
    if (cs_fd_write_all(fd, bytes.ptr, bytes.len, err) != CS_OK)
        return cs_err_wrap(err, "%s", path);
    if (fsync(fd) != 0)
        return cs_err_set(err, CS_RETRY, "fsync of %s: %s", path, strerror(errno));
    return CS_OK;
}

enum cs_rc files_put(struct files *f, const char *name, struct cs_bytes bytes, struct cs_err *err)
{
    char path[FILES_PATH];
    char temporary[FILES_PATH];
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/%s", f->root, name));
    CS_TRY(cs_strf(temporary, sizeof(temporary), err, "%s.tmp", path));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    CS_TRY(make_directory(f, path, err));
    CS_TRY(write_synced(temporary, bytes, err));
    CS_TRY(mark(f, path, err));
    *slash = '/';
    if (rename(temporary, path) != 0)
        return cs_err_set(err, CS_RETRY, "rename to %s: %s", path, strerror(errno));
    return CS_OK;
}

enum cs_rc files_get(const struct files *f, const char *name, struct cs_buf *out,
                     struct cs_err *err)
{
    char path[FILES_PATH];
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/%s", f->root, name));
    return cs_file_read(path, out, err);
}

bool files_exists(const struct files *f, const char *name)
{
    char path[FILES_PATH];
    return cs_strf(path, sizeof(path), NULL, "%s/%s", f->root, name) == CS_OK &&
           access(path, F_OK) == 0;
}

void files_remove_directory(const struct files *f, const char *name)
{
    char path[FILES_PATH];
    if (cs_strf(path, sizeof(path), NULL, "%s/%s", f->root, name) != CS_OK)
        return;
    DIR *d = opendir(path);
    if (d == NULL)
        return;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    rmdir(path);
}
