/* The scheduler's SQL: everything of one batch in one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "base/log.h"
#include "batch.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum { MAX_QUARANTINED = 40 * 1024 };

/* A zombie that was declared dead while it stalled finds another epoch and changes nothing. */
enum cs_rc store_check_owner(struct batch *b, int partition, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VI(partition)};
    const struct owned *o = &b->s->owned[partition];
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT epoch FROM partition_owners WHERE partition_no=? LOCK IN SHARE MODE",
                       v, 1, b->a, &rows, err));
    if (CS_GUARD("scheduler-epoch") &&
        (rows.rows != 1 || (uint64_t)cs_cell_int(&rows, 0, 0) != o->epoch))
        return cs_err_code(err, CS_FATAL, "scheduler.epoch",
                           "partition %d belongs to another scheduler now", partition);
    return CS_OK;
}

enum cs_rc store_seen(struct batch *b, const char *event_id, int partition, bool *again,
                      struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT(event_id), CS_VI(partition), CS_VI(b->now_ms)};
    uint64_t affected = 0;
    CS_TRY(cs_db_exec(b->s->db,
                      "INSERT IGNORE INTO inbox(event_id, partition_no, at_ms) VALUES(?,?,?)", v, 3,
                      &affected, err));
    *again = CS_GUARD("scheduler-inbox") && affected == 0;
    return CS_OK;
}

enum cs_rc store_offset(struct batch *b, const char *topic, int partition, int64_t next,
                        struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT(topic), CS_VI(partition), CS_VI(next)};
    return cs_db_exec(b->s->db,
                      "INSERT INTO consumed_offsets(topic, partition_no, next_offset) "
                      "VALUES(?,?,?) ON DUPLICATE KEY UPDATE next_offset=VALUES(next_offset)",
                      v, 3, NULL, err);
}

static struct cs_value text_or_null(bool present, int64_t v)
{
    return present ? CS_VI(v) : CS_VNULL;
}

/* The next time something happens by itself: the reminder at half time, then the deadline. */
static int64_t timer_of(const Cs__Store__RequestRecord *r)
{
    if (r->state != CS__EVENTS__STATE__STATE_AWAITING_APPROVAL || r->reminded)
        return r->deadline_ms;
    return r->reminder_at_ms;
}

static enum cs_rc insert_request(struct batch *b, const struct request *q, struct cs_bytes record,
                                 struct cs_err *err)
{
    const Cs__Store__RequestRecord *r = q->r;
    const Cs__Common__Artifact *artifact = q->submitted->artifact;
    const bool final = machine_final(r->state);
    const struct cs_value v[] = {
        CS_VT(r->request_id),
        CS_VI(q->partition),
        CS_VT(r->organization_id),
        CS_VT(r->project_id),
        CS_VT(r->policy_id),
        CS_VT(q->submitted->submitter == NULL ? "" : q->submitted->submitter->user_id),
        artifact == NULL ? CS_VNULL : CS_VB(sched_bytes(&artifact->sha256)),
        CS_VI(r->state),
        CS_VI(r->version),
        CS_VT(r->lane),
        CS_VT(r->pool),
        CS_VI(r->submitted_at_ms),
        text_or_null(r->queued_at_ms != 0, r->queued_at_ms),
        CS_VI(r->policy_revision),
        text_or_null(!final, timer_of(r)),
        text_or_null(final, r->finished_at_ms),
        CS_VB(record)};
    return cs_db_exec(
        b->s->db,
        "INSERT INTO requests(request_id, partition_no, organization_id, project_id, policy_id, "
        "submitter_id, artifact_sha256, state, version, lane, pool, submitted_at_ms, queued_at_ms, "
        "policy_revision, timer_at_ms, finished_at_ms, record) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        v, sizeof(v) / sizeof(v[0]), NULL, err);
}

static enum cs_rc update_request(struct batch *b, const struct request *q, struct cs_bytes record,
                                 struct cs_err *err)
{
    const Cs__Store__RequestRecord *r = q->r;
    const bool final = machine_final(r->state);
    uint64_t affected = 0;
    const struct cs_value v[] = {CS_VI(r->state),
                                 CS_VI(r->version),
                                 CS_VT(r->lane),
                                 CS_VT(r->pool),
                                 text_or_null(r->queued_at_ms != 0, r->queued_at_ms),
                                 CS_VI(r->policy_revision),
                                 text_or_null(!final, timer_of(r)),
                                 text_or_null(final, r->finished_at_ms),
                                 CS_VB(record),
                                 CS_VT(r->request_id),
                                 CS_VI(q->loaded_version)};
    const char *sql =
        CS_GUARD("scheduler-version-cas")
            ? "UPDATE requests SET state=?, version=?, lane=?, pool=?, queued_at_ms=?, "
              "policy_revision=?, timer_at_ms=?, finished_at_ms=?, record=? "
              "WHERE request_id=? AND version=?"
            : "UPDATE requests SET state=?, version=?, lane=?, pool=?, queued_at_ms=?, "
              "policy_revision=?, timer_at_ms=?, finished_at_ms=?, record=? "
              "WHERE request_id=? AND ? IS NOT NULL";
    CS_TRY(cs_db_exec(b->s->db, sql, v, sizeof(v) / sizeof(v[0]), &affected, err));
    if (affected == 1)
        return CS_OK;
    return cs_err_set(err, CS_CONFLICT, "request %s was changed by somebody else", r->request_id);
}

static enum cs_rc insert_final(struct batch *b, const struct request *q, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT(q->r->request_id), CS_VI(q->r->state),
                                 CS_VT(q->final_event_id), CS_VI(b->now_ms)};
    const enum cs_rc rc = cs_db_exec(
        b->s->db, "INSERT INTO final_states(request_id, state, event_id, at_ms) VALUES(?,?,?,?)", v,
        4, NULL, err);
    if (rc != CS_EXISTS)
        return rc;
    return cs_err_code(err, CS_FATAL, "scheduler.two_final_states",
                       "request %s has a final state already", q->r->request_id);
}

enum cs_rc store_save_requests(struct batch *b, struct cs_err *err)
{
    for (struct request *q = b->requests; q != NULL; q = q->next) {
        struct cs_bytes record;
        if (!q->dirty)
            continue;
        CS_TRY(cs_message_pack(&q->r->base, b->a, &record, err));
        CS_TRY(q->loaded_version == 0 ? insert_request(b, q, record, err)
                                      : update_request(b, q, record, err));
        if (q->finished)
            CS_TRY(insert_final(b, q, err));
        q->finished = false;
        q->dirty = false;
        q->loaded_version = q->r->version;
    }
    return CS_OK;
}

/* Everything that was not sealed alone is sealed together: one signature for the batch. */
static enum cs_rc seal_all(struct batch *b, struct cs_err *err)
{
    struct cs_payload *p = cs_arena_alloc(b->a, (b->n_emissions + 1) * sizeof(*p));
    struct cs_bytes *sealed = cs_arena_alloc(b->a, (b->n_emissions + 1) * sizeof(*sealed));
    size_t n = 0;
    size_t i = 0;
    if (p == NULL || sealed == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    for (const struct emission *e = b->emissions; e != NULL; e = e->next) {
        if (e->envelope.ptr == NULL)
            p[n++] = (struct cs_payload){.type = e->type, .bytes = e->payload};
    }
    for (size_t at = 0; at < n; at += CS_MERKLE_MAX_LEAVES) {
        const size_t some = n - at < CS_MERKLE_MAX_LEAVES ? n - at : CS_MERKLE_MAX_LEAVES;
        CS_TRY(cs_envelope_seal(b->s->key, p + at, some, b->a, sealed + at, err));
    }
    for (struct emission *e = b->emissions; e != NULL; e = e->next) {
        if (e->envelope.ptr == NULL)
            e->envelope = sealed[i++];
    }
    return CS_OK;
}

enum cs_rc store_save_outbox(struct batch *b, struct cs_err *err)
{
    CS_TRY(seal_all(b, err));
    for (const struct emission *e = b->emissions; e != NULL; e = e->next) {
        const struct cs_value v[] = {CS_VI(e->owner), CS_VT(e->topic), CS_VI(e->partition),
                                     CS_VT(e->key), CS_VB(e->envelope)};
        CS_TRY(cs_db_exec(b->s->db,
                          "INSERT INTO outbox(partition_no, topic, topic_partition, record_key, "
                          "envelope) VALUES(?,?,?,?,?)",
                          v, 5, NULL, err));
    }
    b->s->relay_due = b->s->relay_due || b->n_emissions > 0;
    return CS_OK;
}

static const ProtobufCMessageDescriptor *descriptor_of(Cs__Config__EntityKind kind)
{
    if (kind == CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY)
        return &cs__config__signing_policy__descriptor;
    if (kind == CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE)
        return &cs__config__certificate__descriptor;
    return &cs__config__artifact_configuration__descriptor;
}

enum cs_rc store_config_open(struct batch *b, struct cs_bytes envelope, struct config_at *out,
                             struct cs_err *err)
{
    struct cs_event e;
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_open(b->s->opener, envelope, NULL, -1, b->a, &e, err));
    if (strcmp(e.type->name, "cs.config.ConfigChanged") != 0)
        return cs_err_code(err, CS_DENIED, "config.type", "it is a %s", e.type->name);
    const Cs__Config__ConfigChanged *cc = (const Cs__Config__ConfigChanged *)e.message;
    CS_TRY(cs_message_unpack(descriptor_of(cc->kind), sched_bytes(&cc->body), b->a, &m, err));
    *out = (struct config_at){.envelope = envelope,
                              .body = sched_bytes(&cc->body),
                              .revision = cc->revision,
                              .entity = m};
    return CS_OK;
}

enum cs_rc store_config(struct batch *b, const char *entity_id, Cs__Config__EntityKind kind,
                        struct config_at *out, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(entity_id), CS_VI(kind)};
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT envelope FROM config_revisions "
                       "WHERE entity_id=? AND kind=? AND is_head AND NOT deleted",
                       v, 2, b->a, &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_NOT_FOUND, "no configuration of %s", entity_id);
    return store_config_open(b, cs_cell(&rows, 0, 0), out, err);
}

enum cs_rc store_quarantine(struct batch *b, const struct cs_record *r, const struct cs_err *why,
                            struct cs_err *err)
{
    Cs__Audit__Quarantined m = CS__AUDIT__QUARANTINED__INIT;
    struct cs_bytes bytes;
    uint8_t sha256[CS_SHA256_SIZE];
    const bool fits = r->value.len <= MAX_QUARANTINED;
    const struct cs_value v[] = {CS_VT(r->topic),    CS_VI(r->partition), CS_VI(r->offset),
                                 CS_VT("scheduler"), CS_VT(why->code),    CS_VT(why->msg),
                                 CS_VI(b->now_ms),   CS_VB(r->key),       CS_VB(r->value)};
    cs_log_error("record.quarantined", CS_KS("topic", r->topic), CS_KI("partition", r->partition),
                 CS_KI("offset", r->offset), CS_KS("code", why->code), CS_KERR(why));
    CS_TRY(cs_db_exec(b->s->db,
                      "INSERT IGNORE INTO quarantine(topic, partition_no, record_offset, reader, "
                      "code, reason, at_ms, record_key, value) VALUES(?,?,?,?,?,?,?,?,?)",
                      v, 9, NULL, err));
    cs_sha256(r->value.ptr, r->value.len, sha256);
    m.topic = sched_text(r->topic);
    m.partition = r->partition;
    m.offset = r->offset;
    m.reader = sched_text("scheduler");
    m.code = sched_text(why->code);
    m.reason = sched_text(why->msg);
    m.at_ms = b->now_ms;
    m.value_sha256 = sched_data(cs_bytes(sha256, sizeof(sha256)));
    if (fits)
        m.value = sched_data(r->value);
    CS_TRY(cs_message_pack(&m.base, b->a, &bytes, err));
    return batch_emit_raw(b, r->partition, "cs.quarantine", "scheduler", bytes, err);
}
