/* Requests and events of one transaction; see batch.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "model/ids.h"

#include <string.h>

void batch_begin(struct batch *b, struct sched *s)
{
    cs_arena_reset(s->arena);
    *b = (struct batch){.s = s, .a = s->arena, .now_ms = cs_now_ms(), .cause = ""};
    b->last = &b->emissions;
    for (size_t i = 0; i < s->n_sequences; i++) /* what a rolled back batch took is free again */
        s->sequences[i].next = s->sequences[i].kept;
}

static enum cs_rc nomem(struct cs_err *err)
{
    return cs_err_set(err, CS_NOMEM, "the batch needs too much memory");
}

static enum cs_rc open_submitted(struct batch *b, struct request *q, struct cs_err *err)
{
    struct cs_event e;
    CS_TRY(cs_open(b->s->opener, sched_bytes(&q->r->request_envelope), NULL, -1, b->a, &e, err));
    if (strcmp(e.type->name, "cs.commands.RequestSubmitted") != 0)
        return cs_err_set(err, CS_FATAL, "the record of %s holds no RequestSubmitted",
                          q->r->request_id);
    q->submitted = (const Cs__Commands__RequestSubmitted *)e.message;
    q->submitted_payload = e.payload;
    return CS_OK;
}

static enum cs_rc load(struct batch *b, const char *request_id, struct request **out,
                       struct cs_err *err)
{
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(request_id)};
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT record, version, partition_no FROM requests WHERE request_id=?", v,
                       1, b->a, &rows, err));
    if (rows.rows == 0)
        return CS_OK;
    struct request *q = cs_arena_alloc(b->a, sizeof(*q));
    if (q == NULL)
        return nomem(err);
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 0), b->a, &m,
                             err));
    q->r = (Cs__Store__RequestRecord *)m;
    q->loaded_version = (uint64_t)cs_cell_int(&rows, 0, 1);
    q->partition = (int)cs_cell_int(&rows, 0, 2);
    CS_TRY(open_submitted(b, q, err));
    q->next = b->requests;
    b->requests = q;
    *out = q;
    return CS_OK;
}

enum cs_rc batch_request(struct batch *b, const char *request_id, struct request **out,
                         struct cs_err *err)
{
    *out = NULL;
    for (struct request *q = b->requests; q != NULL; q = q->next) {
        if (strcmp(q->r->request_id, request_id) == 0) {
            *out = q;
            return CS_OK;
        }
    }
    return load(b, request_id, out, err);
}

enum cs_rc batch_new_request(struct batch *b, const struct cs_event *e, int partition,
                             struct request **out, struct cs_err *err)
{
    const Cs__Commands__RequestSubmitted *m = (const Cs__Commands__RequestSubmitted *)e->message;
    struct request *q = cs_arena_alloc(b->a, sizeof(*q));
    Cs__Store__RequestRecord *r = cs_arena_alloc(b->a, sizeof(*r));
    const void *envelope = cs_arena_memdup(b->a, e->envelope.ptr, e->envelope.len);
    if (q == NULL || r == NULL || envelope == NULL)
        return nomem(err);
    cs__store__request_record__init(r);
    r->request_id = m->request_id;
    r->organization_id = m->organization_id;
    r->project_id = m->project_id;
    r->policy_id = m->policy_id;
    r->state = CS__EVENTS__STATE__STATE_RECEIVED;
    r->request_envelope = sched_data(cs_bytes(envelope, e->envelope.len));
    r->submitted_at_ms = e->header->occurred_at_ms;
    r->is_hash = m->hash != NULL;
    q->r = r;
    q->partition = partition;
    q->submitted = m;
    q->submitted_payload = e->payload;
    q->dirty = true;
    q->next = b->requests;
    b->requests = q;
    *out = q;
    return CS_OK;
}

static struct sequence *sequence_of(struct sched *s, const char *topic, int partition)
{
    for (size_t i = 0; i < s->n_sequences; i++) {
        if (s->sequences[i].partition == partition && strcmp(s->sequences[i].topic, topic) == 0)
            return &s->sequences[i];
    }
    if (s->n_sequences == SCHED_LANES || strlen(topic) >= sizeof(s->sequences[0].topic))
        return NULL;
    struct sequence *q = &s->sequences[s->n_sequences++];
    *q = (struct sequence){.partition = partition};
    memcpy(q->topic, topic, strlen(topic) + 1);
    return q;
}

static unsigned ordinal_of(const struct batch *b, const char *type)
{
    unsigned n = 0;
    for (const struct emission *e = b->emissions; e != NULL; e = e->next)
        n += e->cause == b->cause && e->type != NULL && strcmp(e->type, type) == 0;
    return n;
}

static enum cs_rc fill_header(struct batch *b, const struct request *q, struct emission *e,
                              Cs__Common__Header *h, struct cs_err *err)
{
    struct sequence *seq = sequence_of(b->s, e->topic, e->partition);
    char *event_id = cs_arena_alloc(b->a, CS_UUID_TEXT);
    if (seq == NULL || event_id == NULL)
        return nomem(err);
    cs_event_id_derive(b->cause, e->type, ordinal_of(b, e->type), event_id);
    h->event_id = event_id;
    h->event_type = sched_text(e->type);
    h->environment = sched_text(cs_trust_environment(b->s->trust));
    h->aggregate_id = q->r->request_id;
    h->aggregate_sequence = q->r->version;
    h->cause_event_id = sched_text(b->cause);
    h->producer_id = sched_text("scheduler");
    h->instance_id = sched_text(b->s->instance);
    h->boot_id = b->s->boot_id;
    h->boot_sequence = ++seq->next;
    h->topic = sched_text(e->topic);
    h->partition = e->partition;
    h->occurred_at_ms = b->now_ms;
    h->schema_version = CS_SCHEMA_VERSION;
    h->min_reader_version = 1;
    h->traceparent = q->submitted->header->traceparent;
    return CS_OK;
}

static void append(struct batch *b, struct emission *e)
{
    *b->last = e;
    b->last = &e->next;
    b->n_emissions++;
}

enum cs_rc batch_emit(struct batch *b, struct request *q, const char *topic, ProtobufCMessage *m,
                      Cs__Common__Header *h, struct cs_bytes *envelope, struct cs_err *err)
{
    int partitions = 0;
    struct emission *e = cs_arena_alloc(b->a, sizeof(*e));
    if (e == NULL)
        return nomem(err);
    CS_TRY(b->s->bus->partitions(b->s->bus->self, topic, &partitions, err));
    e->topic = cs_arena_strdup(b->a, topic);
    e->partition = cs_partition_of(q->r->request_id, partitions);
    e->owner = q->partition;
    e->key = q->r->request_id;
    e->type = m->descriptor->name;
    e->cause = b->cause;
    if (e->topic == NULL)
        return nomem(err);
    CS_TRY(fill_header(b, q, e, h, err));
    CS_TRY(cs_message_pack(m, b->a, &e->payload, err));
    if (envelope != NULL) {
        const struct cs_payload p = {.type = e->type, .bytes = e->payload};
        CS_TRY(cs_envelope_seal(b->s->key, &p, 1, b->a, &e->envelope, err));
        *envelope = e->envelope;
    }
    append(b, e);
    return CS_OK;
}

enum cs_rc batch_emit_raw(struct batch *b, int owner, const char *topic, const char *key,
                          struct cs_bytes value, struct cs_err *err)
{
    struct emission *e = cs_arena_alloc(b->a, sizeof(*e));
    if (e == NULL)
        return nomem(err);
    *e = (struct emission){
        .topic = topic, .owner = owner, .key = key, .cause = "", .envelope = value};
    append(b, e);
    return CS_OK;
}

static Cs__Common__Artifact *artifact_of(const struct request *q)
{
    return q->submitted->artifact;
}

static enum cs_rc tell(struct batch *b, struct request *q, Cs__Events__State before,
                       struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__RequestStateChanged m = CS__EVENTS__REQUEST_STATE_CHANGED__INIT;
    Cs__Store__RequestRecord *r = q->r;
    m.header = &h;
    m.organization_id = r->organization_id;
    m.request_id = r->request_id;
    m.project_id = r->project_id;
    m.policy_id = r->policy_id;
    m.previous = before;
    m.state = r->state;
    m.version = r->version;
    m.submitter = q->submitted->submitter;
    m.failure = r->failure;
    m.by = r->by;
    m.artifact = artifact_of(q);
    m.signed_artifact = r->signed_artifact;
    m.signature = r->signature;
    m.manifest_sha256 = r->manifest_sha256;
    m.deadline_ms = r->deadline_ms;
    m.waiting_code = r->waiting_code;
    m.waiting_message = r->waiting_message;
    CS_TRY(batch_emit(b, q, "cs.events", &m.base, &h, NULL, err));
    memcpy(q->final_event_id, h.event_id, sizeof(q->final_event_id));
    return CS_OK;
}

enum cs_rc batch_transition(struct batch *b, struct request *q, enum machine_event event,
                            struct cs_err *err)
{
    Cs__Store__RequestRecord *r = q->r;
    const Cs__Events__State before = r->state;
    const Cs__Events__State next = machine_next(before, event);
    if (next == CS__EVENTS__STATE__STATE_UNSPECIFIED)
        return cs_err_code(err, CS_INVALID, "state.not_allowed",
                           "request %s is %s: that does not happen there", r->request_id,
                           machine_name(before));
    r->state = next;
    r->version++;
    q->dirty = true;
    if (event != EV_WAIT)
        r->waiting_code = r->waiting_message = sched_text("");
    if (machine_final(next)) {
        r->finished_at_ms = b->now_ms;
        r->deadline_ms = 0;
        q->finished = true;
    }
    if (before == CS__EVENTS__STATE__STATE_SIGNING || next == CS__EVENTS__STATE__STATE_QUEUED)
        b->dispatch_due = true;
    cs_log_info("request.state", CS_KS("request", r->request_id),
                CS_KS("from", machine_name(before)), CS_KS("to", machine_name(next)));
    return event == EV_VOTE ? CS_OK : tell(b, q, before, err);
}

enum cs_rc batch_end(struct batch *b, struct request *q, enum machine_event event, const char *code,
                     const char *message, struct cs_err *err)
{
    Cs__Common__Failure *f = cs_arena_alloc(b->a, sizeof(*f));
    if (f == NULL)
        return nomem(err);
    cs__common__failure__init(f);
    f->code = cs_arena_strdup(b->a, code);
    f->message = cs_arena_strdup(b->a, message);
    if (f->code == NULL || f->message == NULL)
        return nomem(err);
    for (size_t i = 0; i < q->r->n_invitations; i++)
        CS_TRY(approval_close(b, q, q->r->invitations[i], "voided", "final", err));
    q->r->failure = f;
    return batch_transition(b, q, event, err);
}
