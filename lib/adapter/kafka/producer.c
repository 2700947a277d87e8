/* The idempotent producer: acks from all in-sync replicas, answers on a thread of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { CACHED_TOPICS = 64, METADATA_TIMEOUT_MS = 5000 };

struct known_topic {
    char name[128];
    int partitions;
};

struct cs_kafka_producer {
    rd_kafka_t *rk;
    pthread_t thread;
    bool thread_started;
    atomic_bool stop;
    struct cs_bus_producer port;
    pthread_mutex_t lock; /* guards topics */
    struct known_topic topics[CACHED_TOPICS];
    size_t n_topics;
};

/* Who waits for one record. */
struct waiter {
    cs_bus_done *done;
    void *ctx;
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    struct waiter *w = m->_private;
    if (w == NULL)
        return;
    enum cs_rc rc = kafka_rc(m->err);
    if (rc != CS_OK && rc != CS_LIMIT)
        rc = CS_RETRY; /* possibly persisted: in doubt */
    if (w->done != NULL)
        w->done(w->ctx, rc, m->offset, m->err == 0 ? "" : rd_kafka_err2str(m->err));
    cs_free(w);
}

static void *serve(void *arg)
{
    struct cs_kafka_producer *p = arg;
    while (!atomic_load(&p->stop))
        rd_kafka_poll(p->rk, 200);
    return NULL;
}

static enum cs_rc send_record(void *self, const struct cs_record *r, cs_bus_done *done, void *ctx,
                              struct cs_err *err)
{
    struct cs_kafka_producer *p = self;
    struct waiter *w = cs_calloc(1, sizeof(*w));
    if (w == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory to send a record");
    *w = (struct waiter){.done = done, .ctx = ctx};
    union {
        const uint8_t *in;
        void *out; /* copied (F_COPY), never written */
    } key = {.in = r->key.ptr}, value = {.in = r->value.ptr};
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = r->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = r->partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key.out, .size = r->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value.out, .size = r->value.len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = w}};
    rd_kafka_error_t *e = rd_kafka_produceva(p->rk, parts, sizeof(parts) / sizeof(parts[0]));
    if (e == NULL)
        return CS_OK;
    const enum cs_rc rc = cs_err_set(err, kafka_rc(rd_kafka_error_code(e)), "%s: %s", r->topic,
                                     rd_kafka_error_string(e));
    rd_kafka_error_destroy(e);
    cs_free(w);
    return rc;
}

static int cached(struct cs_kafka_producer *p, const char *topic)
{
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_topics; i++) {
        if (strcmp(p->topics[i].name, topic) == 0)
            n = p->topics[i].partitions;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void remember(struct cs_kafka_producer *p, const char *topic, int partitions)
{
    pthread_mutex_lock(&p->lock);
    if (p->n_topics < CACHED_TOPICS && strlen(topic) < sizeof(p->topics[0].name)) {
        struct known_topic *t = &p->topics[p->n_topics++];
        memcpy(t->name, topic, strlen(topic) + 1);
        t->partitions = partitions;
    }
    pthread_mutex_unlock(&p->lock);
}

static enum cs_rc count_partitions(void *self, const char *topic, int *out, struct cs_err *err)
{
    struct cs_kafka_producer *p = self;
    const int known = cached(p, topic);
    if (known > 0) {
        *out = known;
        return CS_OK;
    }
    const rd_kafka_metadata_t *md = NULL;
    rd_kafka_topic_t *t = rd_kafka_topic_new(p->rk, topic, NULL);
    if (t == NULL)
        return cs_err_set(err, CS_INVALID, "topic %s", topic);
    rd_kafka_resp_err_t e = rd_kafka_metadata(p->rk, 0, t, &md, METADATA_TIMEOUT_MS);
    int n = 0;
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR && md->topic_cnt == 1) {
        e = md->topics[0].err;
        n = md->topics[0].partition_cnt;
    }
    if (md != NULL)
        rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(t);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR || n == 0)
        return cs_err_set(err, e == 0 ? CS_NOT_FOUND : kafka_rc(e), "topic %s: %s", topic,
                          rd_kafka_err2str(e));
    remember(p, topic, n);
    *out = n;
    return CS_OK;
}

static void abandon_all(void *self)
{
    struct cs_kafka_producer *p = self;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

static enum cs_rc flush_all(void *self, int timeout_ms, struct cs_err *err)
{
    struct cs_kafka_producer *p = self;
    const rd_kafka_resp_err_t e = rd_kafka_flush(p->rk, timeout_ms);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, CS_RETRY, "flush: %s", rd_kafka_err2str(e));
    return CS_OK;
}

static enum cs_rc producer_conf(const struct cs_kafka_options *o, rd_kafka_conf_t **out,
                                struct cs_err *err)
{
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(kafka_conf(o, &conf, err));
    enum cs_rc rc = kafka_set(conf, "enable.idempotence", "true", err);
    if (rc == CS_OK)
        rc = kafka_set(conf, "acks", "all", err);
    if (rc == CS_OK)
        rc = kafka_set(conf, "linger.ms", "0", err);
    if (rc == CS_OK)
        rc = kafka_set_int(conf, "message.timeout.ms",
                           o->message_timeout_ms > 0 ? o->message_timeout_ms : 8000, err);
    if (rc == CS_OK)
        rc = kafka_set_int(conf, "queue.buffering.max.messages", 100000, err);
    if (rc != CS_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    *out = conf;
    return CS_OK;
}

enum cs_rc cs_kafka_producer_open(const struct cs_kafka_options *o, struct cs_kafka_producer **out,
                                  struct cs_err *err)
{
    char why[256];
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(producer_conf(o, &conf, err));
    struct cs_kafka_producer *p = cs_calloc(1, sizeof(*p));
    if (p == NULL) {
        rd_kafka_conf_destroy(conf);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    pthread_mutex_init(&p->lock, NULL);
    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (p->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        cs_kafka_producer_close(p);
        return cs_err_set(err, CS_FATAL, "kafka producer: %s", why);
    }
    p->port = (struct cs_bus_producer){.self = p,
                                       .send = send_record,
                                       .partitions = count_partitions,
                                       .flush = flush_all,
                                       .abandon = abandon_all};
    if (pthread_create(&p->thread, NULL, serve, p) != 0) {
        cs_kafka_producer_close(p);
        return cs_err_set(err, CS_FATAL, "kafka producer: no thread");
    }
    p->thread_started = true;
    *out = p;
    return CS_OK;
}

void cs_kafka_producer_close(struct cs_kafka_producer *p)
{
    if (p == NULL)
        return;
    if (p->rk != NULL)
        rd_kafka_flush(p->rk, 10000);
    atomic_store(&p->stop, true);
    if (p->thread_started)
        pthread_join(p->thread, NULL);
    if (p->rk != NULL) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(p->rk, 0); /* the purged ones hear about it */
        rd_kafka_destroy(p->rk);
    }
    pthread_mutex_destroy(&p->lock);
    cs_free(p);
}

void cs_kafka_producer_freep(struct cs_kafka_producer **p)
{
    cs_kafka_producer_close(*p);
    *p = NULL;
}

const struct cs_bus_producer *cs_kafka_producer_port(struct cs_kafka_producer *p)
{
    return &p->port;
}

enum cs_rc cs_kafka_producer_ping(struct cs_kafka_producer *p, int timeout_ms, struct cs_err *err)
{
    const rd_kafka_metadata_t *md = NULL;
    const rd_kafka_resp_err_t e = rd_kafka_metadata(p->rk, 0, NULL, &md, timeout_ms);
    if (md != NULL)
        rd_kafka_metadata_destroy(md);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, CS_RETRY, "kafka does not answer: %s", rd_kafka_err2str(e));
    return CS_OK;
}

enum cs_rc cs_kafka_producer_end(struct cs_kafka_producer *p, const char *topic, int partition,
                                 int64_t *end, struct cs_err *err)
{
    int64_t low = 0;
    const rd_kafka_resp_err_t e =
        rd_kafka_query_watermark_offsets(p->rk, topic, partition, &low, end, METADATA_TIMEOUT_MS);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, kafka_rc(e), "offsets of %s/%d: %s", topic, partition,
                          rd_kafka_err2str(e));
    return CS_OK;
}
