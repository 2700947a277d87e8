/* Outbox to Kafka: in order, at least once; a row goes when every in-sync replica has it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "scheduler.h"

#include <stdatomic.h>

enum { ROWS = 500, ACK_MS = 250 };

/* Shared with the acknowledgements' thread. */
struct sent {
    atomic_int missing;
    atomic_int failed;
};

static void acknowledged(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    struct sent *s = ctx;
    (void)offset;
    if (rc != CS_OK) {
        cs_log_warn("relay.failed", CS_KS("detail", detail));
        atomic_fetch_add(&s->failed, 1);
    }
    atomic_fetch_sub(&s->missing, 1);
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
        atomic_fetch_add(&sent->missing, 1);
        rc = s->bus->send(s->bus->self, &r, acknowledged, sent, err);
        if (rc != CS_OK)
            atomic_fetch_sub(&sent->missing, 1);
    }
    /* The acknowledgements refer to this frame: wait for all of them, however long it takes the bus
     * to give up. */
    while (atomic_load(&sent->missing) > 0) {
        cs_ignore(s->bus->flush(s->bus->self, ACK_MS, NULL), "the counter decides");
        if (atomic_load(&sent->failed) > 0) /* nothing behind it may overtake it */
            s->bus->abandon(s->bus->self);
    }
    return rc;
}

static enum cs_rc relay_partition(struct sched *s, int partition, struct cs_arena *a, bool *more,
                                  struct cs_err *err)
{
    struct cs_rows rows;
    struct sent sent;
    const struct cs_value v[] = {CS_VI(partition)};
    atomic_init(&sent.missing, 0);
    atomic_init(&sent.failed, 0);
    CS_TRY(cs_db_query(s->db,
                       "SELECT id, topic, topic_partition, record_key, envelope FROM outbox "
                       "WHERE partition_no=? ORDER BY id LIMIT 500",
                       v, 1, a, &rows, err));
    if (rows.rows == 0)
        return CS_OK;
    CS_TRY(send_rows(s, &rows, &sent, err));
    if (atomic_load(&sent.failed) > 0)
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
