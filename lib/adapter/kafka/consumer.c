/* Consumers: members of a group, or explicit positions. Offsets move only when commit() says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HELD_MAX = 4096, QUERY_TIMEOUT_MS = 5000 };

struct cs_kafka_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct cs_bus_rebalance rb;
    bool fenced;
    rd_kafka_message_t *held[HELD_MAX]; /* what the last poll lent out */
    size_t n_held;
    int event_fd;
    struct cs_bus_consumer port;
};

static int64_t start_offset(const struct cs_bus_position *p)
{
    switch (p->start) {
    case CS_BUS_BEGINNING:
        return RD_KAFKA_OFFSET_BEGINNING;
    case CS_BUS_END:
        return RD_KAFKA_OFFSET_END;
    case CS_BUS_OFFSET:
        return p->offset;
    case CS_BUS_COMMITTED:
        break;
    }
    return RD_KAFKA_OFFSET_STORED;
}

/* Lets the owner say where each partition starts; returns the positions it was shown. */
static void tell_assigned(struct cs_kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    struct cs_bus_position *ps = cs_calloc((size_t)list->cnt, sizeof(*ps));
    if (ps == NULL)
        return;
    for (int i = 0; i < list->cnt; i++)
        ps[i] = (struct cs_bus_position){.topic = list->elems[i].topic,
                                         .partition = list->elems[i].partition};
    if (c->rb.assigned != NULL)
        c->rb.assigned(c->rb.ctx, ps, (size_t)list->cnt);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = start_offset(&ps[i]);
    cs_free(ps);
}

static void tell_revoked(struct cs_kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    struct cs_bus_position *ps = cs_calloc((size_t)list->cnt, sizeof(*ps));
    if (ps == NULL)
        return;
    for (int i = 0; i < list->cnt; i++)
        ps[i] = (struct cs_bus_position){.topic = list->elems[i].topic,
                                         .partition = list->elems[i].partition};
    if (c->rb.revoked != NULL)
        c->rb.revoked(c->rb.ctx, ps, (size_t)list->cnt, rd_kafka_assignment_lost(c->rk) != 0);
    cs_free(ps);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t e,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct cs_kafka_consumer *c = opaque;
    if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        tell_assigned(c, list);
        rd_kafka_assign(rk, list);
    } else {
        tell_revoked(c, list);
        rd_kafka_assign(rk, NULL);
    }
}

static void release(struct cs_kafka_consumer *c)
{
    for (size_t i = 0; i < c->n_held; i++)
        rd_kafka_message_destroy(c->held[i]);
    c->n_held = 0;
}

static struct cs_record record_of(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t kind;
    return (struct cs_record){.topic = rd_kafka_topic_name(m->rkt),
                              .partition = m->partition,
                              .offset = m->offset,
                              .timestamp_ms = rd_kafka_message_timestamp(m, &kind),
                              .key = cs_bytes(m->key, m->key_len),
                              .value = cs_bytes(m->payload, m->len)};
}

/* CS_OK: keep the message. CS_NOT_FOUND: nothing to keep. Else the bus's trouble. */
static enum cs_rc sort_out(struct cs_kafka_consumer *c, const rd_kafka_message_t *m,
                           struct cs_err *err)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return CS_OK;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return CS_NOT_FOUND;
    const enum cs_rc rc = kafka_rc(m->err);
    if (rc == CS_FATAL) {
        c->fenced = true;
        return cs_err_set(err, CS_FATAL, "kafka: %s", rd_kafka_message_errstr(m));
    }
    cs_log_debug("kafka.consumer", CS_KS("msg", rd_kafka_message_errstr(m)));
    return CS_NOT_FOUND;
}

static void drain_event_fd(const struct cs_kafka_consumer *c)
{
    uint64_t n = 0;
    if (read(c->event_fd, &n, sizeof(n)) < 0)
        return; /* nothing signalled */
}

static enum cs_rc poll_records(void *self, struct cs_record *out, size_t max, int timeout_ms,
                               size_t *n, struct cs_err *err)
{
    struct cs_kafka_consumer *c = self;
    release(c);
    *n = 0;
    if (c->fenced)
        return cs_err_set(err, CS_FATAL, "kafka: this member was fenced");
    drain_event_fd(c);
    if (max > HELD_MAX)
        max = HELD_MAX;
    while (c->n_held < max) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, c->n_held == 0 ? timeout_ms : 0);
        if (m == NULL)
            break;
        const enum cs_rc rc = sort_out(c, m, err);
        if (rc == CS_OK) {
            out[c->n_held] = record_of(m);
            c->held[c->n_held++] = m;
            continue;
        }
        rd_kafka_message_destroy(m);
        if (rc == CS_FATAL)
            return rc;
        timeout_ms = 0;
    }
    *n = c->n_held;
    /* More may be waiting than max: keep the descriptor readable. */
    const uint64_t one = 1;
    if (c->n_held == max && write(c->event_fd, &one, sizeof(one)) < 0)
        return CS_OK;
    return CS_OK;
}

static enum cs_rc commit_next(void *self, const char *topic, int partition, int64_t next,
                              struct cs_err *err)
{
    struct cs_kafka_consumer *c = self;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = next;
    const rd_kafka_resp_err_t e = rd_kafka_commit(c->rk, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, kafka_rc(e), "commit %s/%d: %s", topic, partition,
                          rd_kafka_err2str(e));
    return CS_OK;
}

static enum cs_rc query_watermarks(void *self, const char *topic, int partition, int64_t *low,
                                   int64_t *high, struct cs_err *err)
{
    struct cs_kafka_consumer *c = self;
    const rd_kafka_resp_err_t e =
        rd_kafka_query_watermark_offsets(c->rk, topic, partition, low, high, QUERY_TIMEOUT_MS);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, kafka_rc(e), "offsets of %s/%d: %s", topic, partition,
                          rd_kafka_err2str(e));
    return CS_OK;
}

static enum cs_rc seek_to(void *self, const char *topic, int partition, int64_t offset,
                          struct cs_err *err)
{
    struct cs_kafka_consumer *c = self;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_error_t *e = rd_kafka_seek_partitions(c->rk, list, QUERY_TIMEOUT_MS);
    enum cs_rc rc = CS_OK;
    if (e != NULL)
        rc =
            cs_err_set(err, CS_RETRY, "seek %s/%d: %s", topic, partition, rd_kafka_error_string(e));
    else if (list->elems[0].err != 0)
        rc = cs_err_set(err, CS_RETRY, "seek %s/%d: %s", topic, partition,
                        rd_kafka_err2str(list->elems[0].err));
    if (e != NULL)
        rd_kafka_error_destroy(e);
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

static int event_fd(void *self)
{
    return ((struct cs_kafka_consumer *)self)->event_fd;
}

static enum cs_rc consumer_settings(rd_kafka_conf_t *conf, const struct cs_kafka_options *o,
                                    struct cs_err *err)
{
    CS_TRY(kafka_set(conf, "enable.auto.commit", "false", err));
    CS_TRY(kafka_set(conf, "enable.auto.offset.store", "false", err));
    CS_TRY(kafka_set(conf, "auto.offset.reset", "earliest", err));
    CS_TRY(kafka_set(conf, "fetch.wait.max.ms", "250", err));
    CS_TRY(kafka_set(conf, "fetch.error.backoff.ms", "100", err));
    /* range: partitions with one number stay together; cooperative-sticky costs seconds here. */
    CS_TRY(kafka_set(conf, "partition.assignment.strategy", "range", err));
    CS_TRY(kafka_set(conf, "group.id", o->group != NULL ? o->group : "none", err));
    if (o->session_timeout_ms > 0) {
        CS_TRY(kafka_set_int(conf, "session.timeout.ms", o->session_timeout_ms, err));
        CS_TRY(kafka_set_int(conf, "heartbeat.interval.ms", o->session_timeout_ms / 4, err));
    }
    if (o->instance != NULL)
        CS_TRY(kafka_set(conf, "group.instance.id", o->instance, err));
    return CS_OK;
}

static enum cs_rc consumer_new(const struct cs_kafka_options *o, const struct cs_bus_rebalance *rb,
                               struct cs_kafka_consumer **out, struct cs_err *err)
{
    char why[256];
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(kafka_conf(o, &conf, err));
    const enum cs_rc rc = consumer_settings(conf, o, err);
    struct cs_kafka_consumer *c = rc == CS_OK ? cs_calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        rd_kafka_conf_destroy(conf);
        return rc != CS_OK ? rc : cs_err_set(err, CS_NOMEM, "no memory");
    }
    c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (rb != NULL)
        c->rb = *rb;
    rd_kafka_conf_set_opaque(conf, c);
    if (o->group != NULL)
        rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (c->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        cs_kafka_consumer_close(c);
        return cs_err_set(err, CS_FATAL, "kafka consumer: %s", why);
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(c->queue, c->event_fd, &one, sizeof(one));
    c->port = (struct cs_bus_consumer){.self = c,
                                       .poll = poll_records,
                                       .commit = commit_next,
                                       .watermarks = query_watermarks,
                                       .seek = seek_to,
                                       .fd = event_fd};
    *out = c;
    return CS_OK;
}

enum cs_rc cs_kafka_consumer_join(const struct cs_kafka_options *o, const char *const *topics,
                                  size_t n, const struct cs_bus_rebalance *rb,
                                  struct cs_kafka_consumer **out, struct cs_err *err)
{
    struct cs_kafka_consumer *c = NULL;
    CS_TRY(consumer_new(o, rb, &c, err));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t e = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        cs_kafka_consumer_close(c);
        return cs_err_set(err, kafka_rc(e), "subscribe: %s", rd_kafka_err2str(e));
    }
    *out = c;
    return CS_OK;
}

enum cs_rc cs_kafka_consumer_assign(const struct cs_kafka_options *o,
                                    const struct cs_bus_position *positions, size_t n,
                                    struct cs_kafka_consumer **out, struct cs_err *err)
{
    struct cs_kafka_options mine = *o;
    struct cs_kafka_consumer *c = NULL;
    mine.group = NULL;
    mine.instance = NULL;
    CS_TRY(consumer_new(&mine, NULL, &c, err));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)
            ->offset = start_offset(&positions[i]);
    const rd_kafka_resp_err_t e = rd_kafka_assign(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        cs_kafka_consumer_close(c);
        return cs_err_set(err, kafka_rc(e), "assign: %s", rd_kafka_err2str(e));
    }
    *out = c;
    return CS_OK;
}

void cs_kafka_consumer_close(struct cs_kafka_consumer *c)
{
    if (c == NULL)
        return;
    release(c);
    if (c->rk != NULL) {
        rd_kafka_consumer_close(c->rk);
        if (c->queue != NULL)
            rd_kafka_queue_destroy(c->queue);
        rd_kafka_destroy(c->rk);
    }
    if (c->event_fd >= 0)
        close(c->event_fd);
    cs_free(c);
}

void cs_kafka_consumer_freep(struct cs_kafka_consumer **c)
{
    cs_kafka_consumer_close(*c);
    *c = NULL;
}

const struct cs_bus_consumer *cs_kafka_consumer_port(struct cs_kafka_consumer *c)
{
    return &c->port;
}
