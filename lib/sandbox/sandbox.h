/* Children that may read hostile bytes: started with given descriptors and nothing else, confined
 * before they read the first byte.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <sys/types.h>

/* In the child, first thing in main(): limits, no new privileges, nobody's user id when root,
 * Landlock where the kernel has it, and a seccomp list of the few calls that reading, hashing and
 * answering need. From then on everything else kills the process. CS_FATAL: do not go on. */
enum cs_rc cs_sandbox_enter(uint64_t memory_bytes, unsigned cpu_seconds,
                            struct cs_err *err) CS_MUST_CHECK;

/* In the parent: a program started with exactly these descriptors (fds[i] becomes i), no
 * environment, ended when the parent ends. */
struct cs_child {
    pid_t pid;
};
enum cs_rc cs_child_spawn(const char *path, const char *const argv[], const int *fds, size_t n,
                          struct cs_child *out, struct cs_err *err) CS_MUST_CHECK;
/* Waits; kills after timeout_ms. CS_OK for exit status 0; CS_INVALID "parser.limits" when it was
 * killed, by us or by its sandbox ("the parser broke its limits"). */
enum cs_rc cs_child_wait(struct cs_child *c, int timeout_ms, struct cs_err *err) CS_MUST_CHECK;
/* Ends it at once if it still runs. */
void cs_child_kill(struct cs_child *c);

/* Length-prefixed messages (32 bits, big endian) on a stream. max bounds what is accepted. */
enum cs_rc cs_frame_send(int fd, struct cs_bytes bytes, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_frame_receive(int fd, struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
/* The same, with up to one descriptor passed along (SCM_RIGHTS); -1: none. */
enum cs_rc cs_frame_send_fd(int sock, struct cs_bytes bytes, int fd,
                            struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_frame_receive_fd(int sock, struct cs_buf *out, int *fd,
                               struct cs_err *err) CS_MUST_CHECK;
