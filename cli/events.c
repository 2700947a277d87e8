/* countersign events tail, quarantine list|show|retry: looking at Kafka, verifying what is there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/kafka/kafka.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli.h"
#include "codec/json.h"
#include "codec/message.h"
#include "trust/opener.h"

#include "proto/audit.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/envelope.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POSITIONS = 256, RECORDS = 200, POLL_MS = 500, ARENA = 8 << 20, IDLE_POLLS = 4 };

/* What both commands read with. */
struct tail {
    struct cs_kafka_options k;
    struct cs_bus_position positions[MAX_POSITIONS];
    size_t n;
    enum cs_bus_start start;
    const char *wanted[16]; /* topics; none: all of ours */
    size_t n_wanted;
    struct cs_trust *trust;
    struct cs_opener *opener;
    struct cs_arena *a;
    struct cs_kafka_consumer *consumer;
    char names[MAX_POSITIONS][128];
};

static void tail_done(struct tail *t)
{
    cs_kafka_consumer_close(t->consumer);
    cs_opener_free(t->opener);
    cs_trust_free(t->trust);
    cs_arena_free(t->a);
    cs_free(t);
}

static void add_topic(void *ctx, const char *topic, int partitions)
{
    struct tail *t = ctx;
    bool wanted = t->n_wanted == 0 && strcmp(topic, "cs.audit") != 0;
    for (size_t i = 0; i < t->n_wanted; i++)
        wanted = wanted || strcmp(t->wanted[i], topic) == 0;
    for (int p = 0; wanted && p < partitions && t->n < MAX_POSITIONS; p++) {
        if (cs_strf(t->names[t->n], sizeof(t->names[0]), NULL, "%s", topic) != CS_OK)
            return;
        t->positions[t->n] =
            (struct cs_bus_position){.topic = t->names[t->n], .partition = p, .start = t->start};
        t->n++;
    }
}

static enum cs_rc tail_open(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    const char *root = cli_value(args, "trust");
    const char *registry = cli_value(args, "registry");
    char beside[1024];
    CS_TRY(cli_need(args, "kafka", &t->k.bootstrap, err));
    t->k.client_id = "countersign-cli";
    t->a = cs_arena_new(ARENA);
    if (t->a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (root != NULL) {
        const char *slash = strrchr(root, '/');
        CS_TRY(cs_strf(beside, sizeof(beside), err, "%.*sregistry.bin",
                       slash == NULL ? 0 : (int)(slash + 1 - root), root));
        CS_TRY(cs_trust_load(root, registry != NULL ? registry : beside, &t->trust, err));
        t->opener = cs_opener_new(t->trust);
    }
    CS_TRY(cs_kafka_topics(&t->k, "cs.", add_topic, t, err));
    if (t->n == 0)
        return cs_err_set(err, CS_NOT_FOUND, "%s has no such topic", t->k.bootstrap);
    return cs_kafka_consumer_assign(&t->k, t->positions, t->n, &t->consumer, err);
}

/* --- events tail --------------------------------------------------------------------------------
 */

static void print_place(const struct cs_record *r)
{
    char when[CS_TIME_TEXT];
    cs_time_format(r->timestamp_ms, when);
    printf("%s %s/%d@%lld %.*s ", when, r->topic, r->partition, (long long)r->offset,
           (int)r->key.len, (const char *)r->key.ptr);
}

static void print_event(const struct cs_record *r, const struct cs_event *e, bool as_json)
{
    json_t *body = cs_message_json(e->message);
    if (as_json) {
        json_t *line =
            json_pack("{s:s,s:i,s:I,s:s,s:o}", "topic", r->topic, "partition", r->partition,
                      "offset", (json_int_t)r->offset, "type", e->type->name, "event", body);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
        return;
    }
    json_object_del(body, "header");
    print_place(r);
    printf("%s by %s ", e->type->name, e->header->producer_id);
    json_dumpf(body, stdout, JSON_COMPACT);
    json_decref(body);
    putchar('\n');
}

static void print_refused(const struct cs_record *r, const struct cs_err *why, bool as_json)
{
    if (as_json) {
        json_t *line =
            json_pack("{s:s,s:i,s:I,s:s,s:s}", "topic", r->topic, "partition", r->partition,
                      "offset", (json_int_t)r->offset, "refused", why->code, "reason", why->msg);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
        return;
    }
    print_place(r);
    printf("REFUSED %s: %s\n", why->code, why->msg);
}

static bool is_of(const struct cs_record *r, const char *request)
{
    return request == NULL ||
           (r->key.len == strlen(request) && memcmp(r->key.ptr, request, r->key.len) == 0);
}

static enum cs_rc follow(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    static struct cs_record records[RECORDS];
    const char *request = cli_value(args, "request");
    const char *count = cli_value(args, "count");
    long left = count == NULL ? -1 : strtol(count, NULL, 10);
    unsigned idle = 0;
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(t->consumer);
    while (left != 0 && (!cli_switch(args, "until-end") || idle < IDLE_POLLS)) {
        size_t n = 0;
        CS_TRY(c->poll(c->self, records, RECORDS, POLL_MS, &n, err));
        idle = n == 0 ? idle + 1 : 0;
        for (size_t i = 0; i < n && left != 0; i++) {
            struct cs_event e;
            struct cs_err why = {0};
            cs_arena_reset(t->a);
            if (!is_of(&records[i], request))
                continue;
            if (cs_open(t->opener, records[i].value, records[i].topic, records[i].partition, t->a,
                        &e, &why) == CS_OK)
                print_event(&records[i], &e, cli_switch(args, "json"));
            else
                print_refused(&records[i], &why, cli_switch(args, "json"));
            left -= left > 0 ? 1 : 0;
        }
        fflush(stdout);
    }
    return CS_OK;
}

static enum cs_rc tail_events(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    const char *root = NULL;
    CS_TRY(cli_need(args, "trust", &root, err));
    t->start = cli_switch(args, "from-beginning") ? CS_BUS_BEGINNING : CS_BUS_END;
    while (t->n_wanted < 16 && cli_nth(args, "topic", t->n_wanted) != NULL) {
        t->wanted[t->n_wanted] = cli_nth(args, "topic", t->n_wanted);
        t->n_wanted++;
    }
    if (t->n_wanted == 0)
        t->wanted[t->n_wanted++] = "cs.events";
    CS_TRY(tail_open(t, args, err));
    return follow(t, args, err);
}

static int run_with(const struct cli_args *args,
                    enum cs_rc (*what)(struct tail *t, const struct cli_args *args,
                                       struct cs_err *err))
{
    struct cs_err err = {0};
    struct tail *t = cs_calloc(1, sizeof(*t));
    if (t == NULL)
        return CLI_FAILED;
    err.rc = what(t, args, &err);
    tail_done(t);
    return err.rc == CS_OK ? CLI_DONE : cli_fail(&err);
}

static int run_tail(const struct cli_args *args)
{
    return run_with(args, tail_events);
}

/* --- quarantine ---------------------------------------------------------------------------------
 */

/* Called for each record; false ends the reading. */
typedef bool each_quarantined(struct tail *t, const Cs__Audit__Quarantined *m, void *ctx);

static enum cs_rc read_all(struct tail *t, const struct cli_args *args, each_quarantined *each,
                           void *ctx, struct cs_err *err)
{
    static struct cs_record records[RECORDS];
    t->start = CS_BUS_BEGINNING;
    t->wanted[t->n_wanted++] = "cs.quarantine";
    CS_TRY(tail_open(t, args, err));
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(t->consumer);
    for (unsigned idle = 0; idle < IDLE_POLLS;) {
        size_t n = 0;
        CS_TRY(c->poll(c->self, records, RECORDS, POLL_MS, &n, err));
        idle = n == 0 ? idle + 1 : 0;
        for (size_t i = 0; i < n; i++) {
            ProtobufCMessage *m = NULL;
            cs_arena_reset(t->a);
            if (cs_message_unpack(&cs__audit__quarantined__descriptor, records[i].value, t->a, &m,
                                  NULL) == CS_OK &&
                !each(t, (const Cs__Audit__Quarantined *)m, ctx))
                return CS_OK;
        }
    }
    return CS_OK;
}

static bool print_one(struct tail *t, const Cs__Audit__Quarantined *m, void *ctx)
{
    char when[CS_TIME_TEXT];
    (void)t;
    if (*(const bool *)ctx) {
        json_t *j = cs_message_json(&m->base);
        json_dumpf(j, stdout, JSON_COMPACT);
        json_decref(j);
        putchar('\n');
        return true;
    }
    cs_time_format(m->at_ms, when);
    printf("%s %s/%d@%lld  %s: %s: %s\n", when, m->topic, m->partition, (long long)m->offset,
           m->reader, m->code, m->reason);
    return true;
}

static enum cs_rc list(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    bool as_json = cli_switch(args, "json");
    return read_all(t, args, print_one, &as_json, err);
}

static int run_list(const struct cli_args *args)
{
    return run_with(args, list);
}

/* The place that was asked for, and what was found there. */
struct place {
    char text[160];
    bool found;
    bool retry;
    struct cs_err err;
};

static Cs__Envelope__Envelope *envelope_of(struct tail *t, const Cs__Audit__Quarantined *m)
{
    ProtobufCMessage *e = NULL;
    if (cs_message_unpack(&cs__envelope__envelope__descriptor,
                          cs_bytes(m->value.data, m->value.len), t->a, &e, NULL) != CS_OK)
        return NULL;
    return (Cs__Envelope__Envelope *)e;
}

static void show_one(struct tail *t, const Cs__Audit__Quarantined *m)
{
    const Cs__Envelope__Envelope *e = envelope_of(t, m);
    ProtobufCMessage *payload = NULL;
    json_t *j = cs_message_json(&m->base);
    const struct cs_event_type *type = e == NULL ? NULL : cs_event_type_find(e->payload_type);
    json_object_del(j, "value");
    if (e != NULL)
        json_object_set_new(j, "payload_type", json_string(e->payload_type));
    if (type != NULL &&
        cs_message_unpack(type->descriptor, cs_bytes(e->payload.data, e->payload.len), t->a,
                          &payload, NULL) == CS_OK)
        json_object_set_new(j, "payload", cs_message_json(payload));
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

/* The key of the record: what the event is about. */
static const char *key_of(struct tail *t, const Cs__Audit__Quarantined *m)
{
    const Cs__Envelope__Envelope *e = envelope_of(t, m);
    const struct cs_event_type *type = e == NULL ? NULL : cs_event_type_find(e->payload_type);
    ProtobufCMessage *payload = NULL;
    if (type == NULL ||
        cs_message_unpack(type->descriptor, cs_bytes(e->payload.data, e->payload.len), t->a,
                          &payload, NULL) != CS_OK)
        return NULL;
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(payload->descriptor, 1);
    const uint8_t *base = (const uint8_t *)payload;
    const Cs__Common__Header *h = *(Cs__Common__Header *const *)(const void *)(base + f->offset);
    return h == NULL ? NULL : h->aggregate_id;
}

static enum cs_rc send_again(struct tail *t, const Cs__Audit__Quarantined *m, struct cs_err *err)
{
    CS_AUTO(cs_kafka_producer) p = NULL;
    const char *key = key_of(t, m);
    if (m->value.len == 0 || key == NULL)
        return cs_err_set(err, CS_INVALID,
                          "the record itself is not in quarantine, or is no event "
                          "of ours: it cannot be sent again");
    CS_TRY(cs_kafka_producer_open(&t->k, &p, err));
    const struct cs_bus_producer *bus = cs_kafka_producer_port(p);
    const struct cs_record r = {.topic = m->topic,
                                .partition = m->partition,
                                .key = cs_bytes_str(key),
                                .value = cs_bytes(m->value.data, m->value.len)};
    CS_TRY(bus->send(bus->self, &r, NULL, NULL, err));
    return bus->flush(bus->self, 10000, err);
}

static bool at_place(struct tail *t, const Cs__Audit__Quarantined *m, void *ctx)
{
    struct place *p = ctx;
    char here[160];
    if (cs_strf(here, sizeof(here), NULL, "%s/%d@%lld", m->topic, m->partition,
                (long long)m->offset) != CS_OK ||
        strcmp(here, p->text) != 0)
        return true;
    p->found = true;
    if (p->retry)
        p->err.rc = send_again(t, m, &p->err);
    else
        show_one(t, m);
    return false;
}

static enum cs_rc with_place(struct tail *t, const struct cli_args *args, bool retry,
                             struct cs_err *err)
{
    struct place p = {.retry = retry};
    const char *const *words = NULL;
    if (cli_words(args, &words) != 1)
        return cs_err_set(err, CS_INVALID, "say which record, like cs.commands/0@17");
    CS_TRY(cs_strf(p.text, sizeof(p.text), err, "%s", words[0]));
    CS_TRY(read_all(t, args, at_place, &p, err));
    if (!p.found)
        return cs_err_set(err, CS_NOT_FOUND, "%s is not in quarantine", p.text);
    if (p.err.rc != CS_OK)
        *err = p.err;
    else if (retry)
        printf("%s was sent again\n", p.text);
    return p.err.rc;
}

static enum cs_rc show(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    return with_place(t, args, false, err);
}

static enum cs_rc retry(struct tail *t, const struct cli_args *args, struct cs_err *err)
{
    return with_place(t, args, true, err);
}

static int run_show(const struct cli_args *args)
{
    return run_with(args, show);
}

static int run_retry(const struct cli_args *args)
{
    return run_with(args, retry);
}

#define KAFKA_FLAG                                                                                 \
    {                                                                                              \
        "kafka", CLI_VALUE, "COUNTERSIGN_KAFKA", NULL, "Kafka's bootstrap servers."                \
    }
#define JSON_FLAG                                                                                  \
    {                                                                                              \
        "json", CLI_SWITCH, NULL, NULL, "One JSON object a line."                                  \
    }

static const struct cli_flag tail_flags[] = {
    KAFKA_FLAG,
    {"trust", CLI_VALUE, "COUNTERSIGN_TRUST", NULL, "The trust root file (root.pub)."},
    {"registry", CLI_VALUE, NULL, NULL, "The registry; registry.bin beside root.pub without it."},
    {"topic", CLI_LIST, NULL, NULL, "Topics; cs.events without it."},
    {"from-beginning", CLI_SWITCH, NULL, NULL, "From the first record that Kafka still has."},
    {"until-end", CLI_SWITCH, NULL, NULL, "Stop when nothing more comes."},
    {"count", CLI_VALUE, NULL, NULL, "Stop after that many."},
    {"request", CLI_VALUE, NULL, NULL, "Only this signing request."},
    JSON_FLAG,
    CLI_FLAGS_END};
static const struct cli_flag quarantine_flags[] = {KAFKA_FLAG, JSON_FLAG, CLI_FLAGS_END};

const struct cli_command cli_events[] = {
    {"events tail", "Follows events as they happen, verifying each one.", "", tail_flags, run_tail},
    {"quarantine list", "Lists records that a service refused, with the reason.", "",
     quarantine_flags, run_list},
    {"quarantine show", "Shows one refused record.", "TOPIC/PARTITION@OFFSET", quarantine_flags,
     run_show},
    {"quarantine retry", "Sends a refused record again, once its cause is gone.",
     "TOPIC/PARTITION@OFFSET", quarantine_flags, run_retry},
    {NULL, NULL, NULL, NULL, NULL}};
