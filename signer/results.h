/* What the worker says on cs.results and cs.quarantine. Each call waits for the acknowledgement.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "worker.h"

#include "proto/results.pb-c.h"

/* Who and what an answer is about; borrowed. */
struct result_of {
    const struct cs_event *job;
    const char *request_id;
    const char *job_id;
};

/* Fills m's header (its first field), request and job id are the caller's; publishes. 'ordinal'
 * tells apart several events of one type for one job in this boot. CS_RETRY in doubt. */
enum cs_rc result_publish(struct worker *w, const struct result_of *of, struct ProtobufCMessage *m,
                          struct Cs__Common__Header *header, unsigned ordinal,
                          struct cs_err *err) CS_MUST_CHECK;

/* A failure message from an error, valid as long as the error. */
void result_failure(const struct cs_err *err, Cs__Common__Failure *out);

/* InspectionFailed or SigningFailed, by the job's type. */
enum cs_rc result_failed(struct worker *w, const struct result_of *of, const struct cs_err *why,
                         struct cs_err *err) CS_MUST_CHECK;
/* JobDeferred. */
enum cs_rc result_deferred(struct worker *w, const struct result_of *of, const struct cs_err *why,
                           unsigned ordinal, int64_t retry_at_ms, struct cs_err *err) CS_MUST_CHECK;
/* cs.quarantine. */
enum cs_rc result_quarantine(struct worker *w, const struct job *j, const struct cs_err *why,
                             struct cs_err *err) CS_MUST_CHECK;
