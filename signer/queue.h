/* The worker's jobs: taken by lane, finished in any order, committed in order. Jobs that must wait
 * (timestamp authority down, token gone) stay here and come back. Thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/bus.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_WAITING, JOB_DONE };

/* One record. Borrowed from the queue between take and finish or wait. */
struct job {
    struct job *next; /* of the same partition, by offset */
    struct track *track;
    int64_t offset;
    enum job_state state;
    int64_t not_before_ms; /* monotonic */
    unsigned attempts;     /* times it had to wait */
    char reason[48];       /* why it waits; said once */
    struct cs_bytes value; /* owned by the queue */
};

/* One partition. */
struct track {
    struct track *next;
    char topic[128];
    int partition;
    unsigned lane; /* index of its topic among the subscribed ones */
    struct job *first;
    struct job **last;
    int64_t next_offset; /* one past the newest job */
    int64_t committed;
    bool closing; /* nothing new is started */
    bool lost;    /* not ours any more: forgotten when its running jobs end */
};

struct queue;

/* 'topics' in order of preference; borrowed. */
struct queue *queue_new(const char *const *topics, size_t n);
void queue_free(struct queue *q);

/* Copies the record. */
enum cs_rc queue_add(struct queue *q, const struct cs_record *r, struct cs_err *err) CS_MUST_CHECK;
/* Jobs held, in any state but done. */
size_t queue_held(struct queue *q);
/* Blocks until a job may run; NULL once the queue was stopped. */
struct job *queue_take(struct queue *q);
void queue_finish(struct queue *q, struct job *j);
/* Puts it back for 'delay_ms'. 'reason' is copied; false when it is the same as before. */
bool queue_wait(struct queue *q, struct job *j, int64_t delay_ms, const char *reason);
/* No more jobs are handed out; those who wait in take get NULL. */
void queue_stop(struct queue *q);

typedef enum cs_rc queue_committer(void *ctx, const char *topic, int partition, int64_t next);
/* Calls 'commit' for each partition whose finished prefix has grown. From the polling thread. */
void queue_commit(struct queue *q, queue_committer *commit, void *ctx);
/* The partition goes: nothing new of it is started, what runs is waited for up to timeout_ms, what
 * is finished is committed (unless 'commit' is NULL), the rest is forgotten: its next owner does
 * it. */
void queue_revoke(struct queue *q, const char *topic, int partition, int timeout_ms,
                  queue_committer *commit, void *ctx);
/* Waits until nothing runs, at most timeout_ms. */
bool queue_idle(struct queue *q, int timeout_ms);
