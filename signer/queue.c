/* Lanes, waiting jobs and contiguous commits; see queue.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { MAX_TOPICS = 8, IDLE_MS = 1000 };

struct queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work;
    pthread_cond_t ended;
    const char *topics[MAX_TOPICS];
    size_t n_topics;
    struct track *tracks;
    size_t held;
    size_t running;
    unsigned turn;
    bool stopped;
};

struct queue *queue_new(const char *const *topics, size_t n)
{
    pthread_condattr_t attr;
    struct queue *q = cs_calloc(1, sizeof(*q));
    if (q == NULL || n > MAX_TOPICS) {
        cs_free(q);
        return NULL;
    }
    memcpy(q->topics, topics, n * sizeof(*topics));
    q->n_topics = n;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->work, &attr);
    pthread_cond_init(&q->ended, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

static void job_free(struct job *j)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = j->value.ptr};
    cs_free(u.out);
    cs_free(j);
}

static void track_free(struct track *t)
{
    while (t->first != NULL) {
        struct job *j = t->first;
        t->first = j->next;
        job_free(j);
    }
    cs_free(t);
}

void queue_free(struct queue *q)
{
    if (q == NULL)
        return;
    while (q->tracks != NULL) {
        struct track *t = q->tracks;
        q->tracks = t->next;
        track_free(t);
    }
    pthread_cond_destroy(&q->work);
    pthread_cond_destroy(&q->ended);
    pthread_mutex_destroy(&q->lock);
    cs_free(q);
}

static struct track *find_track(struct queue *q, const char *topic, int partition)
{
    for (struct track *t = q->tracks; t != NULL; t = t->next) {
        if (!t->lost && t->partition == partition && strcmp(t->topic, topic) == 0)
            return t;
    }
    return NULL;
}

static struct track *new_track(struct queue *q, const struct cs_record *r)
{
    struct track *t = cs_calloc(1, sizeof(*t));
    if (t == NULL || cs_strf(t->topic, sizeof(t->topic), NULL, "%s", r->topic) != CS_OK) {
        cs_free(t);
        return NULL;
    }
    while (t->lane < q->n_topics && strcmp(q->topics[t->lane], r->topic) != 0)
        t->lane++;
    t->partition = r->partition;
    t->last = &t->first;
    t->next_offset = t->committed = r->offset;
    t->next = q->tracks;
    q->tracks = t;
    return t;
}

static enum cs_rc add_locked(struct queue *q, struct job *j, const struct cs_record *r,
                             struct cs_err *err)
{
    struct track *t = find_track(q, r->topic, r->partition);
    if (t == NULL)
        t = new_track(q, r);
    if (t == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (r->offset < t->next_offset)
        return CS_EXISTS; /* read again after a hiccup: it is here already */
    j->track = t;
    *t->last = j;
    t->last = &j->next;
    t->next_offset = r->offset + 1;
    q->held++;
    pthread_cond_signal(&q->work);
    return CS_OK;
}

enum cs_rc queue_add(struct queue *q, const struct cs_record *r, struct cs_err *err)
{
    struct job *j = cs_calloc(1, sizeof(*j));
    const void *copy = cs_memdup(r->value.ptr, r->value.len);
    if (j == NULL || (copy == NULL && r->value.len > 0)) {
        cs_free(j);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    j->value = cs_bytes(copy, r->value.len);
    j->offset = r->offset;
    pthread_mutex_lock(&q->lock);
    enum cs_rc rc = add_locked(q, j, r, err);
    pthread_mutex_unlock(&q->lock);
    if (rc != CS_OK)
        job_free(j);
    return rc == CS_EXISTS ? CS_OK : rc;
}

size_t queue_held(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    const size_t n = q->held;
    pthread_mutex_unlock(&q->lock);
    return n;
}

static bool may_run(const struct job *j, int64_t now)
{
    return j->state == JOB_QUEUED || (j->state == JOB_WAITING && j->not_before_ms <= now);
}

static struct job *first_of_lane(const struct queue *q, unsigned lane, int64_t now)
{
    for (const struct track *t = q->tracks; t != NULL; t = t->next) {
        if (t->lane != lane || t->lost || t->closing)
            continue;
        for (struct job *j = t->first; j != NULL; j = j->next) {
            if (may_run(j, now))
                return j;
        }
    }
    return NULL;
}

/* Preferred lanes first, but every fourth turn begins one lane further down: a full fast lane never
 * starves the others. */
static struct job *choose(struct queue *q, int64_t now)
{
    const unsigned n = (unsigned)q->n_topics;
    const unsigned start = ++q->turn % 4 == 0 ? q->turn / 4 % n : 0;
    for (unsigned i = 0; i < n; i++) {
        struct job *j = first_of_lane(q, (start + i) % n, now);
        if (j != NULL)
            return j;
    }
    return NULL;
}

static void wait_ms(struct queue *q, pthread_cond_t *cond, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(cond, &q->lock, &until);
}

static int64_t until_next(const struct queue *q, int64_t now)
{
    int64_t least = IDLE_MS;
    for (const struct track *t = q->tracks; t != NULL; t = t->next) {
        for (const struct job *j = t->first; j != NULL; j = j->next) {
            if (j->state == JOB_WAITING && j->not_before_ms - now < least)
                least = j->not_before_ms - now;
        }
    }
    return least > 0 ? least : 1;
}

struct job *queue_take(struct queue *q)
{
    struct job *j = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->stopped && j == NULL) {
        const int64_t now = cs_monotonic_ms();
        j = choose(q, now);
        if (j == NULL)
            wait_ms(q, &q->work, until_next(q, now));
    }
    if (j != NULL) {
        j->state = JOB_RUNNING;
        q->running++;
    }
    pthread_mutex_unlock(&q->lock);
    return j;
}

static void forget_track(struct queue *q, struct track *gone)
{
    struct track **at = &q->tracks;
    while (*at != NULL && *at != gone)
        at = &(*at)->next;
    if (*at == gone)
        *at = gone->next;
    track_free(gone);
}

static bool has_running(const struct track *t)
{
    const struct job *j = t->first;
    while (j != NULL && j->state != JOB_RUNNING)
        j = j->next;
    return j != NULL;
}

static void leave_running(struct queue *q, struct job *j)
{
    q->running--;
    if (j->track->lost && !has_running(j->track))
        forget_track(q, j->track);
    pthread_cond_broadcast(&q->ended);
}

void queue_finish(struct queue *q, struct job *j)
{
    pthread_mutex_lock(&q->lock);
    j->state = JOB_DONE;
    q->held -= j->track->lost ? 0 : 1;
    leave_running(q, j);
    pthread_mutex_unlock(&q->lock);
}

bool queue_wait(struct queue *q, struct job *j, int64_t delay_ms, const char *reason)
{
    pthread_mutex_lock(&q->lock);
    const bool changed = strcmp(j->reason, reason) != 0;
    cs_ignore(cs_strf(j->reason, sizeof(j->reason), NULL, "%s", reason), "codes are short");
    j->attempts++;
    j->not_before_ms = cs_monotonic_ms() + delay_ms;
    j->state = JOB_WAITING;
    leave_running(q, j);
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    return changed;
}

void queue_stop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopped = true;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
}

/* Drops the finished prefix; true when there is something new to commit. */
static bool advance(struct track *t, int64_t *next)
{
    while (t->first != NULL && t->first->state == JOB_DONE) {
        struct job *j = t->first;
        t->first = j->next;
        job_free(j);
    }
    if (t->first == NULL)
        t->last = &t->first;
    *next = t->first == NULL ? t->next_offset : t->first->offset;
    return *next > t->committed;
}

static void commit_track(struct track *t, queue_committer *commit, void *ctx)
{
    int64_t next = 0;
    if (advance(t, &next) && commit(ctx, t->topic, t->partition, next) == CS_OK)
        t->committed = next;
}

void queue_commit(struct queue *q, queue_committer *commit, void *ctx)
{
    pthread_mutex_lock(&q->lock);
    for (struct track *t = q->tracks; t != NULL; t = t->next) {
        if (!t->lost)
            commit_track(t, commit, ctx);
    }
    pthread_mutex_unlock(&q->lock);
}

void queue_revoke(struct queue *q, const char *topic, int partition, int timeout_ms,
                  queue_committer *commit, void *ctx)
{
    const int64_t deadline = cs_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&q->lock);
    struct track *t = find_track(q, topic, partition);
    if (t != NULL)
        t->closing = true;
    while (t != NULL && has_running(t) && cs_monotonic_ms() < deadline)
        wait_ms(q, &q->ended, deadline - cs_monotonic_ms());
    if (t != NULL && commit != NULL)
        commit_track(t, commit, ctx);
    for (const struct job *j = t == NULL ? NULL : t->first; j != NULL; j = j->next)
        q->held -= j->state == JOB_DONE ? 0 : 1;
    if (t != NULL && has_running(t))
        t->lost = true;
    else if (t != NULL)
        forget_track(q, t);
    pthread_mutex_unlock(&q->lock);
}

bool queue_idle(struct queue *q, int timeout_ms)
{
    const int64_t deadline = cs_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&q->lock);
    while (q->running > 0 && cs_monotonic_ms() < deadline)
        wait_ms(q, &q->ended, deadline - cs_monotonic_ms());
    const bool idle = q->running == 0;
    pthread_mutex_unlock(&q->lock);
    return idle;
}
