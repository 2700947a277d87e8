/* Starts and ends children, and talks with them in frames; see sandbox.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_FDS = 8, FIRST_SPARE = 32 };

/* Between fork and exec: only async-signal-safe calls. */
static void become(const char *path, const char *const argv[], const int *fds, size_t n,
                   pid_t parent)
{
    static char *const no_environment[] = {NULL};
    int spare[MAX_FDS];
    sigset_t none;
    union {
        const char *const *in;
        char *const *out; /* execve's prototype predates const */
    } args = {.in = argv};
    for (size_t i = 0; i < n; i++)
        spare[i] = fcntl(fds[i], F_DUPFD, FIRST_SPARE);
    for (size_t i = 0; i < n; i++) {
        if (spare[i] < 0 || dup2(spare[i], (int)i) < 0)
            _exit(126);
    }
    if (close_range((unsigned)n, ~0U, 0) != 0)
        _exit(126);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    execve(path, args.out, no_environment);
    _exit(127);
}

enum cs_rc cs_child_spawn(const char *path, const char *const argv[], const int *fds, size_t n,
                          struct cs_child *out, struct cs_err *err)
{
    const pid_t parent = getpid();
    if (n > MAX_FDS)
        return cs_err_set(err, CS_FATAL, "%zu descriptors for a child", n);
    const pid_t pid = fork();
    if (pid < 0)
        return cs_err_set(err, CS_RETRY, "fork: %s", strerror(errno));
    if (pid == 0)
        become(path, argv, fds, n, parent);
    out->pid = pid;
    return CS_OK;
}

static enum cs_rc judge(int status, struct cs_err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CS_OK;
    if (WIFEXITED(status))
        return cs_err_code(err, CS_RETRY, "parser.failed", "the child ended with status %d",
                           WEXITSTATUS(status));
    return cs_err_code(err, CS_INVALID, "parser.limits", "the parser broke its limits (%s)",
                       WTERMSIG(status) == SIGSYS    ? "a forbidden system call"
                       : WTERMSIG(status) == SIGXCPU ? "processor time"
                       : WTERMSIG(status) == SIGKILL ? "time or memory"
                                                     : "it crashed");
}

enum cs_rc cs_child_wait(struct cs_child *c, int timeout_ms, struct cs_err *err)
{
    int status = 0;
    const int pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    const int64_t deadline = cs_monotonic_ms() + timeout_ms;
    int ready = 0;
    do {
        const int64_t left = deadline - cs_monotonic_ms();
        ready = poll(&p, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0)
        kill(c->pid, SIGKILL);
    if (pidfd >= 0)
        close(pidfd);
    const pid_t pid = c->pid;
    c->pid = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return cs_err_set(err, CS_RETRY, "waitpid: %s", strerror(errno));
    }
    return judge(status, err);
}

void cs_child_kill(struct cs_child *c)
{
    if (c->pid <= 0)
        return;
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    c->pid = 0;
}

static void put_length(uint8_t head[4], size_t n)
{
    for (unsigned i = 0; i < 4; i++)
        head[i] = (uint8_t)(n >> (24 - 8 * i));
}

enum cs_rc cs_frame_send(int fd, struct cs_bytes bytes, struct cs_err *err)
{
    uint8_t head[4];
    put_length(head, bytes.len);
    CS_TRY(cs_fd_write_all(fd, head, sizeof(head), err));
    return cs_fd_write_all(fd, bytes.ptr, bytes.len, err);
}

static enum cs_rc receive_body(int fd, const uint8_t head[4], struct cs_buf *out,
                               struct cs_err *err)
{
    const size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    size_t got = 0;
    CS_TRY(cs_buf_reserve(out, n, err));
    CS_TRY(cs_fd_read_full(fd, out->ptr + out->len, n, &got, err));
    if (got != n)
        return cs_err_set(err, CS_RETRY, "the other side ended inside a message");
    out->len += n;
    return CS_OK;
}

enum cs_rc cs_frame_receive(int fd, struct cs_buf *out, struct cs_err *err)
{
    uint8_t head[4];
    size_t got = 0;
    CS_TRY(cs_fd_read_full(fd, head, sizeof(head), &got, err));
    if (got != sizeof(head))
        return cs_err_set(err, CS_RETRY, "the other side ended");
    return receive_body(fd, head, out, err);
}

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

enum cs_rc cs_frame_send_fd(int sock, struct cs_bytes bytes, int fd, struct cs_err *err)
{
    uint8_t head[4];
    union control control = {.bytes = {0}};
    struct iovec iov = {.iov_base = head, .iov_len = sizeof(head)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    put_length(head, bytes.len);
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)sizeof(head))
        return cs_err_set(err, CS_RETRY, "the other side ended: %s", strerror(errno));
    return cs_fd_write_all(sock, bytes.ptr, bytes.len, err);
}

enum cs_rc cs_frame_receive_fd(int sock, struct cs_buf *out, int *fd, struct cs_err *err)
{
    uint8_t head[4];
    union control control = {.bytes = {0}};
    struct iovec iov = {.iov_base = head, .iov_len = sizeof(head)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = 0;
    *fd = -1;
    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(head))
        return cs_err_set(err, CS_RETRY, "the other side ended");
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    return receive_body(sock, head, out, err);
}
