/* A queue, a thread, one signature per batch; see publish.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "publish/publish.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "model/ids.h"

#include "proto/common.pb-c.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MAX_BATCH = 256, MAX_QUEUED = 10000, MAX_LANES = 256, BATCH_ARENA = 64 << 20 };

struct entry {
    struct entry *next;
    struct cs_publisher *publisher;
    char topic[128];
    char key[64];
    int partition;
    char type[64]; /* "" when it is sealed already */
    char boot_id[CS_UUID_TEXT];
    struct cs_bytes bytes; /* payload, or the sealed envelope; owned */
    cs_bus_done *done;
    void *ctx;
};

/* Next sequence number per topic and partition of this boot. */
struct lane {
    char topic[128];
    int partition;
    uint64_t sequence;
};

struct cs_publisher {
    const struct cs_bus_producer *bus;
    const struct cs_signing_key *key;
    char *environment;
    char *producer_id;
    char *instance_id;
    char start_id[CS_UUID_TEXT]; /* never changes */
    char boot_id[CS_UUID_TEXT];
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    struct entry *head;
    struct entry **tail;
    size_t queued;
    bool stop;
    bool broken; /* a record failed: what was sent behind it has to be given up */
    struct lane lanes[MAX_LANES];
    size_t n_lanes;
};

static void entry_free(struct entry *e)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = e->bytes.ptr};
    cs_free(u.out);
    cs_free(e);
}

static void fail_entry(struct entry *e, const struct cs_err *err)
{
    if (e->done != NULL)
        e->done(e->ctx, err->rc, -1, err->msg);
    entry_free(e);
}

/* A number that never arrives is a hole in its boot, and a hole is an alarm. So the boot ends here:
 * what waits is refused (its numbers are of the old boot), what is sent is given up, and the next
 * event begins a new boot with number 1. */
static void end_boot(struct cs_publisher *p)
{
    struct entry *waiting = NULL;
    struct cs_err err = {.rc = CS_RETRY, .msg = "an event before it did not reach Kafka"};
    pthread_mutex_lock(&p->lock);
    if (CS_GUARD("publish-new-boot")) {
        waiting = p->head;
        p->head = NULL;
        p->tail = &p->head;
        p->queued = 0;
        p->n_lanes = 0;
        cs_uuid_random(p->boot_id);
        p->broken = true;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    while (waiting != NULL) {
        struct entry *e = waiting;
        waiting = e->next;
        fail_entry(e, &err);
    }
}

/* Whether the event is numbered in the boot that still goes on. */
static bool of_this_boot(const struct entry *e)
{
    struct cs_publisher *p = e->publisher;
    pthread_mutex_lock(&p->lock);
    const bool same = e->type[0] != '\0' && strcmp(e->boot_id, p->boot_id) == 0;
    pthread_mutex_unlock(&p->lock);
    return same;
}

/* From the bus's thread. */
static void acknowledged(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    struct entry *e = ctx;
    if (rc != CS_OK && of_this_boot(e))
        end_boot(e->publisher);
    if (e->done != NULL)
        e->done(e->ctx, rc, offset, detail);
    entry_free(e);
}

/* Sealing and sending happen on one thread, so records leave in the order of their numbers. */
static void send_batch(struct cs_publisher *p, struct entry **batch, size_t n, struct cs_arena *a)
{
    struct cs_payload payloads[MAX_BATCH];
    struct cs_bytes sealed[MAX_BATCH];
    struct entry *mine[MAX_BATCH];
    struct cs_err err = {0};
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (batch[i]->type[0] == '\0')
            continue;
        payloads[m] = (struct cs_payload){.type = batch[i]->type, .bytes = batch[i]->bytes};
        mine[m++] = batch[i];
    }
    const enum cs_rc rc = m == 0 ? CS_OK : cs_envelope_seal(p->key, payloads, m, a, sealed, &err);
    for (size_t i = 0, k = 0; i < n; i++) {
        struct entry *e = batch[i];
        const bool own = k < m && mine[k] == e;
        const struct cs_record r = {.topic = e->topic,
                                    .partition = e->partition,
                                    .key = cs_bytes_str(e->key),
                                    .value = own ? sealed[k] : e->bytes};
        k += own ? 1 : 0;
        if (own && rc != CS_OK) {
            acknowledged(e, err.rc, -1, err.msg);
            continue;
        }
        /* The boot may have ended while its last batch was being handed over. */
        if (own && CS_GUARD("publish-ended-boot") && !of_this_boot(e)) {
            acknowledged(e, CS_RETRY, -1, "an event before it did not reach Kafka");
            continue;
        }
        if (p->bus->send(p->bus->self, &r, acknowledged, e, &err) != CS_OK)
            acknowledged(e, err.rc, -1, err.msg);
    }
}

static size_t take_batch(struct cs_publisher *p, struct entry **out)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    while (p->head == NULL && !p->stop && !p->broken)
        pthread_cond_wait(&p->wake, &p->lock);
    while (p->broken) {
        p->broken = false;
        pthread_mutex_unlock(&p->lock);
        p->bus->abandon(p->bus->self);
        pthread_mutex_lock(&p->lock);
        while (p->head == NULL && !p->stop && !p->broken)
            pthread_cond_wait(&p->wake, &p->lock);
    }
    while (p->head != NULL && n < MAX_BATCH) {
        out[n++] = p->head;
        p->head = p->head->next;
        p->queued--;
    }
    if (p->head == NULL)
        p->tail = &p->head;
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void *run(void *arg)
{
    struct cs_publisher *p = arg;
    struct entry *batch[MAX_BATCH];
    struct cs_arena *a = cs_arena_new(BATCH_ARENA);
    for (size_t n = take_batch(p, batch); n > 0; n = take_batch(p, batch)) {
        send_batch(p, batch, n, a);
        cs_arena_reset(a);
    }
    cs_arena_free(a);
    return NULL;
}

enum cs_rc cs_publisher_open(const struct cs_publisher_options *o, struct cs_publisher **out,
                             struct cs_err *err)
{
    struct cs_publisher *p = cs_calloc(1, sizeof(*p));
    if (p == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    p->bus = o->bus;
    p->key = o->key;
    p->environment = cs_strdup(o->environment);
    p->producer_id = cs_strdup(o->producer_id);
    p->instance_id = cs_strdup(o->instance_id);
    p->tail = &p->head;
    cs_uuid_random(p->start_id);
    memcpy(p->boot_id, p->start_id, sizeof(p->boot_id));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->started = pthread_create(&p->thread, NULL, run, p) == 0;
    if (!p->started || p->environment == NULL || p->producer_id == NULL || p->instance_id == NULL) {
        cs_publisher_close(p);
        return cs_err_set(err, CS_NOMEM, "the publisher cannot start");
    }
    *out = p;
    return CS_OK;
}

void cs_publisher_close(struct cs_publisher *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->started)
        pthread_join(p->thread, NULL);
    cs_ignore(p->bus->flush(p->bus->self, 10000, NULL), "each waiter hears of its own record");
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    cs_free(p->environment);
    cs_free(p->producer_id);
    cs_free(p->instance_id);
    cs_free(p);
}

void cs_publisher_freep(struct cs_publisher **p)
{
    cs_publisher_close(*p);
    *p = NULL;
}

const char *cs_publisher_start_id(const struct cs_publisher *p)
{
    return p->start_id;
}

static struct lane *lane_of(struct cs_publisher *p, const char *topic, int partition)
{
    for (size_t i = 0; i < p->n_lanes; i++) {
        if (p->lanes[i].partition == partition && strcmp(p->lanes[i].topic, topic) == 0)
            return &p->lanes[i];
    }
    if (p->n_lanes == MAX_LANES)
        return NULL;
    struct lane *l = &p->lanes[p->n_lanes++];
    l->sequence = 0; /* a new boot uses the place again */
    memcpy(l->topic, topic, strlen(topic) + 1);
    l->partition = partition;
    return l;
}

static Cs__Common__Header *header_of(ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(m->descriptor, 1);
    uint8_t *base = (uint8_t *)m;
    return *(Cs__Common__Header **)(void *)(base + f->offset);
}

static char *text_of(const char *s)
{
    union {
        const char *in;
        char *out; /* only packed, never written */
    } u = {.in = s};
    return u.out;
}

static void fill_header(const struct cs_publisher *p, Cs__Common__Header *h, struct entry *e)
{
    h->event_type = text_of(e->type);
    h->environment = p->environment;
    h->producer_id = p->producer_id;
    h->instance_id = p->instance_id;
    h->boot_id = text_of(p->boot_id);
    h->topic = e->topic;
    h->partition = e->partition;
    h->occurred_at_ms = cs_now_ms();
    h->schema_version = CS_SCHEMA_VERSION;
    h->min_reader_version = 1;
}

/* Under the lock: the number is taken, the payload frozen and the entry queued in one step. */
static enum cs_rc enqueue(struct cs_publisher *p, struct entry *e, ProtobufCMessage *m,
                          struct cs_err *err)
{
    if (p->stop || p->queued >= MAX_QUEUED)
        return cs_err_set(err, CS_RETRY, "too many events are waiting for Kafka");
    if (m != NULL) {
        struct lane *lane = lane_of(p, e->topic, e->partition);
        if (lane == NULL)
            return cs_err_set(err, CS_FATAL, "more than %d topics and partitions", MAX_LANES);
        Cs__Common__Header *h = header_of(m);
        fill_header(p, h, e);
        h->boot_sequence = lane->sequence + 1;
        const size_t n = protobuf_c_message_get_packed_size(m);
        uint8_t *bytes = n > CS_ENVELOPE_MAX ? NULL : cs_calloc(1, n);
        if (bytes == NULL)
            return cs_err_code(err, CS_LIMIT, "envelope.too_large", "a %s of %zu bytes", e->type,
                               n);
        e->bytes = cs_bytes(bytes, protobuf_c_message_pack(m, bytes));
        lane->sequence++;
        memcpy(e->boot_id, p->boot_id, sizeof(e->boot_id));
    }
    *p->tail = e;
    p->tail = &e->next;
    p->queued++;
    pthread_cond_signal(&p->wake);
    return CS_OK;
}

static enum cs_rc make_entry(struct cs_publisher *p, const struct cs_publication *pub,
                             struct entry *e, struct cs_err *err)
{
    int partitions = 0;
    if (strlen(pub->topic) >= sizeof(e->topic) || strlen(pub->key) >= sizeof(e->key))
        return cs_err_set(err, CS_LIMIT, "topic or key too long");
    memcpy(e->topic, pub->topic, strlen(pub->topic) + 1);
    memcpy(e->key, pub->key, strlen(pub->key) + 1);
    if (pub->message == NULL) {
        const void *copy = cs_memdup(pub->sealed.ptr, pub->sealed.len);
        if (copy == NULL)
            return cs_err_set(err, CS_NOMEM, "no memory");
        e->bytes = cs_bytes(copy, pub->sealed.len);
        e->partition = pub->sealed_partition;
        return CS_OK;
    }
    const char *type = pub->message->descriptor->name;
    if (strlen(type) >= sizeof(e->type))
        return cs_err_set(err, CS_LIMIT, "type name too long");
    memcpy(e->type, type, strlen(type) + 1);
    CS_TRY(p->bus->partitions(p->bus->self, pub->topic, &partitions, err));
    e->partition = cs_partition_of(pub->key, partitions);
    return CS_OK;
}

enum cs_rc cs_publish(struct cs_publisher *p, const struct cs_publication *pub, cs_bus_done *done,
                      void *ctx, struct cs_err *err)
{
    struct entry *e = cs_calloc(1, sizeof(*e));
    if (e == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    e->publisher = p;
    e->done = done;
    e->ctx = ctx;
    enum cs_rc rc = make_entry(p, pub, e, err);
    if (rc == CS_OK) {
        pthread_mutex_lock(&p->lock);
        rc = enqueue(p, e, pub->message, err);
        pthread_mutex_unlock(&p->lock);
    }
    if (rc != CS_OK)
        entry_free(e);
    return rc;
}

/* A waiter that both sides hold: whoever comes last frees it, so a late ack finds it alive. */
struct wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool answered;
    enum cs_rc rc;
    char detail[128];
    atomic_int holders;
};

static void wait_unref(struct wait *w)
{
    if (atomic_fetch_sub(&w->holders, 1) != 1)
        return;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->cond);
    cs_free(w);
}

static void answered(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    struct wait *w = ctx;
    (void)offset;
    pthread_mutex_lock(&w->lock);
    w->answered = true;
    w->rc = rc;
    const size_t n = strnlen(detail, sizeof(w->detail) - 1);
    memcpy(w->detail, detail, n);
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
    wait_unref(w);
}

static struct wait *wait_new(void)
{
    pthread_condattr_t attr;
    struct wait *w = cs_calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->cond, &attr);
    pthread_condattr_destroy(&attr);
    atomic_init(&w->holders, 2);
    return w;
}

enum cs_rc cs_publish_wait(struct cs_publisher *p, const struct cs_publication *pub, int timeout_ms,
                           struct cs_err *err)
{
    struct timespec until;
    struct wait *w = wait_new();
    if (w == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    enum cs_rc rc = cs_publish(p, pub, answered, w, err);
    if (rc != CS_OK) {
        wait_unref(w);
        wait_unref(w);
        return rc;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    int timed_out = 0;
    while (!w->answered && timed_out != ETIMEDOUT)
        timed_out = pthread_cond_timedwait(&w->cond, &w->lock, &until);
    if (!w->answered)
        rc = cs_err_set(err, CS_RETRY, "Kafka did not acknowledge within %d ms", timeout_ms);
    else if (w->rc != CS_OK)
        rc = cs_err_set(err, w->rc, "Kafka did not take the event: %s", w->detail);
    pthread_mutex_unlock(&w->lock);
    wait_unref(w);
    return rc;
}
