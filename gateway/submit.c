/* POST SigningRequests: a multipart body that streams into the artifact store while it is hashed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/multipart.h"
#include "crypto/hash.h"
#include "hash_payload.h"
#include "requests.h"

#include "proto/events.pb-c.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_TEXT = 16 * 1024, MAX_FIELD_NAME = 256 };

struct upload {
    struct multipart mp;
    struct submission s;
    struct call *c;
    char field[MAX_FIELD_NAME];
    bool in_artifact;
    struct cs_buf text; /* of the field in hand */
    struct cs_blob_draft draft;
    bool drafted;
    struct cs_sha256_stream *hash;
    uint64_t limit;
    struct cs_err err; /* why it cannot be accepted; answered at the end */
    char bad_field[MAX_FIELD_NAME];
};

static enum cs_rc wrong(struct upload *u, const char *field, struct cs_err *err, const char *code,
                        const char *what)
{
    cs_ignore(cs_strf(u->bad_field, sizeof(u->bad_field), NULL, "%s", field), "names are bounded");
    return cs_err_code(err, CS_INVALID, code, "%s: %s", field, what);
}

static enum cs_rc begin_artifact(struct upload *u, const struct multipart_part *p,
                                 struct cs_err *err)
{
    const char *name = p->file_name;
    for (const char *q = name; *q != '\0'; q++) { /* directories are the client's own business */
        if (*q == '/' || *q == '\\')
            name = q + 1;
    }
    if (u->s.has_artifact)
        return wrong(u, "Artifact", err, "artifact.twice", "there are two Artifact parts");
    if (!cs_utf8_valid(name, strlen(name)))
        return wrong(u, "Artifact", err, "artifact.name", "the file name is not UTF-8");
    CS_TRY(cs_strf(u->s.file_name, sizeof(u->s.file_name), err, "%s",
                   name[0] != '\0' ? name : "artifact"));
    u->s.has_artifact = true;
    u->in_artifact = true;
    u->hash = cs_sha256_stream_new();
    if (u->hash == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_blob_begin(u->c->g->blobs, &u->draft, err));
    u->drafted = true;
    return CS_OK;
}

static enum cs_rc part_begin(void *ctx, const struct multipart_part *p, struct cs_err *err)
{
    struct upload *u = ctx;
    u->in_artifact = false;
    u->text.len = 0;
    CS_TRY(cs_strf(u->field, sizeof(u->field), err, "%s", p->name));
    if (strcasecmp(p->name, "Artifact") == 0)
        return begin_artifact(u, p, err);
    return CS_OK;
}

static enum cs_rc part_data(void *ctx, struct cs_bytes piece, struct cs_err *err)
{
    struct upload *u = ctx;
    if (!u->in_artifact) {
        if (cs_buf_add(&u->text, piece.ptr, piece.len, err) != CS_OK)
            return wrong(u, u->field, err, "field.too_long", "the text is too long");
        return CS_OK;
    }
    u->s.size += piece.len;
    if (u->s.size > u->limit)
        return cs_err_code(err, CS_LIMIT, "artifact.too_large",
                           "the artifact is larger than the %llu bytes that are accepted",
                           (unsigned long long)u->limit);
    cs_sha256_stream_add(u->hash, piece.ptr, piece.len);
    return cs_fd_write_all(u->draft.fd, piece.ptr, piece.len, err);
}

static enum cs_rc add_pair(struct upload *u, const char *key, const char *value,
                           Cs__Common__KeyValue **list, size_t *n, struct cs_err *err)
{
    Cs__Common__KeyValue *kv = cs_arena_alloc(u->c->a, sizeof(*kv));
    if (*n == 64)
        return wrong(u, u->field, err, "field.too_many", "at most 64 of these are accepted");
    if (kv == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs__common__key_value__init(kv);
    kv->key = cs_arena_strdup(u->c->a, key);
    kv->value = gw_text(value);
    if (kv->key == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    list[(*n)++] = kv;
    return CS_OK;
}

/* "Parameters.name" or "Parameters[name]". */
static enum cs_rc parameter(struct upload *u, const char *value, struct cs_err *err)
{
    char name[MAX_FIELD_NAME];
    const char *from = u->field + strlen("Parameters");
    const size_t n = strlen(from);
    if (n < 2 || (from[0] == '[' && from[n - 1] != ']'))
        return wrong(u, u->field, err, "parameter.name", "expected Parameters.<name>");
    CS_TRY(
        cs_strf(name, sizeof(name), err, "%.*s", (int)(from[0] == '[' ? n - 2 : n - 1), from + 1));
    return add_pair(u, name, value, u->s.parameters, &u->s.n_parameters, err);
}

static enum cs_rc number(struct upload *u, const char *value, uint32_t *out, struct cs_err *err)
{
    char *end = NULL;
    const unsigned long v = strtoul(value, &end, 10);
    if (value[0] == '\0' || *end != '\0' || v > 30UL * 24 * 3600)
        return wrong(u, u->field, err, "field.number", "a number of seconds is expected");
    *out = (uint32_t)v;
    return CS_OK;
}

static enum cs_rc boolean(struct upload *u, const char *value, bool *out, struct cs_err *err)
{
    *out = strcasecmp(value, "true") == 0;
    if (!*out && strcasecmp(value, "false") != 0 && value[0] != '\0')
        return wrong(u, u->field, err, "field.boolean", "true or false is expected");
    return CS_OK;
}

/* An empty value is the same as none. */
static enum cs_rc take_text(struct upload *u, const char *value, struct cs_err *err)
{
    struct submission *s = &u->s;
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"ProjectSlug", &s->project_slug},
                 {"SigningPolicySlug", &s->policy_slug},
                 {"ArtifactConfigurationSlug", &s->configuration_slug},
                 {"SigningPolicyId", &s->policy_id},
                 {"ArtifactConfigurationId", &s->configuration_id},
                 {"Description", &s->description}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcasecmp(u->field, texts[i].name) == 0) {
            *texts[i].to = value[0] != '\0' ? value : NULL;
            return CS_OK;
        }
    }
    if (strncasecmp(u->field, "Parameters", 10) == 0)
        return parameter(u, value, err);
    if (strncasecmp(u->field, "Origin.", 7) == 0)
        return add_pair(u, u->field + 7, value, s->origin, &s->n_origin, err);
    if (strcasecmp(u->field, "IsFastSigningRequest") == 0)
        return boolean(u, value, &s->fast, err);
    if (strcasecmp(u->field, "CancellationTimeoutInSeconds") == 0)
        return number(u, value, &s->cancellation_timeout_s, err);
    return wrong(u, u->field, err, "field.unknown",
                 "there is no such part; the file's part is called Artifact");
}

static enum cs_rc part_end(void *ctx, struct cs_err *err)
{
    struct upload *u = ctx;
    if (u->in_artifact) {
        cs_sha256_stream_final(u->hash, u->s.sha256);
        u->in_artifact = false;
        return CS_OK;
    }
    const char *value = cs_arena_strndup(u->c->a, (const char *)u->text.ptr, u->text.len);
    if (value == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (strlen(value) != u->text.len || !cs_utf8_valid(value, u->text.len))
        return wrong(u, u->field, err, "field.text", "it is not UTF-8 text");
    return take_text(u, value, err);
}

void submit_begin(struct call *c)
{
    const uint64_t limit = (uint64_t)cs_option_number(c->g->options, "limits.artifact_bytes");
    struct upload *u = cs_arena_alloc(c->a, sizeof(*u));
    if (u == NULL) {
        answer_later(c, "no memory");
        return;
    }
    u->c = c;
    u->limit = limit;
    u->text = CS_BUF_INIT(MAX_TEXT);
    u->s.draft = &u->draft;
    u->draft.fd = -1;
    c->upload = u;
    const struct multipart_sink sink = {
        .ctx = u, .begin = part_begin, .data = part_data, .end = part_end};
    if (http_content_length(c->http) > (int64_t)limit + (1 << 20))
        answer_problem(c, 413, "artifact.too_large", "Artifact",
                       "the artifact is larger than the %llu bytes that are accepted",
                       (unsigned long long)limit);
    else if (multipart_init(&u->mp, http_header(c->http, "Content-Type"), &sink, &u->err) != CS_OK)
        answer_error(c, &u->err);
}

/* After the first mistake the rest is read and dropped, so that the client gets its answer. */
void submit_body(struct call *c, struct cs_bytes piece)
{
    struct upload *u = c->upload;
    if (u->err.rc != CS_OK)
        return;
    const enum cs_rc rc = multipart_feed(&u->mp, piece, &u->err);
    u->err.rc = rc;
    if (rc != CS_OK && u->drafted) {
        cs_blob_abort(&u->draft);
        u->drafted = false;
    }
}

static bool complete(struct call *c, struct upload *u)
{
    if (u->err.rc == CS_OK)
        u->err.rc = multipart_finish(&u->mp, &u->err);
    if (u->err.rc == CS_INVALID && u->bad_field[0] != '\0') {
        answer_problem(c, 400, u->err.code, u->bad_field, "%s", u->err.msg);
        return false;
    }
    if (u->err.rc != CS_OK) {
        answer_error(c, &u->err);
        return false;
    }
    if (!u->s.has_artifact) {
        answer_problem(c, 400, "artifact.missing", "Artifact",
                       "there is no file: send it as the part Artifact");
        return false;
    }
    return true;
}

static void answer_created(struct call *c, const struct submitted *done)
{
    const char *link = request_link(c, done->request_id, "");
    http_reply_header(c->http, "Location", link);
    answer_json(c, 201,
                json_pack("{s:s,s:s,s:s,s:s}", "signingRequestId", done->request_id, "status",
                          "InProgress", "workflowStatus", "Submitted", "webLink", link));
}

/* IsFastSigningRequest: the signed file itself is the answer. */
static void answer_fast_file(struct call *c, struct submitted *done)
{
    struct cs_err err = {0};
    int fd = -1;
    uint64_t size = 0;
    const Cs__Events__RequestStateChanged *e = submission_result(c, done);
    if (e == NULL)
        return;
    if (e->signed_artifact == NULL ||
        cs_blob_open(c->g->blobs, e->signed_artifact->blob, &fd, &size, &err) != CS_OK) {
        answer_later(c, "the signed file is not there yet");
        return;
    }
    http_reply_header(c->http, "Location", request_link(c, done->request_id, ""));
    http_reply_file(c->http, 200, "application/octet-stream", fd, 0, size);
}

/* A small JSON object in a fast request is a hash to be signed; clients name it payload.json, or
 * not at all. No format that we sign begins with a brace. */
static bool is_hash_payload(const struct upload *u)
{
    char first = '\0';
    return u->s.fast && u->s.size > 0 && u->s.size < MAX_TEXT &&
           pread(u->draft.fd, &first, 1, 0) == 1 && first == '{';
}

void submit_end(struct call *c)
{
    struct upload *u = c->upload;
    struct submitted done = {.request_id = ""};
    if (!complete(c, u))
        return;
    if (is_hash_payload(u)) {
        hash_payload_answer(c, &u->s, u->draft.fd);
        return;
    }
    if (submission_accept(c, &u->s, u->s.fast, &done)) {
        u->drafted = u->draft.fd >= 0;
        if (u->s.fast)
            answer_fast_file(c, &done);
        else
            answer_created(c, &done);
    }
    waiter_free(c->g->waiters, done.waiter);
}

void submit_gone(struct call *c)
{
    struct upload *u = c->upload;
    if (u == NULL)
        return;
    if (u->drafted && u->draft.fd >= 0)
        cs_blob_abort(&u->draft);
    cs_sha256_stream_free(u->hash);
    cs_buf_done(&u->text);
}
