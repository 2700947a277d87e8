/* Signing: evidence, keyd, the raw signature made durable, then what assemble.c does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sign.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/signer_internal.pb-c.h"

#include <string.h>

enum { BLOB_NAME = 160, MAX_BLOB = 8 << 20, MAX_SIGNATURE_BLOB = 128 * 1024 };

/* A blob that is named by its digest, in the arena. */
static enum cs_rc get_named(struct hand *h, const char *folder, const ProtobufCBinaryData *sha256,
                            struct cs_bytes *out, struct cs_err *err)
{
    CS_AUTO_BUF b = CS_BUF_INIT(MAX_BLOB);
    char name[BLOB_NAME];
    char hex[2 * CS_SHA256_SIZE + 1];
    uint8_t have[CS_SHA256_SIZE];
    if (sha256->len != CS_SHA256_SIZE)
        return cs_err_code(err, CS_INVALID, "job.digest", "a %s digest of %zu bytes", folder,
                           sha256->len);
    cs_hex_encode(sha256->data, CS_SHA256_SIZE, hex);
    CS_TRY(cs_strf(name, sizeof(name), err, "%s/%s", folder, hex));
    CS_TRY(cs_blob_get(h->w->blobs, name, &b, err));
    cs_sha256(b.ptr, b.len, have);
    if (memcmp(have, sha256->data, sizeof(have)) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.changed", "the blob %s was changed", name);
    const void *copy = cs_arena_memdup(h->arena, b.ptr, b.len);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *out = cs_bytes(copy, b.len);
    return CS_OK;
}

/* The bundle may carry the manifest, or name it in the inspection's event. */
static enum cs_rc get_manifest(struct signing *s, struct cs_err *err)
{
    struct ProtobufCMessage *m = NULL;
    struct cs_event inspection;
    CS_TRY(cs_message_unpack(&cs__evidence__evidence_bundle__descriptor, s->bundle, s->h->arena, &m,
                             err));
    const Cs__Evidence__EvidenceBundle *b = (const Cs__Evidence__EvidenceBundle *)m;
    if (b->inspection.len == 0)
        return CS_OK; /* a hash request has none */
    if (b->manifest.len > 0) {
        s->manifest = cs_bytes(b->manifest.data, b->manifest.len);
        return CS_OK;
    }
    CS_TRY(cs_open(s->h->opener, cs_bytes(b->inspection.data, b->inspection.len), NULL, -1,
                   s->h->arena, &inspection, err));
    if (strcmp(inspection.type->name, "cs.results.InspectionCompleted") != 0)
        return cs_err_code(err, CS_DENIED, "evidence.inspection", "it is a %s",
                           inspection.type->name);
    return get_named(
        s->h, "manifests",
        &((const Cs__Results__InspectionCompleted *)inspection.message)->manifest_sha256,
        &s->manifest, err);
}

static bool already_signed(const struct signing *s)
{
    struct ProtobufCMessage *m = NULL;
    if (cs_message_unpack(&cs__evidence__manifest__descriptor, s->manifest, s->h->arena, &m,
                          NULL) != CS_OK)
        return false;
    const Cs__Evidence__Manifest *manifest = (const Cs__Evidence__Manifest *)m;
    return manifest->n_items > 0 && manifest->items[0]->n_signers > 0;
}

static enum cs_rc load(struct signing *s, struct cs_err *err)
{
    const Cs__Jobs__SigningJob *job = s->job;
    uint64_t size = 0;
    CS_TRY(get_named(s->h, "evidence", &job->evidence_sha256, &s->bundle, err));
    CS_TRY(get_manifest(s, err));
    const struct cs_evidence_question q = {.bundle = s->bundle,
                                           .manifest = s->manifest,
                                           .pool = s->h->w->pool,
                                           .request_id = job->request_id,
                                           .now_ms = cs_now_ms()};
    CS_TRY(cs_evidence_verify(s->h->opener, s->h->w->trust, &q, &s->authorized, err));
    if (cs_authorized_hash(s->authorized) != NULL)
        return CS_OK;
    if (job->artifact == NULL)
        return cs_err_code(err, CS_INVALID, "job.artifact", "the job names no artifact");
    s->was_signed = already_signed(s);
    return cs_blob_open(s->h->w->blobs, job->artifact->blob, &s->artifact, &size, err);
}

static enum cs_rc signature_name(const struct signing *s, const char *item, char *out, size_t size,
                                 struct cs_err *err)
{
    return cs_strf(out, size, err, "signatures/%s-%s", s->job->job_id, item);
}

/* Durable before anything else happens: a redelivery or a timestamp authority that is down costs no
 * second use of the key. The blob holds keyd's own signed word for it. */
static enum cs_rc keep(void *ctx, struct cs_bytes signature, struct cs_bytes made,
                       struct cs_err *err)
{
    struct signing *s = ctx;
    const struct cs_authorized_item *items = NULL;
    Cs__Signer__KeydAnswer kept = CS__SIGNER__KEYD_ANSWER__INIT;
    struct cs_bytes bytes;
    char name[BLOB_NAME];
    if (cs_authorized_items(s->authorized, &items) == 0)
        return cs_err_set(err, CS_FATAL, "a signature of nothing");
    kept.signature.data = cs_arena_memdup(s->h->arena, signature.ptr, signature.len);
    kept.signature.len = signature.len;
    kept.made.data = cs_arena_memdup(s->h->arena, made.ptr, made.len);
    kept.made.len = made.len;
    if (kept.signature.data == NULL || kept.made.data == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(signature_name(s, items[0].item_id, name, sizeof(name), err));
    CS_TRY(cs_message_pack(&kept.base, s->h->arena, &bytes, err));
    s->signature = cs_bytes(kept.signature.data, kept.signature.len);
    return cs_blob_put(s->h->w->blobs, name, bytes, NULL, err);
}

/* Whether keyd says that it made exactly this signature for exactly this job. */
static enum cs_rc check_kept(const struct signing *s, const Cs__Signer__KeydAnswer *kept,
                             struct cs_err *err)
{
    struct cs_event e;
    uint8_t sha256[CS_SHA256_SIZE];
    CS_TRY(cs_open(s->h->opener, cs_bytes(kept->made.data, kept->made.len), NULL, -1, s->h->arena,
                   &e, err));
    const Cs__Results__SignatureMade *made = (const Cs__Results__SignatureMade *)e.message;
    cs_sha256(kept->signature.data, kept->signature.len, sha256);
    if (strcmp(e.type->name, "cs.results.SignatureMade") != 0 ||
        strcmp(made->job_id, s->job->job_id) != 0 ||
        !cs_bytes_eq(cs_bytes(sha256, sizeof(sha256)),
                     cs_bytes(made->signature_sha256.data, made->signature_sha256.len)))
        return cs_err_code(err, CS_DENIED, "signature.changed",
                           "the kept signature is not the one that keyd made");
    return CS_OK;
}

/* CS_NOT_FOUND when this job has no signature yet. */
static enum cs_rc reuse(struct signing *s, const char *item_id, struct cs_err *err)
{
    CS_AUTO_BUF b = CS_BUF_INIT(MAX_SIGNATURE_BLOB);
    struct ProtobufCMessage *m = NULL;
    char name[BLOB_NAME];
    CS_TRY(signature_name(s, item_id, name, sizeof(name), err));
    CS_TRY(cs_blob_get(s->h->w->blobs, name, &b, err));
    const void *copy = cs_arena_memdup(s->h->arena, b.ptr, b.len);
    CS_TRY(cs_message_unpack(&cs__signer__keyd_answer__descriptor, cs_bytes(copy, b.len),
                             s->h->arena, &m, err));
    const Cs__Signer__KeydAnswer *kept = (const Cs__Signer__KeydAnswer *)m;
    CS_TRY(check_kept(s, kept, err));
    s->signature = cs_bytes(kept->signature.data, kept->signature.len);
    return CS_OK;
}

static enum cs_rc make_signature(struct signing *s, struct cs_err *err)
{
    const struct cs_authorized_item *items = NULL;
    const size_t n = cs_authorized_items(s->authorized, &items);
    if (n != 1)
        return cs_err_code(err, CS_UNSUPPORTED, "signer.items",
                           "%zu things to sign in one artifact are not supported yet", n);
    const enum cs_rc rc = reuse(s, items[0].item_id, err);
    if (rc != CS_NOT_FOUND)
        return rc;
    const struct keyd_job job = {.bundle = s->bundle,
                                 .manifest = s->manifest,
                                 .request_id = s->job->request_id,
                                 .job_id = s->job->job_id,
                                 .item_id = items[0].item_id,
                                 .artifact = s->artifact};
    return keyd_client_sign(s->h->w->keyd, &job, keep, s, err);
}

static enum cs_rc run(struct signing *s, struct cs_err *err)
{
    Cs__Common__Header header = CS__COMMON__HEADER__INIT;
    Cs__Common__Artifact artifact = CS__COMMON__ARTIFACT__INIT;
    Cs__Results__SigningCompleted m = CS__RESULTS__SIGNING_COMPLETED__INIT;
    CS_TRY(load(s, err));
    CS_TRY(make_signature(s, err));
    m.header = &header;
    m.request_id = s->job->request_id;
    m.job_id = s->job->job_id;
    if (cs_authorized_hash(s->authorized) != NULL) {
        m.signature.data = cs_arena_memdup(s->h->arena, s->signature.ptr, s->signature.len);
        m.signature.len = s->signature.len;
    } else {
        CS_TRY(assemble_run(s, &artifact, err));
        m.signed_artifact = &artifact;
        m.timestamp_authority = cs_arena_strdup(s->h->arena, s->authority);
        m.timestamp_ms = s->timestamp_ms;
        if (m.timestamp_authority == NULL)
            return cs_err_set(err, CS_NOMEM, "no memory");
    }
    return result_publish(s->h->w, &s->of, &m.base, &header, 0, err);
}

enum cs_rc sign_run(struct hand *h, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Jobs__SigningJob *job = (const Cs__Jobs__SigningJob *)e->message;
    struct signing s = {.h = h,
                        .job = job,
                        .of = {.job = e, .request_id = job->request_id, .job_id = job->job_id},
                        .artifact = -1,
                        .authority = ""};
    if (strcmp(job->pool, h->w->pool) != 0 || !cs_uuid_valid(job->job_id))
        return cs_err_code(err, CS_INVALID, "job.pool", "a job of pool '%.60s' came to pool '%s'",
                           job->pool, h->w->pool);
    const enum cs_rc rc = run(&s, err);
    if (s.drafted)
        cs_blob_abort(&s.draft);
    cs_close_fd(&s.artifact);
    cs_authorized_free(s.authorized);
    return rc;
}
