/* Whole files: read with a limit, written so that they appear complete or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <sys/types.h>

/* Appends the file's bytes to *out (whose max is the limit). CS_NOT_FOUND, CS_LIMIT, CS_RETRY
 * (I/O). */
enum cs_rc cs_file_read(const char *path, struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;

/* Writes path.tmp-PID, fsyncs, renames over path, fsyncs the directory. The old content survives a
 * failure or a crash at any point. */
enum cs_rc cs_file_write_atomic(const char *path, const void *p, size_t n, mode_t mode,
                                struct cs_err *err) CS_MUST_CHECK;

/* Creates the directory and its parents as needed. */
enum cs_rc cs_mkdir_p(const char *path, mode_t mode, struct cs_err *err) CS_MUST_CHECK;

/* write(2) until all is written; read(2) until n bytes or the end (*got says how many). */
enum cs_rc cs_fd_write_all(int fd, const void *p, size_t n, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_fd_read_full(int fd, void *p, size_t n, size_t *got,
                           struct cs_err *err) CS_MUST_CHECK;
/* pread(2) of exactly n bytes; CS_INVALID (code "io.short") when the file ends before. */
enum cs_rc cs_fd_pread_full(int fd, void *p, size_t n, uint64_t offset,
                            struct cs_err *err) CS_MUST_CHECK;

/* fsync of the directory that holds 'path', so that a rename in it survives a power cut. */
enum cs_rc cs_fsync_parent(const char *path, struct cs_err *err) CS_MUST_CHECK;

/* CS_CLEANUP(cs_close_fd) int fd = -1; */
void cs_close_fd(int *fd);
#define CS_AUTO_FD CS_CLEANUP(cs_close_fd) int
