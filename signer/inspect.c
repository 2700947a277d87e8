/* Inspection: the artifact goes through the parser child, the manifest comes back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "children.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "results.h"

#include "proto/evidence.pb-c.h"
#include "proto/jobs.pb-c.h"
#include "proto/signer_internal.pb-c.h"

#include <string.h>

enum { INSPECT_TIMEOUT_MS = 300000, BLOB_NAME = 128 };

static enum cs_rc ask_parser(struct hand *h, const Cs__Jobs__InspectionJob *job, int fd,
                             struct cs_bytes *manifest, struct cs_err *err)
{
    struct ProtobufCMessage *m = NULL;
    const struct child_question q = {.path = h->w->parser_path,
                                     .verb = "inspect",
                                     .in = fd,
                                     .out = -1,
                                     .message = &job->base,
                                     .answer = &cs__signer__inspect_answer__descriptor,
                                     .timeout_ms = INSPECT_TIMEOUT_MS};
    CS_TRY(child_ask(&q, h->arena, &m, err));
    const Cs__Signer__InspectAnswer *answer = (const Cs__Signer__InspectAnswer *)m;
    if (answer->failure != NULL)
        return cs_err_code(err, CS_INVALID, answer->failure->code, "%.400s",
                           answer->failure->message);
    *manifest = cs_bytes(answer->manifest.data, answer->manifest.len);
    return CS_OK;
}

/* The child read hostile bytes: what it says is checked against what the job says. */
static enum cs_rc read_manifest(struct hand *h, const Cs__Jobs__InspectionJob *job,
                                struct cs_bytes bytes, const Cs__Evidence__Manifest **out,
                                struct cs_err *err)
{
    struct ProtobufCMessage *p = NULL;
    CS_TRY(cs_message_unpack(&cs__evidence__manifest__descriptor, bytes, h->arena, &p, err));
    const Cs__Evidence__Manifest *m = (const Cs__Evidence__Manifest *)p;
    const struct cs_bytes want = cs_bytes(job->artifact->sha256.data, job->artifact->sha256.len);
    if (!cs_bytes_eq(want, cs_bytes(m->artifact_sha256.data, m->artifact_sha256.len)) ||
        m->artifact_size != job->artifact->size)
        return cs_err_code(err, CS_INVALID, "artifact.changed",
                           "the artifact in the store is not the one that was submitted");
    if (strcmp(m->request_id, job->request_id) != 0)
        return cs_err_code(err, CS_INVALID, "parser.limits", "the manifest is of another request");
    *out = m;
    return CS_OK;
}

static enum cs_rc publish(struct hand *h, const struct result_of *of,
                          const Cs__Jobs__InspectionJob *job, const Cs__Evidence__Manifest *m,
                          uint8_t sha256[CS_SHA256_SIZE], struct cs_err *err)
{
    Cs__Common__Header header = CS__COMMON__HEADER__INIT;
    Cs__Results__InspectionCompleted r = CS__RESULTS__INSPECTION_COMPLETED__INIT;
    r.header = &header;
    r.request_id = job->request_id;
    r.job_id = job->job_id;
    r.artifact_sha256 = job->artifact->sha256;
    r.artifact_size = job->artifact->size;
    r.manifest_sha256 = (ProtobufCBinaryData){.data = sha256, .len = CS_SHA256_SIZE};
    r.items = (uint32_t)m->n_items;
    for (size_t i = 0; i < m->n_items; i++)
        r.to_be_signed += m->items[i]->signing != NULL;
    return result_publish(h->w, of, &r.base, &header, 0, err);
}

enum cs_rc inspect_run(struct hand *h, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Jobs__InspectionJob *job = (const Cs__Jobs__InspectionJob *)e->message;
    const struct result_of of = {.job = e, .request_id = job->request_id, .job_id = job->job_id};
    const Cs__Evidence__Manifest *m = NULL;
    struct cs_bytes manifest = {0};
    uint8_t sha256[CS_SHA256_SIZE];
    char hex[2 * CS_SHA256_SIZE + 1];
    char name[BLOB_NAME];
    CS_AUTO_FD fd = -1;
    uint64_t size = 0;
    if (job->artifact == NULL)
        return cs_err_code(err, CS_INVALID, "job.artifact", "the job names no artifact");
    CS_TRY(cs_blob_open(h->w->blobs, job->artifact->blob, &fd, &size, err));
    CS_TRY(ask_parser(h, job, fd, &manifest, err));
    CS_TRY(read_manifest(h, job, manifest, &m, err));
    cs_sha256(manifest.ptr, manifest.len, sha256);
    cs_hex_encode(sha256, sizeof(sha256), hex);
    CS_TRY(cs_strf(name, sizeof(name), err, "manifests/%s", hex));
    CS_TRY(cs_blob_put(h->w->blobs, name, manifest, NULL, err));
    return publish(h, &of, job, m, sha256, err);
}
