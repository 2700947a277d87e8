/* Transactions; see apply.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "batch.h"

#include <string.h>

enum { INBOX_DAYS = 14 };

struct poison {
    bool is[SCHED_RECORDS];
    struct cs_err why[SCHED_RECORDS];
};

struct source {
    const char *topic;
    enum cs_rc (*apply)(struct batch *b, const struct cs_event *e, int partition,
                        struct cs_err *err);
};
static const struct source sources[] = {
    {"cs.commands", commands_apply}, {"cs.results", results_apply}, {"cs.notices", notices_apply}};

static bool will_never_do(enum cs_rc rc)
{
    return rc == CS_INVALID || rc == CS_DENIED || rc == CS_NOT_FOUND || rc == CS_LIMIT ||
           rc == CS_EXISTS;
}

static enum cs_rc apply_event(struct batch *b, const struct cs_record *r, struct cs_err *err)
{
    struct cs_event e;
    bool again = false;
    CS_TRY(cs_open(b->s->opener, r->value, r->topic, r->partition, b->a, &e, err));
    CS_TRY(store_seen(b, e.header->event_id, r->partition, &again, err));
    if (again)
        return CS_OK;
    b->cause = e.header->event_id;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (strcmp(sources[i].topic, r->topic) == 0)
            return sources[i].apply(b, &e, r->partition, err);
    }
    return CS_OK;
}

static bool is_mine(const struct sched *s, const struct cs_record *r)
{
    return r->partition >= 0 && r->partition < SCHED_PARTITIONS && s->owned[r->partition].mine;
}

static enum cs_rc check_owners(struct batch *b, const struct cs_record *records, size_t n,
                               struct cs_err *err)
{
    bool checked[SCHED_PARTITIONS] = {false};
    for (size_t i = 0; i < n; i++) {
        if (!is_mine(b->s, &records[i]) || checked[records[i].partition])
            continue;
        CS_TRY(store_check_owner(b, records[i].partition, err));
        checked[records[i].partition] = true;
    }
    return CS_OK;
}

/* Only the last record of a partition moves its offset. */
static bool is_last(const struct cs_record *records, size_t n, size_t i)
{
    for (size_t k = i + 1; k < n; k++) {
        if (records[k].partition == records[i].partition &&
            strcmp(records[k].topic, records[i].topic) == 0)
            return false;
    }
    return true;
}

static enum cs_rc finish(struct batch *b, struct cs_err *err)
{
    CS_TRY(store_save_requests(b, err));
    if (b->dispatch_due) {
        CS_TRY(dispatch_run(b, err));
        CS_TRY(store_save_requests(b, err));
    }
    return store_save_outbox(b, err);
}

static enum cs_rc apply_all(struct batch *b, const struct cs_record *records, size_t n,
                            struct poison *poison, size_t *at, struct cs_err *err)
{
    CS_TRY(check_owners(b, records, n, err));
    for (size_t i = 0; i < n; i++) {
        const struct cs_record *r = &records[i];
        *at = i;
        if (!is_mine(b->s, r))
            continue;
        CS_TRY(poison->is[i] ? store_quarantine(b, r, &poison->why[i], err)
                             : apply_event(b, r, err));
        if (is_last(records, n, i))
            CS_TRY(store_offset(b, r->topic, r->partition, r->offset + 1, err));
    }
    *at = n;
    return finish(b, err);
}

static enum cs_rc commit(struct batch *b, enum cs_rc rc, struct cs_err *err)
{
    if (rc == CS_OK)
        rc = cs_db_commit(b->s->db, err);
    if (rc != CS_OK) {
        cs_db_rollback(b->s->db);
        return rc;
    }
    for (size_t i = 0; i < b->s->n_sequences; i++)
        b->s->sequences[i].kept = b->s->sequences[i].next;
    return CS_OK;
}

enum cs_rc apply_records(struct sched *s, const struct cs_record *records, size_t n,
                         struct cs_err *err)
{
    static struct poison poison; /* one thread */
    memset(&poison, 0, sizeof(poison));
    for (size_t tries = 0; tries <= n; tries++) {
        struct batch b;
        size_t at = n;
        batch_begin(&b, s);
        CS_TRY(cs_db_begin(s->db, err));
        const enum cs_rc rc = apply_all(&b, records, n, &poison, &at, err);
        if (rc == CS_OK || !will_never_do(rc) || at >= n || poison.is[at])
            return commit(&b, rc, err);
        /* Again, without it: whatever it began is undone. */
        cs_db_rollback(s->db);
        poison.is[at] = true;
        poison.why[at] = *err;
    }
    return cs_err_set(err, CS_FATAL, "a batch that cannot be applied");
}

/* Timers count from what was asked before them: nothing of the past may still be unread. */
static enum cs_rc caught_up(struct batch *b, int partition, bool *out, struct cs_err *err)
{
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(b->s->consumer);
    *out = false;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct cs_rows rows;
        int64_t low = 0;
        int64_t high = 0;
        const struct cs_value v[] = {CS_VT(sources[i].topic), CS_VI(partition)};
        CS_TRY(c->watermarks(c->self, sources[i].topic, partition, &low, &high, err));
        CS_TRY(cs_db_query(
            b->s->db, "SELECT next_offset FROM consumed_offsets WHERE topic=? AND partition_no=?",
            v, 2, b->a, &rows, err));
        const int64_t next = rows.rows == 1 ? cs_cell_int(&rows, 0, 0) : 0;
        if (CS_GUARD("scheduler-timer-order") && next < high && low < high)
            return CS_OK;
    }
    *out = true;
    return CS_OK;
}

static enum cs_rc due_requests(struct batch *b, int partition, struct cs_rows *rows,
                               struct cs_err *err)
{
    const struct cs_value v[] = {CS_VI(partition), CS_VI(b->now_ms), CS_VI(partition)};
    return cs_db_query(
        b->s->db,
        "(SELECT request_id FROM requests WHERE partition_no=? AND timer_at_ms<=? LIMIT 100) UNION "
        "(SELECT r.request_id FROM requests r JOIN config_revisions c ON c.entity_id=r.policy_id "
        "AND c.is_head WHERE r.state=4 AND r.partition_no=? AND c.revision>r.policy_revision "
        "LIMIT 100)",
        v, 3, b->a, rows, err);
}

static enum cs_rc partition_timers(struct batch *b, int partition, struct cs_err *err)
{
    struct cs_rows rows;
    bool ready = false;
    CS_TRY(due_requests(b, partition, &rows, err));
    if (rows.rows == 0)
        return CS_OK;
    CS_TRY(store_check_owner(b, partition, err));
    CS_TRY(caught_up(b, partition, &ready, err));
    for (size_t i = 0; ready && i < rows.rows; i++) {
        struct request *q = NULL;
        CS_TRY(batch_request(b, cs_cell_text(&rows, i, 0), &q, err));
        if (q != NULL)
            CS_TRY(timers_apply(b, q, err));
    }
    return CS_OK;
}

static enum cs_rc sweep_inbox(struct batch *b, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VI(b->now_ms - (int64_t)INBOX_DAYS * 24 * 3600 * 1000)};
    return cs_db_exec(b->s->db, "DELETE FROM inbox WHERE at_ms<? LIMIT 1000", v, 1, NULL, err);
}

static enum cs_rc timers(struct batch *b, struct cs_err *err)
{
    for (int p = 0; p < SCHED_PARTITIONS; p++) {
        if (b->s->owned[p].mine)
            CS_TRY(partition_timers(b, p, err));
    }
    b->dispatch_due = b->dispatch_due || b->s->backlog;
    CS_TRY(sweep_inbox(b, err));
    return finish(b, err);
}

enum cs_rc apply_timers(struct sched *s, struct cs_err *err)
{
    struct batch b;
    batch_begin(&b, s);
    CS_TRY(cs_db_begin(s->db, err));
    return commit(&b, timers(&b, err), err);
}
