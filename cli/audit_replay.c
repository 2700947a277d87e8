/* Replay; see audit_replay.h. Leaf hashes of every record are kept, 40 bytes each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_replay.h"

#include "adapter/kafka/kafka.h"
#include "audit_open.h"
#include "audit_table.h"
#include "base/clock.h"
#include "base/guard.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"
#include "tlog/edge.h"
#include "tlog/record.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum {
    POLL = 1024,
    POLL_MS = 500,
    QUIET_MS = 15000, /* nothing came for so long: nothing will */
    PARTITIONS = 4096,
    KEY = 320,
    AHEAD = 100000, /* leaves that came before their turn */
    ARENA = 8 << 20
};

/* One record of the log: where it stands, what it hashes to. */
struct noted {
    int64_t offset;
    uint64_t leaf;
    struct cs_hash hash;
};

/* The records of one partition, in the order of the log. */
struct source {
    char topic[128];
    int partition;
    struct noted *noted;
    size_t n;
    size_t cap;
    size_t next; /* the one to compare next */
    int64_t low;
    bool done;
};

struct replay {
    struct audit_report *report;
    struct cs_kafka_options kafka;
    struct cs_arena *arena;
    struct cs_tlog_head head;
    struct cs_tlog_edge edge;
    struct audit_table *ahead;   /* index -> entry that came too early */
    struct audit_table *by_name; /* topic/partition -> its place in sources */
    struct source *sources;
    size_t n_sources;
    uint64_t compared;
    uint64_t expired;
};

struct early {
    uint8_t *bytes;
    size_t len;
};

static enum cs_rc source_of(struct replay *r, const char *topic, int partition, struct source **out,
                            struct cs_err *err)
{
    char key[KEY];
    bool fresh = false;
    CS_TRY(cs_strf(key, sizeof(key), err, "%.250s/%d", topic, partition));
    size_t *at = audit_table_add(r->by_name, key, strlen(key), &fresh);
    if (at == NULL || r->n_sources == PARTITIONS)
        return cs_err_set(err, CS_LIMIT, "more than %d partitions", PARTITIONS);
    if (fresh) {
        *at = r->n_sources++;
        r->sources[*at].partition = partition;
        CS_TRY(cs_strf(r->sources[*at].topic, sizeof(r->sources[*at].topic), err, "%s", topic));
    }
    *out = &r->sources[*at];
    return CS_OK;
}

static enum cs_rc note(struct source *s, const struct noted *n, struct cs_err *err)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct noted *grown = cs_realloc(s->noted, cap, sizeof(*grown));
        if (grown == NULL)
            return cs_err_set(err, CS_NOMEM, "no memory for %zu records", cap);
        s->noted = grown;
        s->cap = cap;
    }
    s->noted[s->n++] = *n;
    return CS_OK;
}

/* The next leaf in order. */
static enum cs_rc take(struct replay *r, struct cs_bytes entry, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    struct source *s = NULL;
    const struct noted n = {.leaf = r->edge.size, .hash = cs_tlog_leaf(entry)};
    CS_TRY(cs_tlog_edge_append(&r->edge, &n.hash, NULL, err));
    cs_arena_reset(r->arena);
    if (cs_message_unpack(&cs__audit__log_entry__descriptor, entry, r->arena, &m, err) != CS_OK) {
        const struct audit_place where = {.has_leaf = true, .leaf = n.leaf};
        audit_finding(r->report, AUDIT_INTEGRITY, &where, "audit.entry",
                      "the leaf on cs.audit holds no log entry");
        return CS_OK;
    }
    const Cs__Audit__LogEntry *e = (const Cs__Audit__LogEntry *)m;
    CS_TRY(source_of(r, e->topic, e->partition, &s, err));
    struct noted mine = n;
    mine.offset = e->offset;
    return note(s, &mine, err);
}

static enum cs_rc keep_early(struct replay *r, uint64_t index, struct cs_bytes entry,
                             struct cs_err *err)
{
    bool fresh = false;
    if (audit_table_count(r->ahead) >= AHEAD)
        return cs_err_set(err, CS_LIMIT, "cs.audit is too much out of order");
    struct early *e = audit_table_add(r->ahead, &index, sizeof(index), &fresh);
    if (e == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (!fresh)
        return CS_OK;
    e->bytes = cs_memdup(entry.ptr, entry.len);
    e->len = entry.len;
    return e->bytes != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc take_early(struct replay *r, struct cs_err *err)
{
    for (;;) {
        const uint64_t index = r->edge.size;
        struct early *e =
            r->edge.size >= r->head.size ? NULL : audit_table_get(r->ahead, &index, sizeof(index));
        if (e == NULL)
            return CS_OK;
        const enum cs_rc rc = take(r, cs_bytes(e->bytes, e->len), err);
        cs_free(e->bytes);
        audit_table_remove(r->ahead, &index, sizeof(index));
        CS_TRY(rc);
    }
}

/* A record of cs.audit; repeats of an index are dropped. */
static enum cs_rc take_record(struct replay *r, const struct cs_record *record, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    cs_arena_reset(r->arena);
    if (cs_message_unpack(&cs__audit__leaf__descriptor, record->value, r->arena, &m, err) !=
        CS_OK) {
        const struct audit_place where = {
            .topic = record->topic, .partition = record->partition, .offset = record->offset};
        audit_finding(r->report, AUDIT_INTEGRITY, &where, "audit.leaf",
                      "a record that is no leaf: somebody else writes on cs.audit");
        return CS_OK;
    }
    const Cs__Audit__Leaf *l = (const Cs__Audit__Leaf *)m;
    const struct cs_bytes entry = cs_bytes(l->entry.data, l->entry.len);
    const uint64_t index = l->index;
    if (index < r->edge.size || index >= r->head.size)
        return CS_OK;
    if (index > r->edge.size)
        return keep_early(r, index, entry, err);
    /* The entry lies in the arena that take() empties. */
    CS_CLEANUP(cs_free_voidp) void *copy = cs_memdup(entry.ptr, entry.len);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(take(r, cs_bytes(copy, entry.len), err));
    return take_early(r, err);
}

static enum cs_rc read_order(struct replay *r, struct cs_err *err)
{
    static struct cs_record records[POLL];
    CS_AUTO(cs_kafka_consumer) consumer = NULL;
    const struct cs_bus_position from = {
        .topic = "cs.audit", .partition = 0, .start = CS_BUS_BEGINNING};
    CS_TRY(cs_kafka_consumer_assign(&r->kafka, &from, 1, &consumer, err));
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(consumer);
    int64_t heard_ms = cs_monotonic_ms();
    int64_t low = 0;
    int64_t high = 0;
    CS_TRY(c->watermarks(c->self, "cs.audit", 0, &low, &high, err));
    while (r->edge.size < r->head.size && cs_monotonic_ms() - heard_ms < QUIET_MS) {
        size_t n = 0;
        CS_TRY(c->poll(c->self, records, POLL, POLL_MS, &n, err));
        for (size_t i = 0; i < n; i++)
            CS_TRY(take_record(r, &records[i], err));
        if (n > 0)
            heard_ms = cs_monotonic_ms();
        audit_progress(r->report, "replay", r->edge.size, r->head.size);
    }
    return CS_OK;
}

static void judge_order(struct replay *r)
{
    const struct audit_place where = {.has_leaf = true, .leaf = r->edge.size};
    const struct cs_hash root = cs_tlog_edge_root(&r->edge);
    if (r->edge.size < r->head.size)
        audit_finding(r->report, AUDIT_INCOMPLETE, &where, "audit.replay_short",
                      "cs.audit lacks this leaf; the checkpoint covers %llu",
                      (unsigned long long)r->head.size);
    else if (CS_GUARD("audit-replay-root") && memcmp(root.b, r->head.root.b, sizeof(root.b)) != 0)
        audit_finding(r->report, AUDIT_INTEGRITY, NULL, "audit.replay_root",
                      "the leaves on cs.audit do not hash to the root that the checkpoint signs");
}

static struct audit_place place_of(const struct source *s, const struct noted *n)
{
    return (struct audit_place){.has_leaf = true,
                                .leaf = n->leaf,
                                .topic = s->topic,
                                .partition = s->partition,
                                .offset = n->offset};
}

/* A record of a source topic against the log: what Kafka has, and what it skipped. */
static enum cs_rc compare(struct replay *r, const struct cs_record *record, struct cs_err *err)
{
    struct source *s = NULL;
    struct cs_bytes entry;
    CS_TRY(source_of(r, record->topic, record->partition, &s, err));
    for (; s->next < s->n && s->noted[s->next].offset < record->offset; s->next++) {
        const struct audit_place where = place_of(s, &s->noted[s->next]);
        audit_finding(r->report, AUDIT_INCOMPLETE, &where, "audit.kafka_lost",
                      "Kafka no longer has this record, though it is younger than its oldest");
    }
    s->done = s->next >= s->n;
    if (s->done || s->noted[s->next].offset != record->offset)
        return CS_OK;
    const struct noted *n = &s->noted[s->next++];
    cs_arena_reset(r->arena);
    CS_TRY(cs_log_entry_encode(record, r->arena, &entry, err));
    const struct cs_hash hash = cs_tlog_leaf(entry);
    const struct audit_place where = place_of(s, n);
    if (CS_GUARD("audit-replay-source") && memcmp(hash.b, n->hash.b, sizeof(hash.b)) != 0)
        audit_finding(r->report, AUDIT_INTEGRITY, &where, "audit.kafka_differs",
                      "Kafka has other bytes at this place than the log");
    r->compared++;
    s->done = s->next >= s->n;
    return CS_OK;
}

/* Where Kafka still begins; what lies below has expired. */
static enum cs_rc begin_source(struct replay *r, const struct cs_bus_consumer *c, struct source *s,
                               struct cs_err *err)
{
    int64_t high = 0;
    const enum cs_rc rc = c->watermarks(c->self, s->topic, s->partition, &s->low, &high, err);
    if (rc == CS_RETRY)
        return rc;
    if (rc != CS_OK)
        s->low = INT64_MAX; /* the topic itself is gone */
    while (s->next < s->n && s->noted[s->next].offset < s->low) {
        s->next++;
        r->expired++;
    }
    s->done = s->next >= s->n;
    return CS_OK;
}

static bool all_done(const struct replay *r)
{
    for (size_t i = 0; i < r->n_sources; i++) {
        if (!r->sources[i].done)
            return false;
    }
    return true;
}

static enum cs_rc read_sources(struct replay *r, const struct cs_bus_consumer *c,
                               struct cs_err *err)
{
    static struct cs_record records[POLL];
    int64_t heard_ms = cs_monotonic_ms();
    for (size_t i = 0; i < r->n_sources; i++)
        CS_TRY(begin_source(r, c, &r->sources[i], err));
    while (!all_done(r) && cs_monotonic_ms() - heard_ms < QUIET_MS) {
        size_t n = 0;
        CS_TRY(c->poll(c->self, records, POLL, POLL_MS, &n, err));
        for (size_t i = 0; i < n; i++)
            CS_TRY(compare(r, &records[i], err));
        if (n > 0)
            heard_ms = cs_monotonic_ms();
        audit_progress(r->report, "comparing", r->compared, r->head.size);
    }
    return CS_OK;
}

static void judge_sources(struct replay *r)
{
    for (size_t i = 0; i < r->n_sources; i++) {
        const struct source *s = &r->sources[i];
        if (s->done)
            continue;
        const struct audit_place where = place_of(s, &s->noted[s->next]);
        audit_finding(r->report, AUDIT_INCOMPLETE, &where, "audit.kafka_short",
                      "Kafka ends before this record, which the log has");
    }
    audit_fact(r->report, "compared", "%llu records with their source topics: same bytes",
               (unsigned long long)r->compared);
    if (r->expired > 0)
        audit_fact(r->report, "expired", "%llu records that Kafka no longer keeps",
                   (unsigned long long)r->expired);
}

static enum cs_rc compare_sources(struct replay *r, struct cs_err *err)
{
    CS_AUTO(cs_kafka_consumer) consumer = NULL;
    CS_CLEANUP(cs_free_voidp) void *mem = cs_calloc(PARTITIONS, sizeof(struct cs_bus_position));
    struct cs_bus_position *from = mem;
    if (from == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (r->n_sources == 0)
        return CS_OK;
    for (size_t i = 0; i < r->n_sources; i++)
        from[i] = (struct cs_bus_position){.topic = r->sources[i].topic,
                                           .partition = r->sources[i].partition,
                                           .start = CS_BUS_BEGINNING};
    CS_TRY(cs_kafka_consumer_assign(&r->kafka, from, r->n_sources, &consumer, err));
    CS_TRY(read_sources(r, cs_kafka_consumer_port(consumer), err));
    judge_sources(r);
    return CS_OK;
}

static void free_early(void *ctx, const void *key, size_t len, void *value)
{
    (void)ctx;
    (void)key;
    (void)len;
    cs_free(((struct early *)value)->bytes);
}

static void replay_free(struct replay *r)
{
    if (r->ahead != NULL)
        audit_table_each(r->ahead, free_early, NULL);
    audit_table_free(r->ahead);
    audit_table_free(r->by_name);
    for (size_t i = 0; r->sources != NULL && i < r->n_sources; i++)
        cs_free(r->sources[i].noted);
    cs_free(r->sources);
    cs_arena_free(r->arena);
    cs_free(r);
}

static enum cs_rc run(struct replay *r, struct cs_err *err)
{
    if (r->ahead == NULL || r->by_name == NULL || r->sources == NULL || r->arena == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(read_order(r, err));
    judge_order(r);
    return compare_sources(r, err);
}

enum cs_rc audit_replay(const struct audit_question *q, const char *bootstrap,
                        struct audit_report *report, struct cs_err *err)
{
    struct cs_tlog_head head;
    CS_TRY(audit_head(q, report, &head, err));
    if (audit_findings(report, AUDIT_INTEGRITY) > 0)
        return CS_OK;
    struct replay *r = cs_calloc(1, sizeof(*r));
    if (r == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    r->report = report;
    r->head = head;
    r->kafka =
        (struct cs_kafka_options){.bootstrap = bootstrap, .client_id = "countersign-audit-replay"};
    r->ahead = audit_table_new(sizeof(struct early));
    r->by_name = audit_table_new(sizeof(size_t));
    r->sources = cs_calloc(PARTITIONS, sizeof(*r->sources));
    r->arena = cs_arena_new(ARENA);
    const enum cs_rc rc = run(r, err);
    replay_free(r);
    return rc;
}
