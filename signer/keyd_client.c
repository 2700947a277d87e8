/* Speaks with keyd; see keyd_client.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "keyd_client.h"

#include "base/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/message.h"
#include "model/ids.h"
#include "sandbox/sandbox.h"

#include "proto/signer_internal.pb-c.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ANSWER = 1 << 20, ARENA = 32 << 20, ACK_MS = 15000, MAX_REPEATS = 4 };

struct keyd_client {
    struct keyd_client_options o;
    pthread_mutex_t lock; /* one use at a time: numbers are given and published in one order */
    struct cs_child child;
    int sock;
};

static void end_keyd(struct keyd_client *c)
{
    if (c->sock >= 0)
        close(c->sock);
    c->sock = -1;
    cs_child_kill(&c->child);
}

static enum cs_rc begin_keyd(struct keyd_client *c, struct cs_err *err)
{
    int pair[2];
    if (c->sock >= 0)
        return CS_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return cs_err_set(err, CS_RETRY, "no socket pair for keyd");
    const int fds[] = {pair[1], STDERR_FILENO, STDERR_FILENO};
    const enum cs_rc rc = cs_child_spawn(c->o.path, c->o.argv, fds, 3, &c->child, err);
    close(pair[1]);
    if (rc != CS_OK)
        close(pair[0]);
    else
        c->sock = pair[0];
    return rc;
}

enum cs_rc keyd_client_open(const struct keyd_client_options *o, struct keyd_client **out,
                            struct cs_err *err)
{
    struct keyd_client *c = cs_calloc(1, sizeof(*c));
    if (c == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    c->o = *o;
    c->sock = -1;
    pthread_mutex_init(&c->lock, NULL);
    const enum cs_rc rc = begin_keyd(c, err);
    if (rc != CS_OK) {
        keyd_client_close(c);
        return rc;
    }
    *out = c;
    return CS_OK;
}

void keyd_client_close(struct keyd_client *c)
{
    if (c == NULL)
        return;
    end_keyd(c);
    pthread_mutex_destroy(&c->lock);
    cs_free(c);
}

void keyd_client_freep(struct keyd_client **c)
{
    keyd_client_close(*c);
    *c = NULL;
}

static enum cs_rc ask(struct keyd_client *c, const Cs__Signer__KeydRequest *q, int fd,
                      struct cs_arena *a, const Cs__Signer__KeydAnswer **out, struct cs_err *err)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(MAX_ANSWER);
    struct ProtobufCMessage *m = NULL;
    struct cs_bytes question;
    CS_TRY(cs_message_pack(&q->base, a, &question, err));
    enum cs_rc rc = cs_frame_send_fd(c->sock, question, fd, err);
    if (rc == CS_OK)
        rc = cs_frame_receive(c->sock, &bytes, err);
    if (rc != CS_OK) {
        cs_log_error("keyd.gone", CS_KERR(err));
        end_keyd(c);
        return cs_err_code(err, CS_RETRY, "keyd.gone", "the key daemon ended and is started again");
    }
    const void *copy = cs_arena_memdup(a, bytes.ptr, bytes.len);
    CS_TRY(cs_message_unpack(&cs__signer__keyd_answer__descriptor, cs_bytes(copy, bytes.len), a, &m,
                             err));
    *out = (const Cs__Signer__KeydAnswer *)m;
    if ((*out)->rc == CS_OK)
        return CS_OK;
    const Cs__Common__Failure *f = (*out)->failure;
    return cs_err_code(err, (enum cs_rc)(*out)->rc, f == NULL ? "keyd.failed" : f->code, "%.400s",
                       f == NULL ? "no reason given" : f->message);
}

/* Its number is taken: the event reaches Kafka before the next one, or keyd's boot ends here. */
static enum cs_rc publish(struct keyd_client *c, const char *request_id, int partition,
                          const char *type, const ProtobufCBinaryData *sealed, struct cs_err *err)
{
    const struct cs_publication e = {.topic = "cs.results",
                                     .key = request_id,
                                     .sealed_type = type,
                                     .sealed = cs_bytes(sealed->data, sealed->len),
                                     .sealed_partition = partition};
    enum cs_rc rc = CS_RETRY;
    for (unsigned i = 0; rc == CS_RETRY && i < MAX_REPEATS; i++)
        rc = cs_publish_wait(c->o.publisher, &e, ACK_MS, err);
    if (rc != CS_OK) {
        end_keyd(c);
        return cs_err_code(err, CS_RETRY, "kafka.unreachable",
                           "Kafka did not acknowledge the use of the key");
    }
    return CS_OK;
}

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static ProtobufCBinaryData data(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}

static enum cs_rc use_key(struct keyd_client *c, const struct keyd_job *job, struct cs_arena *a,
                          keyd_keeper *keep, void *ctx, struct cs_err *err)
{
    Cs__Signer__KeydRequest q = CS__SIGNER__KEYD_REQUEST__INIT;
    const Cs__Signer__KeydAnswer *started = NULL;
    const Cs__Signer__KeydAnswer *made = NULL;
    int partitions = 0;
    CS_TRY(begin_keyd(c, err));
    CS_TRY(c->o.bus->partitions(c->o.bus->self, "cs.results", &partitions, err));
    q.kind = CS__SIGNER__KEYD_REQUEST__KIND__SIGN;
    q.bundle = data(job->bundle);
    q.manifest = data(job->manifest);
    q.request_id = text(job->request_id);
    q.job_id = text(job->job_id);
    q.item_id = text(job->item_id);
    q.partition = cs_partition_of(job->request_id, partitions);
    CS_TRY(ask(c, &q, job->artifact, a, &started, err));
    if (CS_GUARD("signing-started-wait"))
        CS_TRY(publish(c, job->request_id, q.partition, "cs.results.SigningStarted",
                       &started->started, err));
    q.kind = CS__SIGNER__KEYD_REQUEST__KIND__CONTINUE;
    q.bundle = q.manifest = (ProtobufCBinaryData){0};
    CS_TRY(ask(c, &q, -1, a, &made, err));
    const enum cs_rc kept = keep(ctx, cs_bytes(made->signature.data, made->signature.len),
                                 cs_bytes(made->made.data, made->made.len), err);
    const enum cs_rc said = publish(c, job->request_id, q.partition, "cs.results.SignatureMade",
                                    &made->made, kept == CS_OK ? err : NULL);
    return kept != CS_OK ? kept : said;
}

enum cs_rc keyd_client_sign(struct keyd_client *c, const struct keyd_job *job, keyd_keeper *keep,
                            void *ctx, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(ARENA);
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    pthread_mutex_lock(&c->lock);
    const enum cs_rc rc = use_key(c, job, a, keep, ctx, err);
    pthread_mutex_unlock(&c->lock);
    return rc;
}
