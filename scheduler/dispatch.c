/* Sends waiting requests to the signers: evidence bundle as a blob, job as an event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "base/uuid.h"
#include "batch.h"
#include "codec/message.h"
#include "core/meter.h"
#include "crypto/hash.h"

#include "proto/jobs.pb-c.h"

#include <string.h>

enum { MAX_LOADS = 256, MAX_WAITING = 500 };

/* The bundle proves everything that keyd asks about; the manifest is a blob of its own. */
static enum cs_rc write_bundle(struct batch *b, struct request *q, struct cs_err *err)
{
    Cs__Evidence__EvidenceBundle e = CS__EVIDENCE__EVIDENCE_BUNDLE__INIT;
    Cs__Store__RequestRecord *r = q->r;
    struct cs_bytes bytes;
    char hex[2 * CS_SHA256_SIZE + 1];
    uint8_t *sha256 = cs_arena_alloc(b->a, CS_SHA256_SIZE);
    ProtobufCBinaryData *invitations =
        cs_arena_alloc(b->a, (r->n_votes + 1) * sizeof(*invitations));
    ProtobufCBinaryData *decisions = cs_arena_alloc(b->a, (r->n_votes + 1) * sizeof(*decisions));
    if (sha256 == NULL || invitations == NULL || decisions == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    e.invitations = invitations;
    e.decisions = decisions;
    for (size_t i = 0; i < r->n_votes; i++) {
        decisions[e.n_decisions++] = r->votes[i]->envelope;
        for (size_t k = 0; k < r->n_invitations; k++) {
            if (r->votes[i]->invitation_id[0] != '\0' &&
                strcmp(r->invitations[k]->invitation_id, r->votes[i]->invitation_id) == 0)
                invitations[e.n_invitations++] = r->invitations[k]->envelope;
        }
    }
    e.request = r->request_envelope;
    e.inspection = r->inspection_envelope;
    e.authorization = r->authorization_envelope;
    e.policy = r->policy_envelope;
    e.certificate = r->certificate_envelope;
    CS_TRY(cs_message_pack(&e.base, b->a, &bytes, err));
    cs_sha256(bytes.ptr, bytes.len, sha256);
    cs_hex_encode(sha256, CS_SHA256_SIZE, hex);
    const char *name = cs_arena_printf(b->a, "evidence/%s", hex);
    if (name == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_blob_put(b->s->blobs, name, bytes, NULL, err));
    r->evidence_sha256 = sched_data(cs_bytes(sha256, CS_SHA256_SIZE));
    return CS_OK;
}

static enum cs_rc send_job(struct batch *b, struct request *q, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Jobs__SigningJob m = CS__JOBS__SIGNING_JOB__INIT;
    Cs__Store__RequestRecord *r = q->r;
    char *job_id = cs_arena_alloc(b->a, CS_UUID_TEXT);
    const char *topic = cs_arena_printf(b->a, "cs.jobs.%s.%s", r->pool, r->lane);
    if (job_id == NULL || topic == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_event_id_derive(r->request_id, "SigningJob", r->round, job_id);
    r->job_id = job_id;
    r->attempt++;
    m.header = &h;
    m.job_id = job_id;
    m.organization_id = r->organization_id;
    m.request_id = r->request_id;
    m.artifact = q->submitted->artifact;
    m.evidence_sha256 = r->evidence_sha256;
    m.authorization_sha256 = r->authorization_sha256;
    m.pool = r->pool;
    m.lane = r->lane;
    m.signing_time_ms = r->signing_time_ms;
    m.deadline_ms = r->deadline_ms;
    m.attempt = r->attempt;
    return batch_emit(b, q, topic, &m.base, &h, NULL, err);
}

static enum cs_rc dispatch(struct batch *b, const char *request_id, struct cs_err *err)
{
    struct request *q = NULL;
    char *cause = cs_arena_alloc(b->a, CS_UUID_TEXT);
    CS_TRY(batch_request(b, request_id, &q, err));
    if (q == NULL || cause == NULL || q->r->state != CS__EVENTS__STATE__STATE_QUEUED)
        return cs_err_set(err, CS_CONFLICT, "request %s is not queued", request_id);
    cs_event_id_derive(request_id, "dispatch", q->r->round, cause);
    b->cause = cause;
    CS_TRY(write_bundle(b, q, err));
    CS_TRY(batch_transition(b, q, EV_DISPATCH, err));
    return send_job(b, q, err);
}

static enum cs_rc load_loads(struct batch *b, struct meter_load *loads, size_t *n,
                             struct cs_err *err)
{
    struct cs_rows rows;
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT project_id, lane, pool, COUNT(*) FROM requests WHERE state=6 "
                       "GROUP BY project_id, lane, pool LIMIT 256",
                       NULL, 0, b->a, &rows, err));
    for (*n = 0; *n < rows.rows && *n < MAX_LOADS; (*n)++)
        loads[*n] =
            (struct meter_load){cs_cell_text(&rows, *n, 0), cs_cell_text(&rows, *n, 1),
                                cs_cell_text(&rows, *n, 2), (unsigned)cs_cell_int(&rows, *n, 3)};
    return CS_OK;
}

static enum cs_rc load_waiting(struct batch *b, struct meter_waiting *waiting, size_t *n,
                               struct cs_err *err)
{
    struct cs_rows rows;
    *n = 0;
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT request_id, project_id, lane, pool, partition_no FROM requests "
                       "WHERE state=5 ORDER BY queued_at_ms LIMIT 500",
                       NULL, 0, b->a, &rows, err));
    for (size_t i = 0; i < rows.rows && *n < MAX_WAITING; i++) {
        const int64_t p = cs_cell_int(&rows, i, 4);
        if (p < 0 || p >= SCHED_PARTITIONS || !b->s->owned[p].mine)
            continue;
        waiting[(*n)++] =
            (struct meter_waiting){cs_cell_text(&rows, i, 0), cs_cell_text(&rows, i, 1),
                                   cs_cell_text(&rows, i, 2), cs_cell_text(&rows, i, 3), false};
    }
    return CS_OK;
}

enum cs_rc dispatch_run(struct batch *b, struct cs_err *err)
{
    struct meter_load *loads = cs_arena_alloc(b->a, MAX_LOADS * sizeof(*loads));
    struct meter_waiting *waiting = cs_arena_alloc(b->a, MAX_WAITING * sizeof(*waiting));
    size_t n_loads = 0;
    size_t n = 0;
    if (loads == NULL || waiting == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(load_waiting(b, waiting, &n, err));
    if (n > 0)
        CS_TRY(load_loads(b, loads, &n_loads, err));
    const size_t chosen = meter_choose(loads, &n_loads, MAX_LOADS, waiting, n, b->s->meter);
    b->s->backlog = chosen < n;
    for (size_t i = 0; i < n; i++) {
        if (waiting[i].chosen)
            CS_TRY(dispatch(b, waiting[i].request_id, err));
    }
    return CS_OK;
}
