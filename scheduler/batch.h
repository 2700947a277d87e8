/* One transaction: records in, changed requests and sealed events out. What handlers work with.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "core/machine.h"
#include "core/policy.h"
#include "scheduler.h"

#include "proto/config.pb-c.h"
#include "proto/evidence.pb-c.h"

/* A request as this batch sees it. Lives in the batch's arena. */
struct request {
    struct request *next;
    Cs__Store__RequestRecord *r;
    const Cs__Commands__RequestSubmitted *submitted;
    struct cs_bytes submitted_payload;
    int partition;
    uint64_t loaded_version; /* 0: not in the database yet */
    bool dirty;
    bool finished; /* became final in this batch */
    char final_event_id[37];
};

/* An event on its way to the outbox. */
struct emission {
    struct emission *next;
    const char *topic;
    int partition;
    int owner;
    const char *key;
    const char *type;
    const char *cause;
    struct cs_bytes payload;
    struct cs_bytes envelope; /* sealed already, or raw (quarantine) */
};

struct batch {
    struct sched *s;
    struct cs_arena *a;
    int64_t now_ms;
    const char *cause; /* event id of what is being applied */
    struct request *requests;
    struct emission *emissions;
    struct emission **last;
    size_t n_emissions;
    bool dispatch_due;
};

void batch_begin(struct batch *b, struct sched *s);
/* CS_OK with *out NULL when there is no such request. */
enum cs_rc batch_request(struct batch *b, const char *request_id, struct request **out,
                         struct cs_err *err) CS_MUST_CHECK;
/* A new one, from its RequestSubmitted. */
enum cs_rc batch_new_request(struct batch *b, const struct cs_event *e, int partition,
                             struct request **out, struct cs_err *err) CS_MUST_CHECK;

/* Fills the header and queues the event. 'envelope' (may be NULL) asks to seal it at once. */
enum cs_rc batch_emit(struct batch *b, struct request *q, const char *topic, ProtobufCMessage *m,
                      Cs__Common__Header *h, struct cs_bytes *envelope,
                      struct cs_err *err) CS_MUST_CHECK;
/* An unsealed record for operators. */
enum cs_rc batch_emit_raw(struct batch *b, int owner, const char *topic, const char *key,
                          struct cs_bytes value, struct cs_err *err) CS_MUST_CHECK;

/* Moves the request if the table allows it and tells everybody; CS_INVALID when it does not. */
enum cs_rc batch_transition(struct batch *b, struct request *q, enum machine_event event,
                            struct cs_err *err) CS_MUST_CHECK;
/* The same for the ways to fail: keeps code and message for people. */
enum cs_rc batch_end(struct batch *b, struct request *q, enum machine_event event, const char *code,
                     const char *message, struct cs_err *err) CS_MUST_CHECK;

/* store.c: writes changed requests and the outbox. */
enum cs_rc store_save_requests(struct batch *b, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc store_save_outbox(struct batch *b, struct cs_err *err) CS_MUST_CHECK;
/* The newest revision of an entity, opened. CS_NOT_FOUND. */
struct config_at {
    struct cs_bytes envelope;
    struct cs_bytes body;
    uint64_t revision;
    const ProtobufCMessage *entity;
};
enum cs_rc store_config(struct batch *b, const char *entity_id, Cs__Config__EntityKind kind,
                        struct config_at *out, struct cs_err *err) CS_MUST_CHECK;
/* The same from an envelope that a record kept. */
enum cs_rc store_config_open(struct batch *b, struct cs_bytes envelope, struct config_at *out,
                             struct cs_err *err) CS_MUST_CHECK;
enum cs_rc store_seen(struct batch *b, const char *event_id, int partition, bool *again,
                      struct cs_err *err) CS_MUST_CHECK;
enum cs_rc store_offset(struct batch *b, const char *topic, int partition, int64_t next,
                        struct cs_err *err) CS_MUST_CHECK;
enum cs_rc store_check_owner(struct batch *b, int partition, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc store_quarantine(struct batch *b, const struct cs_record *r, const struct cs_err *why,
                            struct cs_err *err) CS_MUST_CHECK;

/* The steps, by what makes them happen. */
enum cs_rc commands_apply(struct batch *b, const struct cs_event *e, int partition,
                          struct cs_err *err) CS_MUST_CHECK;
enum cs_rc results_apply(struct batch *b, const struct cs_event *e, int partition,
                         struct cs_err *err) CS_MUST_CHECK;
enum cs_rc notices_apply(struct batch *b, const struct cs_event *e, int partition,
                         struct cs_err *err) CS_MUST_CHECK;
enum cs_rc decisions_apply(struct batch *b, const struct cs_event *e,
                           struct cs_err *err) CS_MUST_CHECK;
enum cs_rc timers_apply(struct batch *b, struct request *q, struct cs_err *err) CS_MUST_CHECK;

/* approval.c */
enum cs_rc approval_inspect(struct batch *b, struct request *q, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc approval_begin(struct batch *b, struct request *q, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc approval_authorize(struct batch *b, struct request *q, struct cs_err *err) CS_MUST_CHECK;
/* Sends the invitations of an approver again under a new secret. */
enum cs_rc approval_want(struct batch *b, struct request *q, const char *approver_id,
                         unsigned generation, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc approval_close(struct batch *b, struct request *q, Cs__Store__Invitation *inv,
                          const char *state, const char *reason, struct cs_err *err) CS_MUST_CHECK;

/* dispatch.c: QUEUED requests to the signers, as the meter allows. */
enum cs_rc dispatch_run(struct batch *b, struct cs_err *err) CS_MUST_CHECK;

/* Message fields are char *, and nothing writes through them. */
static inline char *sched_text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}
static inline ProtobufCBinaryData sched_data(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}
static inline struct cs_bytes sched_bytes(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}
