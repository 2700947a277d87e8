/* The signer worker: one consumer thread, some job threads, one keyd. What its files share.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "adapter/kafka/kafka.h"
#include "adapter/tsa/tsa.h"
#include "keyd_client.h"
#include "publish/publish.h"
#include "queue.h"
#include "service/service.h"
#include "trust/opener.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WORKER_TOPICS = 4, WORKER_THREADS = 64, WORKER_HELD = 1024, WORKER_JOB_ARENA = 64 << 20 };

struct worker {
    struct cs_app *app;
    const struct cs_options *options;
    const char *pool;
    struct cs_trust *trust;
    struct cs_signing_key *key;
    struct cs_blobs *blobs;
    struct cs_kafka_producer *producer;
    struct cs_kafka_consumer *consumer;
    struct cs_publisher *publisher;
    struct keyd_client *keyd;
    struct queue *queue;
    char topics[WORKER_TOPICS][128];
    const char *topic_list[WORKER_TOPICS];
    size_t n_topics;
    char producer_id[80];
    char parser_path[512];
    char digest_path[512];
    pthread_t consumer_thread;
    bool consuming;
    pthread_t threads[WORKER_THREADS];
    size_t n_threads;
    atomic_bool stop;
};

/* What one job thread has for itself. */
struct hand {
    struct worker *w;
    struct cs_opener *opener;
    struct cs_tsa *tsa;
    struct cs_arena *arena; /* reset after each job */
};

enum cs_rc worker_start(struct cs_app *app, void **state, struct cs_err *err) CS_MUST_CHECK;
void worker_drain(void *state);
void worker_stop(void *state);

/* jobs.c: does one job, and says to the queue what became of it. */
void jobs_run(struct hand *h, struct job *j);

/* inspect.c */
enum cs_rc inspect_run(struct hand *h, const struct cs_event *e, struct cs_err *err) CS_MUST_CHECK;
/* sign.c */
enum cs_rc sign_run(struct hand *h, const struct cs_event *e, struct cs_err *err) CS_MUST_CHECK;
