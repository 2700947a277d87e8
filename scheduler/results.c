/* What signers found and made. The first result of a job wins; later ones change nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "base/log.h"
#include "batch.h"

#include "proto/results.pb-c.h"

#include <string.h>

/* The request, if it still waits for exactly this job. */
static enum cs_rc waiting_for(struct batch *b, const char *request_id, const char *job_id,
                              Cs__Events__State state, struct request **out, struct cs_err *err)
{
    struct request *q = NULL;
    *out = NULL;
    CS_TRY(batch_request(b, request_id, &q, err));
    if (q != NULL && q->r->state == state &&
        (!CS_GUARD("scheduler-job-id") || strcmp(q->r->job_id, job_id) == 0))
        *out = q;
    else
        cs_log_info("result.late", CS_KS("request", request_id), CS_KS("job", job_id));
    return CS_OK;
}

static enum cs_rc inspected(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__InspectionCompleted *m =
        (const Cs__Results__InspectionCompleted *)e->message;
    struct request *q = NULL;
    CS_TRY(waiting_for(b, m->request_id, m->job_id, CS__EVENTS__STATE__STATE_INSPECTING, &q, err));
    if (q == NULL)
        return CS_OK;
    const void *envelope = cs_arena_memdup(b->a, e->envelope.ptr, e->envelope.len);
    if (envelope == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    q->r->manifest_sha256 = m->manifest_sha256;
    q->r->inspection_envelope = sched_data(cs_bytes(envelope, e->envelope.len));
    return approval_begin(b, q, err);
}

static enum cs_rc failed(struct batch *b, const char *request_id, const char *job_id,
                         Cs__Events__State state, const Cs__Common__Failure *f, struct cs_err *err)
{
    struct request *q = NULL;
    CS_TRY(waiting_for(b, request_id, job_id, state, &q, err));
    if (q == NULL)
        return CS_OK;
    return batch_end(b, q, EV_FAIL, f == NULL ? "signer.failed" : f->code,
                     f == NULL ? "the signer gave no reason" : f->message, err);
}

static enum cs_rc signed_(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__SigningCompleted *m = (const Cs__Results__SigningCompleted *)e->message;
    struct request *q = NULL;
    CS_TRY(waiting_for(b, m->request_id, m->job_id, CS__EVENTS__STATE__STATE_SIGNING, &q, err));
    if (q == NULL)
        return CS_OK;
    q->r->signed_artifact = m->signed_artifact;
    q->r->signature = m->signature;
    return batch_transition(b, q, EV_SIGNED, err);
}

static enum cs_rc deferred(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__JobDeferred *m = (const Cs__Results__JobDeferred *)e->message;
    struct request *q = NULL;
    CS_TRY(batch_request(b, m->request_id, &q, err));
    if (q == NULL || strcmp(q->r->job_id, m->job_id) != 0 || m->reason == NULL ||
        machine_next(q->r->state, EV_WAIT) == CS__EVENTS__STATE__STATE_UNSPECIFIED)
        return CS_OK;
    q->r->waiting_code = m->reason->code;
    q->r->waiting_message = m->reason->message;
    return batch_transition(b, q, EV_WAIT, err);
}

enum cs_rc results_apply(struct batch *b, const struct cs_event *e, int partition,
                         struct cs_err *err)
{
    const char *type = e->type->name;
    (void)partition;
    if (strcmp(type, "cs.results.InspectionCompleted") == 0)
        return inspected(b, e, err);
    if (strcmp(type, "cs.results.SigningCompleted") == 0)
        return signed_(b, e, err);
    if (strcmp(type, "cs.results.JobDeferred") == 0)
        return deferred(b, e, err);
    if (strcmp(type, "cs.results.InspectionFailed") == 0) {
        const Cs__Results__InspectionFailed *m = (const Cs__Results__InspectionFailed *)e->message;
        return failed(b, m->request_id, m->job_id, CS__EVENTS__STATE__STATE_INSPECTING, m->failure,
                      err);
    }
    if (strcmp(type, "cs.results.SigningFailed") == 0) {
        const Cs__Results__SigningFailed *m = (const Cs__Results__SigningFailed *)e->message;
        return failed(b, m->request_id, m->job_id, CS__EVENTS__STATE__STATE_SIGNING, m->failure,
                      err);
    }
    return CS_OK; /* keyd's own events are for the log */
}
