/* Starts children and speaks with them; see children.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "children.h"

#include "base/str.h"
#include "codec/message.h"
#include "sandbox/sandbox.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ANSWER = 4 << 20, MAX_PATH = 512 };

/* The child may be slow, and is given its time; it may not hang. */
static enum cs_rc await(int sock, int timeout_ms, struct cs_err *err)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) > 0)
        return CS_OK;
    return cs_err_code(err, CS_INVALID, "parser.limits",
                       "the parser broke its limits (no answer within %d s)", timeout_ms / 1000);
}

static enum cs_rc converse(int sock, const struct child_question *q, struct cs_arena *a,
                           struct ProtobufCMessage **out, struct cs_err *err)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(MAX_ANSWER);
    struct cs_bytes question;
    CS_TRY(cs_message_pack(q->message, a, &question, err));
    CS_TRY(cs_frame_send(sock, question, err));
    CS_TRY(await(sock, q->timeout_ms, err));
    CS_TRY(cs_frame_receive(sock, &bytes, err));
    void *copy = cs_arena_memdup(a, bytes.ptr, bytes.len);
    if (copy == NULL && bytes.len > 0)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return cs_message_unpack(q->answer, cs_bytes(copy, bytes.len), a, out, err);
}

enum cs_rc child_ask(const struct child_question *q, struct cs_arena *a,
                     struct ProtobufCMessage **out, struct cs_err *err)
{
    const char *const argv[] = {q->path, q->verb, NULL};
    struct cs_child child = {0};
    struct cs_err why = {0};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return cs_err_set(err, CS_RETRY, "no socket pair for a child");
    const int fds[] = {q->in, pair[1], STDERR_FILENO, q->out};
    enum cs_rc rc = cs_child_spawn(q->path, argv, fds, q->out >= 0 ? 4 : 3, &child, err);
    close(pair[1]);
    if (rc != CS_OK) {
        close(pair[0]);
        return rc;
    }
    rc = converse(pair[0], q, a, out, err);
    close(pair[0]);
    if (rc != CS_OK && strcmp(err->code, "parser.limits") == 0)
        cs_child_kill(&child);
    else if (cs_child_wait(&child, q->timeout_ms, &why) != CS_OK) {
        *err = why; /* how it ended says more than the silence it left */
        rc = why.rc;
    }
    return rc;
}

enum cs_rc child_path(const char *name, char *out, size_t size, struct cs_err *err)
{
    char self[MAX_PATH];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = n <= 0 ? NULL : memrchr(self, '/', (size_t)n);
    if (slash == NULL)
        return cs_err_set(err, CS_FATAL, "/proc/self/exe cannot be read");
    *slash = '\0';
    CS_TRY(cs_strf(out, size, err, "%s/%s", self, name));
    if (access(out, X_OK) == 0)
        return CS_OK;
    return cs_err_set(err, CS_NOT_FOUND,
                      "%s is missing: install all of Countersign's programs in "
                      "one directory",
                      out);
}
