/* Partitions come and go: epochs make sure that only one scheduler changes a partition's requests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "scheduler.h"

#include <string.h>
#include <time.h>

static void back_off(void)
{
    const struct timespec second = {.tv_sec = 1};
    nanosleep(&second, NULL);
}

static enum cs_rc claim(struct sched *s, int partition, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 16);
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VI(partition), CS_VT(s->boot_id), CS_VI(cs_now_ms())};
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_db_exec(s->db,
                      "INSERT INTO partition_owners(partition_no, epoch, owner, since_ms) "
                      "VALUES(?,1,?,?) ON DUPLICATE KEY UPDATE epoch=epoch+1, owner=VALUES(owner), "
                      "since_ms=VALUES(since_ms)",
                      v, 3, NULL, err));
    CS_TRY(cs_db_query(s->db, "SELECT epoch FROM partition_owners WHERE partition_no=? AND owner=?",
                       v, 2, a, &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_RETRY, "partition %d was claimed by another at once", partition);
    s->owned[partition] = (struct owned){true, (uint64_t)cs_cell_int(&rows, 0, 0)};
    s->relay_due = true;
    s->backlog = true;
    cs_log_info("partition.owned", CS_KI("partition", partition),
                CS_KI("epoch", s->owned[partition].epoch));
    return CS_OK;
}

/* The database knows what was applied; Kafka's committed offsets are not asked. */
static enum cs_rc find_start(struct sched *s, struct cs_bus_position *p, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 16);
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(p->topic), CS_VI(p->partition)};
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_db_query(s->db,
                       "SELECT next_offset FROM consumed_offsets WHERE topic=? AND partition_no=?",
                       v, 2, a, &rows, err));
    p->start = rows.rows == 1 ? CS_BUS_OFFSET : CS_BUS_BEGINNING;
    p->offset = rows.rows == 1 ? cs_cell_int(&rows, 0, 0) : 0;
    return CS_OK;
}

static enum cs_rc take(struct sched *s, struct cs_bus_position *p, struct cs_err *err)
{
    CS_TRY(cs_db_ping(s->db, err));
    CS_TRY(find_start(s, p, err));
    if (strcmp(p->topic, "cs.commands") == 0)
        return claim(s, p->partition, err);
    return CS_OK;
}

/* Nothing can be applied without the database, so waiting for it here holds nobody up. */
void owners_assigned(void *ctx, struct cs_bus_position *p, size_t n)
{
    struct sched *s = ctx;
    for (size_t i = 0; i < n; i++) {
        struct cs_err err = {0};
        if (p[i].partition >= SCHED_PARTITIONS)
            continue;
        while (take(s, &p[i], &err) != CS_OK && !atomic_load(&s->stop)) {
            cs_app_check(s->app, "mariadb", false, err.msg);
            cs_log_warn("partition.wait", CS_KI("partition", p[i].partition), CS_KERR(&err));
            back_off();
        }
    }
    cs_app_check(s->app, "mariadb", true, "");
}

void owners_revoked(void *ctx, const struct cs_bus_position *p, size_t n, bool lost)
{
    struct sched *s = ctx;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].topic, "cs.commands") != 0 || p[i].partition >= SCHED_PARTITIONS)
            continue;
        s->owned[p[i].partition].mine = false;
        cs_log_info("partition.gone", CS_KI("partition", p[i].partition), CS_KI("lost", lost));
    }
}
