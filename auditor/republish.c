/* cs.audit; see republish.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "republish.h"

#include "base/arena.h"
#include "base/mem.h"
#include "codec/message.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum { BATCH_BUNDLES = 4, WAIT_MS = 10000, LEAF_ARENA = 256 << 10, BUNDLE_BYTES = 17 << 20 };

/* Who waits for one leaf. Lives as long as the republisher, so a late answer finds it. */
struct sent {
    struct republish *r;
    uint64_t index;
};

struct republish {
    const struct cs_bus_producer *bus;
    struct store *store;
    struct cs_arena *arena;
    struct cs_buf bytes;
    struct sent sent[CS_TLOG_TILE];
    atomic_size_t pending;
    atomic_ullong failed_at; /* lowest index that was not taken */
};

enum cs_rc republish_open(const struct cs_bus_producer *bus, struct store *store,
                          struct republish **out, struct cs_err *err)
{
    struct republish *r = cs_calloc(1, sizeof(*r));
    if (r == NULL || (r->arena = cs_arena_new(LEAF_ARENA)) == NULL) {
        cs_free(r);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    r->bus = bus;
    r->store = store;
    r->bytes = CS_BUF_INIT(BUNDLE_BYTES);
    *out = r;
    return CS_OK;
}

void republish_close(struct republish *r)
{
    if (r == NULL)
        return;
    cs_arena_free(r->arena);
    cs_buf_done(&r->bytes);
    cs_free(r);
}

static void note_failure(struct republish *r, uint64_t index)
{
    unsigned long long lowest = atomic_load(&r->failed_at);
    while (index < lowest && !atomic_compare_exchange_weak(&r->failed_at, &lowest, index))
        continue;
}

static void answered(void *ctx, enum cs_rc rc, int64_t offset, const char *detail)
{
    const struct sent *s = ctx;
    (void)offset;
    (void)detail;
    if (rc != CS_OK)
        note_failure(s->r, s->index);
    atomic_fetch_sub(&s->r->pending, 1);
}

static enum cs_rc send_leaf(struct republish *r, struct sent *slot, uint64_t index,
                            struct cs_bytes entry, struct cs_err *err)
{
    Cs__Audit__Leaf m = CS__AUDIT__LEAF__INIT;
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = entry.ptr};
    struct cs_record record = {.topic = "cs.audit", .partition = 0};
    cs_arena_reset(r->arena);
    m.index = index;
    m.entry = (ProtobufCBinaryData){.data = u.out, .len = entry.len};
    CS_TRY(cs_message_pack(&m.base, r->arena, &record.value, err));
    *slot = (struct sent){.r = r, .index = index};
    atomic_fetch_add(&r->pending, 1);
    const enum cs_rc rc = r->bus->send(r->bus->self, &record, answered, slot, err);
    if (rc != CS_OK)
        atomic_fetch_sub(&r->pending, 1);
    return rc;
}

/* The rest of one bundle. */
static enum cs_rc send_bundle(struct republish *r, struct state *st, struct cs_err *err)
{
    struct cs_bytes entries[CS_TLOG_TILE];
    size_t n = 0;
    const uint64_t bundle = st->republished / CS_TLOG_TILE;
    CS_TRY(store_read_bundle(r->store, bundle, &r->bytes, entries, &n, err));
    for (size_t i = st->republished % CS_TLOG_TILE; i < n; i++) {
        const uint64_t index = bundle * CS_TLOG_TILE + i;
        if (send_leaf(r, &r->sent[i], index, entries[i], err) != CS_OK) {
            note_failure(r, index);
            break;
        }
    }
    CS_TRY(r->bus->flush(r->bus->self, WAIT_MS, err));
    const uint64_t failed = atomic_load(&r->failed_at);
    const uint64_t end = bundle * CS_TLOG_TILE + n;
    st->republished = failed < end ? failed : end;
    if (failed < end)
        return cs_err_set(err, CS_RETRY, "Kafka did not take leaf %llu on cs.audit",
                          (unsigned long long)failed);
    return CS_OK;
}

enum cs_rc republish_step(struct republish *r, bool *changed, struct cs_err *err)
{
    struct state *st = store_state(r->store);
    const uint64_t before = st->republished;
    enum cs_rc rc = CS_OK;
    *changed = false;
    /* Slots of an earlier batch may still be waiting for their answers. */
    if (atomic_load(&r->pending) > 0)
        CS_TRY(r->bus->flush(r->bus->self, WAIT_MS, err));
    if (atomic_load(&r->pending) > 0)
        return cs_err_set(err, CS_RETRY, "Kafka has not answered yet");
    atomic_store(&r->failed_at, UINT64_MAX);
    for (int i = 0; i < BATCH_BUNDLES && st->republished < st->size && rc == CS_OK; i++)
        rc = send_bundle(r, st, err);
    *changed = st->republished != before;
    return rc;
}
