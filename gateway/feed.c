/* What the gateway reads: the whole of cs.config, then it and cs.events as they come.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway.h"

#include "proto/events.pb-c.h"

#include <string.h>
#include <time.h>

enum { RECORDS = 256, POLL_MS = 200, ARENA = 8 << 20, MAX_PARTITIONS = 64, PING_MS = 2000 };

struct feed {
    struct gateway *g;
    struct cs_opener *opener;
    struct cs_arena *arena;
    struct cs_kafka_consumer *consumer;
    int64_t config_end; /* offset that cs.config had when we began */
    int64_t next_ping_ms;
};

static void back_off(void)
{
    const struct timespec t = {.tv_nsec = 500000000L};
    nanosleep(&t, NULL);
}

static enum cs_rc open_consumer(struct feed *f, struct cs_err *err)
{
    struct cs_bus_position p[MAX_PARTITIONS + 1] = {
        {.topic = "cs.config", .start = CS_BUS_BEGINNING}};
    const struct cs_bus_producer *bus = cs_kafka_producer_port(f->g->producer);
    const struct cs_kafka_options k = {.bootstrap =
                                           cs_option_text(f->g->options, "kafka.bootstrap"),
                                       .client_id = "countersign-gateway"};
    int events = 0;
    int64_t low = 0;
    CS_TRY(bus->partitions(bus->self, "cs.events", &events, err));
    for (int i = 0; i < events && i < MAX_PARTITIONS; i++)
        p[i + 1] =
            (struct cs_bus_position){.topic = "cs.events", .partition = i, .start = CS_BUS_END};
    CS_TRY(cs_kafka_consumer_assign(&k, p, (size_t)events + 1, &f->consumer, err));
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(f->consumer);
    return c->watermarks(c->self, "cs.config", 0, &low, &f->config_end, err);
}

static void take_config(struct feed *f, const struct cs_event *e)
{
    struct cs_err err = {0};
    if (strcmp(e->type->name, "cs.config.ConfigChanged") != 0)
        return;
    if (view_apply(f->g->view, (const Cs__Config__ConfigChanged *)e->message, &err) != CS_OK)
        cs_log_error("config.ignored", CS_KERR(&err));
}

static void take_event(struct feed *f, const struct cs_event *e)
{
    if (strcmp(e->type->name, "cs.events.RequestStateChanged") == 0)
        waiters_wake(f->g->waiters, e->header->aggregate_id, e->payload);
    else if (strcmp(e->type->name, "cs.events.DecisionRecorded") == 0)
        waiters_wake(f->g->waiters, e->header->cause_event_id, e->payload);
}

static void take(struct feed *f, const struct cs_record *r)
{
    struct cs_err err = {0};
    struct cs_event e;
    const bool config = strcmp(r->topic, "cs.config") == 0;
    const enum cs_rc rc = cs_open(f->opener, r->value, r->topic, r->partition, f->arena, &e, &err);
    if (rc != CS_OK)
        cs_log_error("feed.ignored", CS_KS("topic", r->topic), CS_KI("offset", r->offset),
                     CS_KS("code", err.code), CS_KERR(&err));
    else if (config)
        take_config(f, &e);
    else
        take_event(f, &e);
    if (config && r->offset + 1 >= f->config_end)
        view_set_complete(f->g->view);
    cs_arena_reset(f->arena);
}

static void ping(struct feed *f)
{
    struct cs_err err = {0};
    if (cs_monotonic_ms() < f->next_ping_ms)
        return;
    const enum cs_rc rc = cs_kafka_producer_ping(f->g->producer, PING_MS, &err);
    cs_app_check(f->g->app, "kafka", rc == CS_OK, rc == CS_OK ? "" : err.msg);
    f->next_ping_ms = cs_monotonic_ms() + PING_MS;
}

static void follow(struct feed *f)
{
    static struct cs_record records[RECORDS];
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(f->consumer);
    if (f->config_end == 0)
        view_set_complete(f->g->view);
    while (!atomic_load(&f->g->stop)) {
        struct cs_err err = {0};
        size_t n = 0;
        if (c->poll(c->self, records, RECORDS, POLL_MS, &n, &err) != CS_OK)
            cs_log_warn("feed.poll", CS_KERR(&err));
        for (size_t i = 0; i < n; i++)
            take(f, &records[i]);
        ping(f);
        cs_app_check(f->g->app, "configuration", view_complete(f->g->view), "still being read");
    }
}

void *feed_run(void *arg)
{
    struct gateway *g = arg;
    struct feed f = {.g = g, .opener = cs_opener_new(g->trust), .arena = cs_arena_new(ARENA)};
    struct cs_err err = {0};
    if (f.opener == NULL || f.arena == NULL) {
        cs_err_set(&err, CS_NOMEM, "no memory");
        cs_app_fail(g->app, &err);
    } else {
        while (!atomic_load(&g->stop) && open_consumer(&f, &err) != CS_OK) {
            cs_log_warn("feed.wait", CS_KERR(&err));
            cs_app_check(g->app, "kafka", false, err.msg);
            back_off();
        }
        if (f.consumer != NULL && !atomic_load(&g->stop))
            follow(&f);
    }
    cs_kafka_consumer_close(f.consumer);
    cs_opener_free(f.opener);
    cs_arena_free(f.arena);
    return NULL;
}
