/* The scheduler's long life: connections, owned partitions, numbers that outlive one batch.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "adapter/kafka/kafka.h"
#include "adapter/mariadb/mariadb.h"
#include "crypto/sign.h"
#include "service/service.h"
#include "trust/opener.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SCHED_PARTITIONS = 64, SCHED_LANES = 512, SCHED_RECORDS = 500 };

/* A partition of cs.commands (and the same of cs.results and cs.notices). */
struct owned {
    bool mine;
    uint64_t epoch;
};

/* Numbers of this boot per topic and partition; 'next' moves with a batch, 'kept' with its commit.
 */
struct sequence {
    char topic[128];
    int partition;
    uint64_t kept;
    uint64_t next;
};

struct sched {
    struct cs_app *app;
    const struct cs_options *options;
    struct cs_trust *trust;
    struct cs_opener *opener;
    struct cs_signing_key *key;
    struct cs_db *db;
    struct cs_blobs *blobs;
    struct cs_kafka_producer *producer;
    struct cs_kafka_consumer *consumer;
    const struct cs_bus_producer *bus;
    char boot_id[37];
    const char *instance;
    unsigned meter; /* K */
    struct owned owned[SCHED_PARTITIONS];
    struct sequence sequences[SCHED_LANES];
    size_t n_sequences;
    struct cs_arena *arena; /* of the batch in hand */
    int64_t next_tick_ms;   /* monotonic */
    bool backlog;           /* requests wait in QUEUED */
    bool relay_due;         /* rows wait in the outbox */
    pthread_t thread;
    bool running;
    atomic_bool stop;
};

enum cs_rc scheduler_start(struct cs_app *app, void **state, struct cs_err *err) CS_MUST_CHECK;
void scheduler_drain(void *state);
void scheduler_stop(void *state);

/* owners.c: tells of assignments; claims epochs; finds where to start. */
void owners_assigned(void *ctx, struct cs_bus_position *p, size_t n);
void owners_revoked(void *ctx, const struct cs_bus_position *p, size_t n, bool lost);

/* relay.c: sends the outbox rows of owned partitions in order and removes what was acknowledged. */
enum cs_rc relay_run(struct sched *s, struct cs_err *err) CS_MUST_CHECK;

extern const struct cs_option *const scheduler_options[];
