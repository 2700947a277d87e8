/* What reaches the bus never has a hole in the numbers of one boot, however the bus fails: that is
 * what lets an audit say that an event was taken away. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/uuid.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "publish/publish.h"

#include "proto/commands.pb-c.h"

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { KEPT = 4096, BOOTS = 64 };

/* A bus of one partition that loses what its script says, and keeps what it took. */
struct bus {
    struct cs_bus_producer port;
    pthread_mutex_t lock;
    unsigned sends;
    bool (*loses)(unsigned send);
    struct {
        char boot[CS_UUID_TEXT];
        uint64_t number;
    } kept[KEPT];
    size_t n;
};

static void keep(struct bus *b, const struct cs_record *r)
{
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    struct cs_err err = {0};
    assert_ok(cs_envelope_parse(r->value, 0, a, &raw, &err), &err);
    assert_ok(
        cs_message_unpack(&cs__commands__cancel_requested__descriptor, raw.payload, a, &m, &err),
        &err);
    const Cs__Common__Header *h = ((const Cs__Commands__CancelRequested *)m)->header;
    assert_true(b->n < KEPT);
    memcpy(b->kept[b->n].boot, h->boot_id, CS_UUID_TEXT);
    b->kept[b->n++].number = h->boot_sequence;
}

static enum cs_rc send_record(void *self, const struct cs_record *r, cs_bus_done *done, void *ctx,
                              struct cs_err *err)
{
    struct bus *b = self;
    (void)err;
    pthread_mutex_lock(&b->lock);
    const bool lost = b->loses(++b->sends);
    if (!lost)
        keep(b, r);
    pthread_mutex_unlock(&b->lock);
    done(ctx, lost ? CS_RETRY : CS_OK, 0, lost ? "timed out" : "");
    return CS_OK;
}

static enum cs_rc one_partition(void *self, const char *topic, int *out, struct cs_err *err)
{
    (void)self;
    (void)topic;
    (void)err;
    *out = 1;
    return CS_OK;
}

static enum cs_rc flush(void *self, int timeout_ms, struct cs_err *err)
{
    (void)self;
    (void)timeout_ms;
    (void)err;
    return CS_OK;
}

static void abandon(void *self)
{
    (void)self;
}

struct counts {
    atomic_int ok;
    atomic_int lost;
};

static void count(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    struct counts *c = ctx;
    (void)offset;
    (void)detail;
    atomic_fetch_add(rc == CS_OK ? &c->ok : &c->lost, 1);
}

static void publish_some(struct cs_publisher *p, struct counts *c, int n)
{
    for (int i = 0; i < n; i++) {
        Cs__Common__Header h = CS__COMMON__HEADER__INIT;
        Cs__Commands__CancelRequested m = CS__COMMANDS__CANCEL_REQUESTED__INIT;
        char id[CS_UUID_TEXT];
        struct cs_err err = {0};
        cs_uuid_random(id);
        h.event_id = id;
        m.header = &h;
        m.request_id = id;
        const struct cs_publication e = {.topic = "cs.commands", .key = id, .message = &m.base};
        assert_ok(cs_publish(p, &e, count, c, &err), &err);
    }
}

/* Every number of a boot up to its highest one arrived. */
static void assert_no_holes(const struct bus *b)
{
    for (size_t i = 0; i < b->n; i++) {
        for (uint64_t number = 1; number < b->kept[i].number; number++) {
            bool found = false;
            for (size_t k = 0; k < b->n && !found; k++)
                found =
                    b->kept[k].number == number && strcmp(b->kept[k].boot, b->kept[i].boot) == 0;
            if (!found)
                fail_msg("number %llu of boot %s never arrived, %llu did",
                         (unsigned long long)number, b->kept[i].boot,
                         (unsigned long long)b->kept[i].number);
        }
    }
}

static bool never(unsigned send)
{
    (void)send;
    return false;
}

static bool every_seventh(unsigned send)
{
    return send % 7 == 0;
}

static bool for_a_while(unsigned send)
{
    return send > 20 && send < 60;
}

static void no_hole_however_the_bus_fails(void **state)
{
    static bool (*const scripts[])(unsigned) = {never, every_seventh, for_a_while};
    static const uint8_t seed[32] = {3};
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        static struct bus b;
        struct counts c = {0};
        struct cs_publisher *p = NULL;
        struct cs_err err = {0};
        CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
        memset(&b, 0, sizeof(b));
        pthread_mutex_init(&b.lock, NULL);
        b.loses = scripts[i];
        b.port = (struct cs_bus_producer){.self = &b,
                                          .send = send_record,
                                          .partitions = one_partition,
                                          .flush = flush,
                                          .abandon = abandon};
        const struct cs_publisher_options o = {.bus = &b.port,
                                               .key = key,
                                               .environment = "test",
                                               .producer_id = "gateway",
                                               .instance_id = "1"};
        assert_ok(cs_publisher_open(&o, &p, &err), &err);
        publish_some(p, &c, 300);
        cs_publisher_close(p);
        /* Everybody heard, and what was called acknowledged is there. */
        assert_int_equal(atomic_load(&c.ok) + atomic_load(&c.lost), 300);
        assert_true((size_t)atomic_load(&c.ok) <= b.n);
        if (i == 0)
            assert_int_equal(atomic_load(&c.ok), 300);
        else
            assert_true(atomic_load(&c.lost) > 0 && atomic_load(&c.ok) > 0);
        assert_no_holes(&b);
        pthread_mutex_destroy(&b.lock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_hole_however_the_bus_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
