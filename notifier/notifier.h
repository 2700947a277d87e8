/* The notifier: cs.events in, invitations and mails out. What its files share.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "adapter/kafka/kafka.h"
#include "adapter/mariadb/mariadb.h"
#include "adapter/smtp/smtp.h"
#include "core/mail.h"
#include "core/secrets.h"
#include "publish/publish.h"
#include "service/service.h"
#include "trust/opener.h"

#include <pthread.h>
#include <stdatomic.h>

struct notifier {
    struct cs_app *app;
    const struct cs_options *options;
    const char *public_url;
    struct cs_trust *trust;
    struct cs_signing_key *key;
    uint8_t secret[SECRETS_KEY];
    struct cs_blobs *blobs;
    struct cs_kafka_producer *producer;
    struct cs_kafka_consumer *consumer;
    struct cs_publisher *publisher;
    char host[256]; /* of the public URL: the right side of Message-IDs */
    pthread_t reader;
    pthread_t sender;
    bool reading;
    bool sending;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards 'work' */
    pthread_cond_t wake;
    bool work; /* deliveries were added */
};

extern const struct cs_option *const notifier_options[];

enum cs_rc notifier_start(struct cs_app *app, void **state, struct cs_err *err) CS_MUST_CHECK;
void notifier_drain(void *state);
void notifier_stop(void *state);
/* A database connection of the thread that asks. */
enum cs_rc notifier_open_db(const struct notifier *n, struct cs_db **out,
                            struct cs_err *err) CS_MUST_CHECK;
/* Tells the sender that there is something to do. */
void notifier_wake(struct notifier *n);
/* Waits for notifier_wake, at most timeout_ms. */
void notifier_sleep(struct notifier *n, int timeout_ms);

/* events.c: what one event asks for; durable when it returns CS_OK. */
enum cs_rc events_apply(struct notifier *n, struct cs_db *db, const struct cs_event *e,
                        struct cs_arena *a, struct cs_err *err) CS_MUST_CHECK;

/* sender.c: thread that sends due deliveries. */
void *sender_run(void *notifier);
