/* A few connections for many threads; see dbpool.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dbpool.h"

#include "base/mem.h"

#include <pthread.h>
#include <time.h>

enum { MAX_CONNECTIONS = 8, WAIT_S = 5 };

struct dbpool {
    struct cs_db_options o;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t given;
    struct cs_db *idle[MAX_CONNECTIONS];
    size_t n_idle;
    size_t n_open;
};

struct dbpool *dbpool_new(const struct cs_db_options *o)
{
    pthread_condattr_t attr;
    struct dbpool *p = cs_calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->o = *o;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->given, &attr);
    pthread_condattr_destroy(&attr);
    return p;
}

void dbpool_free(struct dbpool *p)
{
    if (p == NULL)
        return;
    while (p->n_idle > 0)
        cs_db_close(p->idle[--p->n_idle]);
    pthread_cond_destroy(&p->given);
    pthread_mutex_destroy(&p->lock);
    cs_free(p);
}

/* One that is free, or the right to open one. */
static bool reserve(struct dbpool *p, struct cs_db **out)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&p->lock);
    while (p->n_idle == 0 && p->n_open == MAX_CONNECTIONS && rc == 0)
        rc = pthread_cond_timedwait(&p->given, &p->lock, &until);
    const bool ok = p->n_idle > 0 || p->n_open < MAX_CONNECTIONS;
    *out = NULL;
    if (p->n_idle > 0)
        *out = p->idle[--p->n_idle];
    else if (ok)
        p->n_open++;
    pthread_mutex_unlock(&p->lock);
    return ok;
}

static void drop(struct dbpool *p, struct cs_db *db)
{
    cs_db_close(db);
    pthread_mutex_lock(&p->lock);
    p->n_open--;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}

enum cs_rc dbpool_take(struct dbpool *p, struct cs_db **out, struct cs_err *err)
{
    struct cs_db *db = NULL;
    if (!reserve(p, &db))
        return cs_err_code(err, CS_RETRY, "db.busy", "all database connections are in use");
    /* A server that was away and came back is found by the ping, not by a caller's statement. */
    const enum cs_rc rc = db == NULL ? cs_db_open(&p->o, &db, err) : cs_db_ping(db, err);
    if (rc != CS_OK) {
        drop(p, db);
        return rc;
    }
    *out = db;
    return CS_OK;
}

void dbpool_give(struct dbpool *p, struct cs_db *db)
{
    if (db == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->idle[p->n_idle++] = db;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}
