/* Wiring and the loop: poll, apply, relay, look at the clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

#include "apply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    ARENA = 256 << 20,
    POLL_MS = 200,
    TICK_MS = 1000,
    FIRST_WAIT_MS = 100,
    LONGEST_WAIT_MS = 5000
};

static void pause_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

static bool passes(enum cs_rc rc)
{
    return rc == CS_RETRY || rc == CS_CONFLICT || rc == CS_NOMEM || rc == CS_UNSUPPORTED;
}

static void say_trouble(struct sched *s, const struct cs_err *err)
{
    cs_log_warn("batch.again", CS_KS("code", err->code), CS_KERR(err));
    cs_app_check(s->app, "mariadb", false, err->msg);
}

/* The batch stays in hand until it is applied: nothing is skipped. */
static void apply(struct sched *s, const struct cs_record *records, size_t n)
{
    int64_t wait = FIRST_WAIT_MS;
    while (!atomic_load(&s->stop)) {
        struct cs_err err = {0};
        const enum cs_rc rc = apply_records(s, records, n, &err);
        if (rc == CS_OK) {
            cs_metric_add("cs_scheduler_records_total", (int64_t)n);
            cs_app_check(s->app, "mariadb", true, "");
            return;
        }
        if (!passes(rc)) {
            cs_app_fail(s->app, &err);
            atomic_store(&s->stop, true);
            return;
        }
        say_trouble(s, &err);
        pause_ms(wait);
        wait = wait * 2 < LONGEST_WAIT_MS ? wait * 2 : LONGEST_WAIT_MS;
        cs_ignore(cs_db_ping(s->db, NULL), "the next try tells");
    }
}

static void relay(struct sched *s)
{
    struct cs_err err = {0};
    const enum cs_rc rc = relay_run(s, &err);
    cs_app_check(s->app, "relay", rc == CS_OK, rc == CS_OK ? "" : err.msg);
    if (rc == CS_OK)
        return;
    cs_log_warn("relay.again", CS_KERR(&err));
    cs_ignore(cs_db_ping(s->db, NULL), "the next try tells");
}

static void tick(struct sched *s)
{
    struct cs_err err = {0};
    const int64_t now = cs_monotonic_ms();
    if (now < s->next_tick_ms)
        return;
    s->next_tick_ms = now + TICK_MS;
    if (s->relay_due)
        relay(s);
    const enum cs_rc rc = apply_timers(s, &err);
    if (rc == CS_OK) {
        cs_app_check(s->app, "mariadb", true, "");
        return;
    }
    if (!passes(rc)) {
        cs_app_fail(s->app, &err);
        atomic_store(&s->stop, true);
        return;
    }
    say_trouble(s, &err);
    cs_ignore(cs_db_ping(s->db, NULL), "the next tick tries again");
}

static void *run(void *arg)
{
    struct sched *s = arg;
    static struct cs_record records[SCHED_RECORDS];
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(s->consumer);
    while (!atomic_load(&s->stop)) {
        struct cs_err err = {0};
        size_t n = 0;
        const enum cs_rc rc = c->poll(c->self, records, SCHED_RECORDS, POLL_MS, &n, &err);
        cs_app_check(s->app, "kafka", rc == CS_OK, rc == CS_OK ? "" : err.msg);
        if (rc == CS_FATAL) {
            cs_app_fail(s->app, &err);
            break;
        }
        if (n > 0)
            apply(s, records, n);
        if (s->relay_due && n > 0)
            relay(s);
        tick(s);
    }
    return NULL;
}

static enum cs_rc open_database(struct sched *s, struct cs_err *err)
{
    const struct cs_options *o = s->options;
    const struct cs_db_options d = {.socket = cs_option_text(o, "mariadb.socket"),
                                    .host = cs_option_text(o, "mariadb.host"),
                                    .port = (int)cs_option_number(o, "mariadb.port"),
                                    .user = cs_option_text(o, "mariadb.user"),
                                    .password = cs_option_text(o, "mariadb.password"),
                                    .database = cs_option_text(o, "mariadb.database"),
                                    .allow_weak = cs_option_number(o, "mariadb.allow_weak") != 0};
    return cs_db_open(&d, &s->db, err);
}

static enum cs_rc open_trust(struct sched *s, struct cs_err *err)
{
    const struct cs_options *o = s->options;
    CS_TRY(cs_trust_load(cs_option_text(o, "trust.root"), cs_option_text(o, "trust.registry"),
                         &s->trust, err));
    CS_TRY(cs_signing_key_load(cs_option_text(o, "service.key"), NULL, &s->key, err));
    CS_TRY(cs_blobs_open(cs_option_text(o, "blob.directory"), &s->blobs, err));
    s->opener = cs_opener_new(s->trust);
    s->arena = cs_arena_new(ARENA);
    return s->opener != NULL && s->arena != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc open_bus(struct sched *s, struct cs_err *err)
{
    static const char *const topics[] = {"cs.commands", "cs.results", "cs.notices"};
    const struct cs_options *o = s->options;
    const struct cs_kafka_options k = {
        .bootstrap = cs_option_text(o, "kafka.bootstrap"),
        .client_id = "countersign-scheduler",
        .message_timeout_ms = (int)cs_option_number(o, "kafka.message_timeout"),
        .session_timeout_ms = (int)cs_option_number(o, "kafka.session_timeout"),
        .group = "scheduler"};
    const struct cs_bus_rebalance rb = {
        .ctx = s, .assigned = owners_assigned, .revoked = owners_revoked};
    CS_TRY(cs_kafka_producer_open(&k, &s->producer, err));
    s->bus = cs_kafka_producer_port(s->producer);
    return cs_kafka_consumer_join(&k, topics, sizeof(topics) / sizeof(topics[0]), &rb, &s->consumer,
                                  err);
}

enum cs_rc scheduler_start(struct cs_app *app, void **state, struct cs_err *err)
{
    struct sched *s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *state = s;
    s->app = app;
    s->options = cs_app_options(app);
    s->instance = cs_option_text(s->options, "service.instance");
    s->meter = (unsigned)cs_option_number(s->options, "meter.per_project_and_lane");
    cs_uuid_random(s->boot_id);
    cs_app_check(app, "kafka", false, "not connected yet");
    CS_TRY(open_trust(s, err));
    CS_TRY(open_database(s, err));
    CS_TRY(open_bus(s, err));
    if (pthread_create(&s->thread, NULL, run, s) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    s->running = true;
    return CS_OK;
}

/* The batch in hand is applied and relayed; what is left in the outbox is the next owner's. */
void scheduler_drain(void *state)
{
    struct sched *s = state;
    atomic_store(&s->stop, true);
    if (s->running)
        pthread_join(s->thread, NULL);
    s->running = false;
    if (s->relay_due)
        relay(s);
}

void scheduler_stop(void *state)
{
    struct sched *s = state;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    if (s->running)
        pthread_join(s->thread, NULL);
    cs_kafka_consumer_close(s->consumer);
    cs_kafka_producer_close(s->producer);
    cs_db_close(s->db);
    cs_opener_free(s->opener);
    cs_trust_free(s->trust);
    cs_signing_key_free(s->key);
    cs_blobs_close(s->blobs);
    cs_arena_free(s->arena);
    cs_free(s);
}
