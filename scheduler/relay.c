/* Outbox to Kafka: in order, at least once; a row goes when every in-sync replica has it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "scheduler.h"

#include <pthread.h>
#include <time.h>

enum { ROWS = 500 };

/* Shared with the acknowledgements' thread; the lock guards all of it. */
struct sent {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    unsigned missing;
    unsigned failed;
};

static void sent_init(struct sent *s)
{
    pthread_condattr_t attr;
    *s = (struct sent){.missing = 0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->answered, &attr);
    pthread_condattr_destroy(&attr);
}

static void sent_done(struct sent *s)
{
    pthread_cond_destroy(&s->answered);
    pthread_mutex_destroy(&s->lock);
}

static void acknowledged(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    struct sent *s = ctx;
    (void)offset;
    if (rc != CS_OK)
        cs_log_warn("relay.failed", CS_KS("detail", detail));
    pthread_mutex_lock(&s->lock);
    s->failed += rc != CS_OK;
    s->missing--;
    pthread_cond_signal(&s->answered);
    pthread_mutex_unlock(&s->lock);
}

static void expect(struct sent *s, bool one)
{
    pthread_mutex_lock(&s->lock);
    s->missing += one ? 1U : -1U;
    pthread_mutex_unlock(&s->lock);
}

/* The acknowledgements refer to the caller's frame: all of them are waited for. Once one has failed
 * the rest is given up, so that nothing behind it overtakes it. */
static void await_all(struct sched *s, struct sent *sent)
{
    bool abandoned = false;
    pthread_mutex_lock(&sent->lock);
    while (sent->missing > 0) {
        if (sent->failed > 0 && !abandoned) {
            abandoned = true;
            pthread_mutex_unlock(&sent->lock);
            s->bus->abandon(s->bus->self);
            pthread_mutex_lock(&sent->lock);
            continue;
        }
        pthread_cond_wait(&sent->answered, &sent->lock);
    }
    pthread_mutex_unlock(&sent->lock);
}

static enum cs_rc send_rows(struct sched *s, const struct cs_rows *rows, struct sent *sent,
                            struct cs_err *err)
{
    enum cs_rc rc = CS_OK;
    for (size_t i = 0; i < rows->rows && rc == CS_OK; i++) {
        const struct cs_record r = {.topic = cs_cell_text(rows, i, 1),
                                    .partition = (int)cs_cell_int(rows, i, 2),
                                    .key = cs_cell(rows, i, 3),
                                    .value = cs_cell(rows, i, 4)};
        expect(sent, true);
        rc = s->bus->send(s->bus->self, &r, acknowledged, sent, err);
        if (rc != CS_OK)
            expect(sent, false);
    }
    await_all(s, sent);
    return rc;
}

static enum cs_rc relay_partition(struct sched *s, int partition, struct cs_arena *a, bool *more,
                                  struct cs_err *err)
{
    struct cs_rows rows;
    struct sent sent;
    const struct cs_value v[] = {CS_VI(partition)};
    CS_TRY(cs_db_query(s->db,
                       "SELECT id, topic, topic_partition, record_key, envelope FROM outbox "
                       "WHERE partition_no=? ORDER BY id LIMIT 500",
                       v, 1, a, &rows, err));
    if (rows.rows == 0)
        return CS_OK;
    sent_init(&sent);
    const enum cs_rc rc = send_rows(s, &rows, &sent, err);
    const bool failed = sent.failed > 0;
    sent_done(&sent);
    CS_TRY(rc);
    if (failed)
        return cs_err_set(err, CS_RETRY, "Kafka does not take the outbox; it is sent again");
    *more = *more || rows.rows == ROWS;
    const struct cs_value done[] = {CS_VI(partition), CS_VI(cs_cell_int(&rows, rows.rows - 1, 0))};
    return cs_db_exec(s->db, "DELETE FROM outbox WHERE partition_no=? AND id<=?", done, 2, NULL,
                      err);
}

enum cs_rc relay_run(struct sched *s, struct cs_err *err)
{
    bool more = false;
    for (int p = 0; p < SCHED_PARTITIONS; p++) {
        if (!s->owned[p].mine)
            continue;
        cs_arena_reset(s->arena);
        CS_TRY(relay_partition(s, p, s->arena, &more, err));
    }
    s->relay_due = more;
    return CS_OK;
}
