/* The running auditor: its parts and its one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "adapter/kafka/kafka.h"
#include "republish.h"
#include "serve.h"
#include "service/service.h"
#include "store.h"
#include "trust/trust.h"

#include <pthread.h>

struct auditor {
    struct cs_app *app;
    struct cs_kafka_options kafka;
    struct cs_trust *trust;
    struct cs_signing_key *key;
    struct cs_blobs *blobs;
    struct store *store;
    struct serve *serve;
    struct cs_kafka_producer *producer;
    struct republish *republish;
    /* Owned by the thread. */
    struct cs_kafka_consumer *consumer;
    struct cs_arena *arena;
    size_t n_partitions;
    int64_t topics_checked_ms;
    int64_t blobs_tried_ms;
    uint64_t gaps;
    bool state_dirty;
    pthread_t thread;
    bool started;
    atomic_bool stop;
};

/* Of struct cs_service. */
enum cs_rc auditor_start(struct cs_app *app, void **state, struct cs_err *err) CS_MUST_CHECK;
void auditor_drain(void *state);
void auditor_stop(void *state);

/* consume.c: the thread, from Kafka to the log. */
void *auditor_run(void *arg);
