/* Files and descriptors; see file.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void cs_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

enum cs_rc cs_fd_write_all(int fd, const void *p, size_t n, struct cs_err *err)
{
    const uint8_t *b = p;
    while (n > 0) {
        const ssize_t w = write(fd, b, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return cs_err_set(err, CS_RETRY, "write: %s", strerror(errno));
        b += w;
        n -= (size_t)w;
    }
    return CS_OK;
}

enum cs_rc cs_fd_read_full(int fd, void *p, size_t n, size_t *got, struct cs_err *err)
{
    uint8_t *b = p;
    size_t have = 0;
    while (have < n) {
        const ssize_t r = read(fd, b + have, n - have);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return cs_err_set(err, CS_RETRY, "read: %s", strerror(errno));
        if (r == 0)
            break;
        have += (size_t)r;
    }
    *got = have;
    return CS_OK;
}

enum cs_rc cs_fd_pread_full(int fd, void *p, size_t n, uint64_t offset, struct cs_err *err)
{
    uint8_t *b = p;
    while (n > 0) {
        const ssize_t r = pread(fd, b, n, (off_t)offset);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return cs_err_set(err, CS_RETRY, "read at offset %llu: %s", (unsigned long long)offset,
                              strerror(errno));
        if (r == 0)
            return cs_err_code(err, CS_INVALID, "io.short", "the file ends at offset %llu",
                               (unsigned long long)offset);
        b += r;
        n -= (size_t)r;
        offset += (uint64_t)r;
    }
    return CS_OK;
}

enum cs_rc cs_file_read(const char *path, struct cs_buf *out, struct cs_err *err)
{
    CS_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cs_err_set(err, errno == ENOENT ? CS_NOT_FOUND : CS_RETRY, "%s: %s", path,
                          strerror(errno));
    for (;;) {
        uint8_t chunk[16384];
        size_t got = 0;
        CS_TRY(cs_fd_read_full(fd, chunk, sizeof(chunk), &got, err));
        if (cs_buf_add(out, chunk, got, err) != CS_OK)
            return cs_err_wrap(err, "%s", path);
        if (got < sizeof(chunk))
            return CS_OK;
    }
}

enum cs_rc cs_fsync_parent(const char *path, struct cs_err *err)
{
    const char *slash = strrchr(path, '/');
    CS_AUTO_STR dir = slash == NULL   ? cs_strdup(".")
                      : slash == path ? cs_strdup("/")
                                      : cs_strndup(path, (size_t)(slash - path));
    if (dir == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return cs_err_set(err, CS_RETRY, "fsync of %s: %s", dir, strerror(errno));
    return CS_OK;
}

static enum cs_rc write_synced(const char *path, const void *p, size_t n, mode_t mode,
                               struct cs_err *err)
{
    CS_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return cs_err_set(err, CS_RETRY, "%s: %s", path, strerror(errno));
    if (cs_fd_write_all(fd, p, n, err) != CS_OK)
        return cs_err_wrap(err, "%s", path);
    if (fsync(fd) != 0)
        return cs_err_set(err, CS_RETRY, "fsync of %s: %s", path, strerror(errno));
    return CS_OK;
}

enum cs_rc cs_file_write_atomic(const char *path, const void *p, size_t n, mode_t mode,
                                struct cs_err *err)
{
    char tmp[4096];
    const int len = snprintf(tmp, sizeof(tmp), "%s.tmp-%ld", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof(tmp))
        return cs_err_set(err, CS_LIMIT, "path too long: %.100s...", path);
    const enum cs_rc rc = write_synced(tmp, p, n, mode, err);
    if (rc != CS_OK) {
        unlink(tmp);
        return rc;
    }
    if (rename(tmp, path) != 0) {
        const int e = errno;
        unlink(tmp);
        return cs_err_set(err, CS_RETRY, "rename to %s: %s", path, strerror(e));
    }
    return cs_fsync_parent(path, err);
}

enum cs_rc cs_mkdir_p(const char *path, mode_t mode, struct cs_err *err)
{
    CS_AUTO_STR copy = cs_strdup(path);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    for (char *s = copy + 1;; s++) {
        const char c = *s;
        if (c != '/' && c != '\0')
            continue;
        *s = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return cs_err_set(err, CS_RETRY, "mkdir %s: %s", copy, strerror(errno));
        *s = c;
        if (c == '\0')
            return CS_OK;
    }
}
