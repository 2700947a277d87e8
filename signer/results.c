/* Answers to the scheduler; see results.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum { ACK_MS = 15000, MAX_QUARANTINED = 40 * 1024 };

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

enum cs_rc result_publish(struct worker *w, const struct result_of *of, struct ProtobufCMessage *m,
                          struct Cs__Common__Header *header, unsigned ordinal, struct cs_err *err)
{
    char cause[2 * CS_UUID_TEXT];
    char event_id[CS_UUID_TEXT];
    CS_TRY(cs_strf(cause, sizeof(cause), err, "%s/%s", of->job_id,
                   cs_publisher_start_id(w->publisher)));
    cs_event_id_derive(cause, m->descriptor->name, ordinal, event_id);
    header->event_id = event_id;
    header->aggregate_id = text(of->request_id);
    header->cause_event_id = of->job->header->event_id;
    header->traceparent = of->job->header->traceparent;
    const struct cs_publication e = {.topic = "cs.results", .key = of->request_id, .message = m};
    return cs_publish_wait(w->publisher, &e, ACK_MS, err);
}

void result_failure(const struct cs_err *err, Cs__Common__Failure *out)
{
    cs__common__failure__init(out);
    out->code = text(err->code[0] != '\0' ? err->code : "signer.failed");
    out->message = text(err->msg);
}

enum cs_rc result_failed(struct worker *w, const struct result_of *of, const struct cs_err *why,
                         struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Common__Failure f;
    Cs__Results__InspectionFailed inspection = CS__RESULTS__INSPECTION_FAILED__INIT;
    Cs__Results__SigningFailed signing = CS__RESULTS__SIGNING_FAILED__INIT;
    result_failure(why, &f);
    inspection.header = signing.header = &h;
    inspection.request_id = signing.request_id = text(of->request_id);
    inspection.job_id = signing.job_id = text(of->job_id);
    inspection.failure = signing.failure = &f;
    const bool inspecting = strcmp(of->job->type->name, "cs.jobs.InspectionJob") == 0;
    return result_publish(w, of, inspecting ? &inspection.base : &signing.base, &h, 0, err);
}

enum cs_rc result_deferred(struct worker *w, const struct result_of *of, const struct cs_err *why,
                           unsigned ordinal, int64_t retry_at_ms, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Common__Failure f;
    Cs__Results__JobDeferred m = CS__RESULTS__JOB_DEFERRED__INIT;
    result_failure(why, &f);
    m.header = &h;
    m.request_id = text(of->request_id);
    m.job_id = text(of->job_id);
    m.reason = &f;
    m.retry_at_ms = retry_at_ms;
    return result_publish(w, of, &m.base, &h, ordinal, err);
}

enum cs_rc result_quarantine(struct worker *w, const struct job *j, const struct cs_err *why,
                             struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    Cs__Audit__Quarantined m = CS__AUDIT__QUARANTINED__INIT;
    union {
        const uint8_t *in;
        uint8_t *out;
    } value = {.in = j->value.ptr};
    uint8_t sha256[CS_SHA256_SIZE];
    struct cs_bytes bytes;
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_sha256(j->value.ptr, j->value.len, sha256);
    m.topic = j->track->topic;
    m.partition = j->track->partition;
    m.offset = j->offset;
    m.reader = w->producer_id;
    m.code = text(why->code);
    m.reason = text(why->msg);
    m.at_ms = cs_now_ms();
    m.value_sha256 = (ProtobufCBinaryData){.data = sha256, .len = sizeof(sha256)};
    if (j->value.len <= MAX_QUARANTINED)
        m.value = (ProtobufCBinaryData){.data = value.out, .len = j->value.len};
    CS_TRY(cs_message_pack(&m.base, a, &bytes, err));
    const struct cs_publication e = {.topic = "cs.quarantine",
                                     .key = w->producer_id,
                                     .sealed_type = "cs.audit.Quarantined",
                                     .sealed = bytes,
                                     .sealed_partition = 0};
    return cs_publish_wait(w->publisher, &e, ACK_MS, err);
}
