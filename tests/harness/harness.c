/* Test helpers; see harness.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/clock.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void harness_tmpdir(char *out, size_t size)
{
    const char *base = getenv("TMPDIR");
    const int n = snprintf(out, size, "%s/countersign-test-XXXXXX", base == NULL ? "/tmp" : base);
    if (n < 0 || (size_t)n >= size || mkdtemp(out) == NULL) {
        fprintf(stderr, "cannot make a temporary directory: %s\n", strerror(errno));
        abort();
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void harness_tmpdir_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void collect(int fd, struct cs_buf *out)
{
    char chunk[4096];
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (out != NULL)
            cs_ignore(cs_buf_add(out, chunk, (size_t)n, NULL), "a tool's chatter may be cut");
    }
}

int harness_run(const char *const argv[], struct cs_buf *out)
{
    int fds[2];
    if (pipe(fds) != 0)
        return 127;
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        union {
            const char *const *in;
            char *const *out;
        } cast = {.in = argv}; /* execvp's prototype predates const */
        execvp(argv[0], cast.out);
        _exit(127);
    }
    close(fds[1]);
    if (pid > 0)
        collect(fds[0], out);
    close(fds[0]);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool harness_wait(bool (*ready)(void *ctx), void *ctx, int64_t timeout_ms)
{
    const int64_t deadline = cs_monotonic_ms() + timeout_ms;
    while (!ready(ctx)) {
        if (cs_monotonic_ms() >= deadline)
            return ready(ctx);
        poll(NULL, 0, 10);
    }
    return true;
}
