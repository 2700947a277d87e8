/* The auditor's thread: finds the topics, reads every partition from its own offsets, commits each
 * batch to the log, republishes. SPDX-License-Identifier: Apache-2.0 */
#include "auditor.h"
#include "blobs.h"
#include "leaf.h"

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tlog/record.h"

#include <string.h>
#include <time.h>

enum {
    POLL_RECORDS = 2048,
    POLL_MS = 250,
    TOPICS_MS = 10000,
    BLOBS_MS = 2000,
    PARTITIONS = 4096,
    BACKOFF_MS = 1000
};

static bool is_source(const char *topic)
{
    return strcmp(topic, "cs.audit") != 0 && strcmp(topic, "cs.leases") != 0;
}

/* The partitions there are now. */
struct found {
    struct cs_bus_position *positions;
    char (*names)[STATE_TOPIC];
    size_t n;
    bool too_many;
};

static void found_topic(void *ctx, const char *topic, int partitions)
{
    struct found *f = ctx;
    if (!is_source(topic) || strlen(topic) >= STATE_TOPIC)
        return;
    for (int i = 0; i < partitions; i++) {
        if (f->n == PARTITIONS) {
            f->too_many = true;
            return;
        }
        memcpy(f->names[f->n], topic, strlen(topic) + 1);
        f->positions[f->n] = (struct cs_bus_position){.topic = f->names[f->n], .partition = i};
        f->n++;
    }
}

static void found_done(struct found *f)
{
    cs_free(f->positions);
    cs_free(f->names);
}

static enum cs_rc find_topics(struct auditor *a, struct found *f, struct cs_err *err)
{
    f->positions = cs_calloc(PARTITIONS, sizeof(*f->positions));
    f->names = cs_calloc(PARTITIONS, sizeof(*f->names));
    if (f->positions == NULL || f->names == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for partitions");
    CS_TRY(cs_kafka_topics(&a->kafka, "cs.", found_topic, f, err));
    if (f->too_many)
        return cs_err_set(err, CS_FATAL, "more than %d partitions", PARTITIONS);
    return f->n > 0 ? CS_OK : cs_err_set(err, CS_RETRY, "Kafka has none of our topics yet");
}

/* Kafka must still have what follows the log; if it was replaced or set back, going on would record
 * other events under offsets that the log has already. */
static enum cs_rc check_kafka(struct auditor *a, const struct found *f, struct cs_err *err)
{
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(a->consumer);
    for (size_t i = 0; i < f->n; i++) {
        int64_t low = 0;
        int64_t high = 0;
        const struct cs_bus_position *p = &f->positions[i];
        if (p->start != CS_BUS_OFFSET)
            continue;
        CS_TRY(c->watermarks(c->self, p->topic, p->partition, &low, &high, err));
        if (CS_GUARD("audit-kafka-rewound") && high < p->offset)
            return cs_err_code(err, CS_FATAL, "auditor.kafka_rewound",
                               "%s/%d ends at offset %lld, the log has it up to %lld: Kafka was "
                               "replaced or set back",
                               p->topic, p->partition, (long long)high, (long long)p->offset);
        if (low > p->offset)
            cs_log_error("audit.gap", CS_KS("topic", p->topic), CS_KI("partition", p->partition),
                         CS_KI("from", p->offset), CS_KI("to", low),
                         CS_KS("msg", "Kafka deleted records before they were logged"));
    }
    return CS_OK;
}

static enum cs_rc assign(struct auditor *a, struct found *f, struct cs_err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        struct cs_bus_position *p = &f->positions[i];
        const struct state_offset *o = state_find(store_state(a->store), p->topic, p->partition);
        p->start = o == NULL ? CS_BUS_BEGINNING : CS_BUS_OFFSET;
        p->offset = o == NULL ? 0 : o->next;
    }
    cs_kafka_consumer_freep(&a->consumer);
    CS_TRY(cs_kafka_consumer_assign(&a->kafka, f->positions, f->n, &a->consumer, err));
    const enum cs_rc rc = check_kafka(a, f, err);
    if (rc != CS_OK) {
        cs_kafka_consumer_freep(&a->consumer);
        return rc;
    }
    a->n_partitions = f->n;
    cs_log_info("kafka.assigned", CS_KI("partitions", f->n));
    return CS_OK;
}

/* New topics and partitions are read from their beginning. */
static enum cs_rc follow_topics(struct auditor *a, struct cs_err *err)
{
    struct found f = {0};
    const int64_t now = cs_monotonic_ms();
    if (a->consumer != NULL && now - a->topics_checked_ms < TOPICS_MS)
        return CS_OK;
    a->topics_checked_ms = now;
    enum cs_rc rc = find_topics(a, &f, err);
    if (rc == CS_OK && (a->consumer == NULL || f.n != a->n_partitions))
        rc = assign(a, &f, err);
    found_done(&f);
    return rc;
}

static void want_blobs(struct auditor *a, const struct cs_record *r)
{
    char names[2][STATE_BLOB];
    const size_t n = leaf_blobs(r, a->arena, names);
    for (size_t i = 0; i < n; i++) {
        struct cs_err err = {0};
        if (blobs_copy(a->blobs, a->store, names[i], &err) != CS_OK)
            cs_ignore(state_want(store_state(a->store), names[i], cs_now_ms(), &err),
                      "verifying will name the event that lacks it");
    }
}

/* Exactly once: a record below the partition's next offset is in the log already. */
static enum cs_rc take(struct auditor *a, const struct cs_record *r, struct cs_err *err)
{
    struct state_offset *o = NULL;
    struct cs_bytes entry;
    CS_TRY(state_offset(store_state(a->store), r->topic, r->partition, &o, err));
    if (CS_GUARD("audit-repeat") && r->offset < o->next)
        return CS_OK;
    if (r->offset > o->next) {
        cs_metric_add("cs_audit_gaps_total", 1);
        cs_log_error("audit.gap", CS_KS("topic", r->topic), CS_KI("partition", r->partition),
                     CS_KI("from", o->next), CS_KI("to", r->offset));
    }
    cs_arena_reset(a->arena);
    CS_TRY(cs_log_entry_encode(r, a->arena, &entry, err));
    CS_TRY(store_add(a->store, entry, err));
    o->next = r->offset + 1;
    want_blobs(a, r);
    return CS_OK;
}

static enum cs_rc read_batch(struct auditor *a, size_t *n, struct cs_err *err)
{
    static struct cs_record records[POLL_RECORDS];
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(a->consumer);
    CS_TRY(c->poll(c->self, records, POLL_RECORDS, POLL_MS, n, err));
    for (size_t i = 0; i < *n; i++) {
        if (take(a, &records[i], err) != CS_OK)
            return cs_err_code(err, CS_FATAL, "auditor.append",
                               "appending %s/%d/%lld failed: %.300s", records[i].topic,
                               records[i].partition, (long long)records[i].offset, err->msg);
    }
    if (*n == 0)
        return CS_OK;
    /* A half-written commit is finished by beginning again from the state. */
    if (store_commit(a->store, err) != CS_OK)
        return cs_err_code(err, CS_FATAL, "auditor.commit", "writing the log failed: %.300s",
                           err->msg);
    a->state_dirty = false;
    cs_metric_add("cs_audit_leaves_total", (int64_t)*n);
    return CS_OK;
}

/* What is not urgent: blobs that were late, cs.audit, the state that tells of both. */
static void catch_up(struct auditor *a, bool idle)
{
    struct cs_err err = {0};
    bool changed = false;
    const int64_t now = cs_monotonic_ms();
    if (now - a->blobs_tried_ms >= BLOBS_MS) {
        a->blobs_tried_ms = now;
        a->state_dirty |= blobs_retry(a->blobs, a->store, cs_now_ms());
    }
    const enum cs_rc rc = republish_step(a->republish, &changed, &err);
    a->state_dirty |= changed;
    cs_app_check(a->app, "republish", rc == CS_OK, err.msg);
    if (idle && a->state_dirty && store_save_state(a->store, &err) == CS_OK)
        a->state_dirty = false;
    cs_metric_set("cs_audit_size", (int64_t)store_published(a->store));
    cs_metric_set("cs_audit_republished", (int64_t)store_state(a->store)->republished);
    cs_metric_set("cs_audit_blobs_wanted", (int64_t)store_state(a->store)->n_wanted);
}

static void pause_ms(const struct auditor *a, int64_t ms)
{
    const int64_t end = cs_monotonic_ms() + ms;
    const struct timespec step = {.tv_nsec = 50000000};
    while (!atomic_load(&a->stop) && cs_monotonic_ms() < end)
        nanosleep(&step, NULL);
}

void *auditor_run(void *arg)
{
    struct auditor *a = arg;
    while (!atomic_load(&a->stop)) {
        struct cs_err err = {0};
        size_t n = 0;
        enum cs_rc rc = follow_topics(a, &err);
        if (a->consumer != NULL && rc != CS_FATAL)
            rc = read_batch(a, &n, &err);
        cs_app_check(a->app, "kafka", rc == CS_OK, rc == CS_OK ? "" : err.msg);
        if (rc == CS_FATAL) {
            cs_app_fail(a->app, &err);
            break;
        }
        catch_up(a, n == 0);
        if (rc != CS_OK)
            pause_ms(a, BACKOFF_MS);
    }
    return NULL;
}
