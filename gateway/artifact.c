/* Downloads: signed and unsigned artifacts, ranges, HEAD.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "core/range.h"
#include "requests.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* RFC 6266: a plain name for everybody, the real one for those who read it. */
static void name_it(struct call *c, const char *name)
{
    char plain[256];
    char encoded[3 * 256 + 1];
    size_t k = 0;
    size_t i = 0;
    for (; name[i] != '\0' && i + 1 < sizeof(plain); i++) {
        const unsigned char ch = (unsigned char)name[i];
        plain[i] = ch < 32 || ch > 126 || ch == '"' || ch == '\\' ? '_' : (char)ch;
        k += (size_t)snprintf(encoded + k, sizeof(encoded) - k, "%%%02X", ch);
    }
    plain[i] = '\0';
    const char *header =
        cs_arena_printf(c->a, "attachment; filename=\"%s\"; filename*=UTF-8''%s", plain, encoded);
    if (header != NULL)
        http_reply_header(c->http, "Content-Disposition", header);
}

static void send_range(struct call *c, const Cs__Common__Artifact *artifact, int fd, uint64_t size)
{
    uint64_t first = 0;
    uint64_t length = size;
    char etag[80];
    const enum range_answer r = range_parse(http_header(c->http, "Range"), size, &first, &length);
    http_reply_header(c->http, "Accept-Ranges", "bytes");
    if (r == RANGE_UNSATISFIABLE) {
        const char *all = cs_arena_printf(c->a, "bytes */%llu", (unsigned long long)size);
        close(fd);
        http_reply_header(c->http, "Content-Range", all == NULL ? "" : all);
        answer_problem(c, 416, "range", NULL, "the artifact has %llu bytes",
                       (unsigned long long)size);
        return;
    }
    name_it(c, artifact->file_name);
    json_t *hex = answer_hex(&artifact->sha256);
    snprintf(etag, sizeof(etag), "\"%s\"", json_string_value(hex));
    json_decref(hex);
    http_reply_header(c->http, "ETag", etag);
    http_reply_header(c->http, "Cache-Control", "private");
    if (r == RANGE_PART) {
        const char *range =
            cs_arena_printf(c->a, "bytes %llu-%llu/%llu", (unsigned long long)first,
                            (unsigned long long)(first + length - 1), (unsigned long long)size);
        http_reply_header(c->http, "Content-Range", range == NULL ? "" : range);
    }
    http_reply_file(c->http, r == RANGE_PART ? 206 : 200, "application/octet-stream", fd, first,
                    length);
}

static void send_artifact(struct call *c, const Cs__Common__Artifact *artifact)
{
    struct cs_err err = {0};
    int fd = -1;
    uint64_t size = 0;
    const enum cs_rc rc = cs_blob_open(c->g->blobs, artifact->blob, &fd, &size, &err);
    if (rc == CS_NOT_FOUND)
        answer_problem(c, 410, "artifact.purged", NULL,
                       "the artifact was removed after its retention time");
    else if (rc != CS_OK)
        answer_later(c, err.msg);
    else
        send_range(c, artifact, fd, size);
}

void artifact_end(struct call *c)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    struct found_request f;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc != CS_OK) {
        answer_error(c, &err);
        return;
    }
    const bool found = request_load(c, db, &f);
    dbpool_give(c->g->db, db);
    if (!found)
        return;
    const Cs__Common__Artifact *artifact = NULL;
    if (f.r != NULL)
        artifact = c->route.id == ROUTE_SIGNED ? f.r->signed_artifact : f.request->artifact;
    if (artifact != NULL)
        send_artifact(c, artifact);
    else
        answer_problem(
            c, 400, "artifact.not_ready", NULL,
            "there is no such artifact (yet); the request is %s",
            request_status(f.r == NULL ? CS__EVENTS__STATE__STATE_RECEIVED : f.r->state));
}
