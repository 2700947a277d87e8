/* What becomes of one job: done, failed for good, waiting for something, or poison.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "results.h"

#include "proto/jobs.pb-c.h"

#include <string.h>

enum { FIRST_DELAY_MS = 1000, LONGEST_DELAY_MS = 30000 };

struct kind {
    const char *type;
    enum cs_rc (*run)(struct hand *h, const struct cs_event *e, struct cs_err *err);
};

static const struct kind kinds[] = {{"cs.jobs.InspectionJob", inspect_run},
                                    {"cs.jobs.SigningJob", sign_run}};

static const struct kind *kind_of(const struct cs_event *e)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(e->type->name, kinds[i].type) == 0)
            return &kinds[i];
    }
    return NULL;
}

/* Ids and deadline of either kind of job. */
static int64_t describe(const struct cs_event *e, struct result_of *of)
{
    of->job = e;
    if (strcmp(e->type->name, kinds[0].type) == 0) {
        const Cs__Jobs__InspectionJob *j = (const Cs__Jobs__InspectionJob *)e->message;
        of->request_id = j->request_id;
        of->job_id = j->job_id;
        return j->deadline_ms;
    }
    const Cs__Jobs__SigningJob *j = (const Cs__Jobs__SigningJob *)e->message;
    of->request_id = j->request_id;
    of->job_id = j->job_id;
    return j->deadline_ms;
}

/* What may pass by itself or by an operator's hand; everything else never will. */
static bool passes(const struct cs_err *err)
{
    static const char *const codes[] = {
        "keys.pin_incorrect", "keys.pin_locked",   "keys.not_found",        "keys.bad_signature",
        "envelope.too_new",   "trust.unknown_key", "parser.memory_pressure"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(err->code, codes[i]) == 0)
            return true;
    }
    return err->rc == CS_RETRY || err->rc == CS_NOMEM || err->rc == CS_CONFLICT;
}

static int64_t delay_ms(unsigned attempts)
{
    const int64_t d = attempts > 5 ? LONGEST_DELAY_MS : (int64_t)FIRST_DELAY_MS << attempts;
    return d < LONGEST_DELAY_MS ? d : LONGEST_DELAY_MS;
}

static void wait_for_it(struct hand *h, struct job *j, const struct result_of *of,
                        const struct cs_err *why)
{
    struct cs_err err = {0};
    const char *code = why->code[0] != '\0' ? why->code : "signer.retry";
    const int64_t delay = delay_ms(j->attempts);
    const unsigned ordinal = j->attempts;
    const int64_t offset = j->offset;
    if (strcmp(j->reason, code) != 0) {
        cs_log_warn("job.waits", CS_KS("request", of->request_id), CS_KS("job", of->job_id),
                    CS_KS("code", code), CS_KERR(why), CS_KI("offset", offset));
        if (result_deferred(h->w, of, why, ordinal, cs_now_ms() + delay, &err) != CS_OK)
            code = "signer.unsaid"; /* said the next time */
    }
    queue_wait(h->w->queue, j, delay, code);
    cs_metric_add("cs_signer_jobs_deferred_total", 1);
}

static bool is_refusal(const struct cs_err *why)
{
    return why->rc == CS_DENIED;
}

static void give_up(struct hand *h, struct job *j, const struct result_of *of,
                    const struct cs_err *why)
{
    struct cs_err err = {0};
    cs_log_warn("job.failed", CS_KS("request", of->request_id), CS_KS("job", of->job_id),
                CS_KS("code", why->code), CS_KERR(why));
    enum cs_rc rc = is_refusal(why) ? result_quarantine(h->w, j, why, &err) : CS_OK;
    if (rc == CS_OK)
        rc = result_failed(h->w, of, why, &err);
    if (rc != CS_OK) {
        wait_for_it(h, j, of, &err);
        return;
    }
    cs_metric_add("cs_signer_jobs_total{result=\"failed\"}", 1);
    queue_finish(h->w->queue, j);
}

/* A record that is no job of ours: told to operators, then out of the way. */
static void poison(struct hand *h, struct job *j, const struct cs_err *why)
{
    struct cs_err err = {0};
    cs_log_error("job.quarantined", CS_KS("topic", j->track->topic),
                 CS_KI("partition", j->track->partition), CS_KI("offset", j->offset),
                 CS_KS("code", why->code), CS_KERR(why));
    if (result_quarantine(h->w, j, why, &err) == CS_OK)
        queue_finish(h->w->queue, j);
    else
        queue_wait(h->w->queue, j, delay_ms(j->attempts), "signer.quarantine");
    cs_metric_add("cs_signer_quarantined_total", 1);
}

static void run_job(struct hand *h, struct job *j, const struct cs_event *e, const struct kind *k)
{
    struct cs_err err = {0};
    struct result_of of;
    const int64_t deadline = describe(e, &of);
    const int64_t started = cs_monotonic_ms();
    if (deadline > 0 && cs_now_ms() >= deadline) { /* the scheduler has ended the request */
        cs_log_warn("job.too_late", CS_KS("request", of.request_id), CS_KS("job", of.job_id));
        queue_finish(h->w->queue, j);
        return;
    }
    const enum cs_rc rc = k->run(h, e, &err);
    err.rc = rc;
    if (rc == CS_OK) {
        cs_log_info("job.done", CS_KS("request", of.request_id), CS_KS("type", e->type->name),
                    CS_KI("ms", cs_monotonic_ms() - started));
        cs_metric_add("cs_signer_jobs_total{result=\"done\"}", 1);
        queue_finish(h->w->queue, j);
    } else if (passes(&err)) {
        wait_for_it(h, j, &of, &err);
    } else {
        give_up(h, j, &of, &err);
    }
}

void jobs_run(struct hand *h, struct job *j)
{
    struct cs_err err = {0};
    struct cs_event e;
    const enum cs_rc rc =
        cs_open(h->opener, j->value, j->track->topic, j->track->partition, h->arena, &e, &err);
    const struct kind *k = rc == CS_OK ? kind_of(&e) : NULL;
    if (rc == CS_UNSUPPORTED || rc == CS_NOMEM || rc == CS_RETRY) {
        cs_log_error("job.held", CS_KS("topic", j->track->topic), CS_KI("offset", j->offset),
                     CS_KERR(&err));
        queue_wait(h->w->queue, j, delay_ms(j->attempts), "signer.held");
    } else if (k == NULL) {
        if (rc == CS_OK)
            cs_err_code(&err, CS_INVALID, "envelope.other_type", "it is no job");
        poison(h, j, &err);
    } else {
        run_job(h, j, &e, k);
    }
    cs_arena_reset(h->arena);
}
