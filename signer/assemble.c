/* After the signature: timestamp, container, the second implementation's check, the blob.
 * SPDX-License-Identifier: Apache-2.0 */
#include "authenticode/authenticode.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "children.h"
#include "crypto/hash.h"
#include "sign.h"

#include "proto/signer_internal.pb-c.h"

#include <unistd.h>

enum {
    ASSEMBLE_TIMEOUT_MS = 300000,
    MAX_TOKEN = 64 * 1024,
    MAX_CONTAINER = 1 << 20,
    READ_CHUNK = 1 << 16
};

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static ProtobufCBinaryData data(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}

static enum cs_rc timestamp(struct signing *s, struct cs_err *err)
{
    CS_AUTO_BUF token = CS_BUF_INIT(MAX_TOKEN);
    if (!cs_authorized_timestamp_required(s->authorized))
        return CS_OK;
    CS_TRY(cs_tsa_stamp(s->h->tsa, s->signature, &token, &s->timestamp_ms, &s->authority, err));
    const void *copy = cs_arena_memdup(s->h->arena, token.ptr, token.len);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->timestamp = cs_bytes(copy, token.len);
    return CS_OK;
}

static enum cs_rc container(const struct signing *s, const struct cs_authorized_item *item,
                            struct cs_buf *out, struct cs_err *err)
{
    struct cs_authenticode in = {.hash = item->digest_algorithm,
                                 .digest = item->digest,
                                 .description = item->description,
                                 .description_url = item->description_url,
                                 .signing_time_ms = cs_authorized_signing_time_ms(s->authorized)};
    in.n_chain = cs_authorized_chain(s->authorized, &in.chain);
    return cs_authenticode_build(&in, s->signature, s->timestamp, out, err);
}

static enum cs_rc assemble(struct signing *s, const struct cs_authorized_item *item,
                           struct cs_err *err)
{
    CS_AUTO_BUF signature = CS_BUF_INIT(MAX_CONTAINER);
    Cs__Signer__AssembleRequest q = CS__SIGNER__ASSEMBLE_REQUEST__INIT;
    struct ProtobufCMessage *m = NULL;
    CS_TRY(container(s, item, &signature, err));
    q.format = text(item->format);
    q.append = item->append;
    q.signature = data(cs_buf_view(&signature));
    const struct child_question question = {.path = s->h->w->parser_path,
                                            .verb = "assemble",
                                            .in = s->artifact,
                                            .out = s->draft.fd,
                                            .message = &q.base,
                                            .answer = &cs__signer__assemble_answer__descriptor,
                                            .timeout_ms = ASSEMBLE_TIMEOUT_MS};
    CS_TRY(child_ask(&question, s->h->arena, &m, err));
    const Cs__Common__Failure *f = ((const Cs__Signer__AssembleAnswer *)m)->failure;
    return f == NULL ? CS_OK : cs_err_code(err, CS_INVALID, f->code, "%.400s", f->message);
}

/* The output is judged by code that did not write it. */
static enum cs_rc verify(struct signing *s, const struct cs_authorized_item *item,
                         struct cs_err *err)
{
    Cs__Signer__DigestRequest q = CS__SIGNER__DIGEST_REQUEST__INIT;
    const struct cs_bytes *chain = NULL;
    struct ProtobufCMessage *m = NULL;
    if (cs_authorized_chain(s->authorized, &chain) == 0)
        return cs_err_set(err, CS_FATAL, "a signature without a certificate");
    q.format = text(item->format);
    q.algorithm = text(item->digest_algorithm);
    q.digest = data(item->digest);
    q.leaf = data(chain[0]);
    q.timestamp = cs_authorized_timestamp_required(s->authorized);
    q.nested = item->append && s->was_signed;
    const struct child_question question = {.path = s->h->w->digest_path,
                                            .verb = "verify",
                                            .in = s->draft.fd,
                                            .out = -1,
                                            .message = &q.base,
                                            .answer = &cs__signer__digest_answer__descriptor,
                                            .timeout_ms = ASSEMBLE_TIMEOUT_MS};
    CS_TRY(child_ask(&question, s->h->arena, &m, err));
    const Cs__Common__Failure *f = ((const Cs__Signer__DigestAnswer *)m)->failure;
    if (CS_GUARD("signer-verify-output") && f != NULL)
        return cs_err_code(err, CS_DENIED, f->code, "the signed file does not verify: %.400s",
                           f->message);
    return CS_OK;
}

static enum cs_rc hash_file(int fd, uint8_t sha256[CS_SHA256_SIZE], uint64_t *size,
                            struct cs_err *err)
{
    CS_AUTO(cs_sha256_stream) stream = cs_sha256_stream_new();
    CS_CLEANUP(cs_free_voidp) uint8_t *chunk = cs_calloc(1, READ_CHUNK);
    if (stream == NULL || chunk == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    for (*size = 0;;) {
        const ssize_t n = pread(fd, chunk, READ_CHUNK, (off_t)*size);
        if (n < 0)
            return cs_err_set(err, CS_RETRY, "the signed file cannot be read back");
        if (n == 0)
            break;
        cs_sha256_stream_add(stream, chunk, (size_t)n);
        *size += (uint64_t)n;
    }
    cs_sha256_stream_final(stream, sha256);
    return CS_OK;
}

static enum cs_rc publish_blob(struct signing *s, Cs__Common__Artifact *out, struct cs_err *err)
{
    uint8_t sha256[CS_SHA256_SIZE];
    char hex[2 * CS_SHA256_SIZE + 1];
    CS_TRY(hash_file(s->draft.fd, sha256, &out->size, err));
    cs_hex_encode(sha256, sizeof(sha256), hex);
    out->sha256.data = cs_arena_memdup(s->h->arena, sha256, sizeof(sha256));
    out->sha256.len = sizeof(sha256);
    out->file_name = s->job->artifact->file_name;
    out->blob =
        cs_arena_printf(s->h->arena, "%s/%s/%s", s->job->organization_id, s->job->request_id, hex);
    if (out->sha256.data == NULL || out->blob == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->drafted = false;
    return cs_blob_commit(s->h->w->blobs, &s->draft, out->blob, NULL, err);
}

enum cs_rc assemble_run(struct signing *s, Cs__Common__Artifact *out, struct cs_err *err)
{
    const struct cs_authorized_item *item = NULL;
    if (cs_authorized_items(s->authorized, &item) == 0)
        return cs_err_set(err, CS_FATAL, "nothing to assemble");
    CS_TRY(timestamp(s, err));
    CS_TRY(cs_blob_begin(s->h->w->blobs, &s->draft, err));
    s->drafted = true;
    CS_TRY(assemble(s, item, err));
    CS_TRY(verify(s, item, err));
    return publish_blob(s, out, err);
}
