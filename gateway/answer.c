/* Replies; see answer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DETAIL = 1024 };

void answer_json(struct call *c, unsigned status, json_t *document)
{
    char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (text == NULL) {
        http_reply(c->http, 500, "text/plain", cs_bytes_str("no memory\n"));
        return;
    }
    http_reply_header(c->http, "Cache-Control", "no-store");
    http_reply(c->http, status, "application/json", cs_bytes_str(text));
    free(text);
}

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } rows[] = {{400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {409, "Conflict"},
                {410, "Gone"},
                {413, "Content Too Large"},
                {416, "Range Not Satisfiable"},
                {422, "Unprocessable Content"},
                {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status)
            return rows[i].title;
    }
    return "Internal Server Error";
}

static void send_problem(struct call *c, unsigned status, const char *code, const char *field,
                         json_t *document, const char *detail)
{
    char trace[CS_UUID_TEXT];
    const char *accept = http_header(c->http, "Accept");
    const bool problem = accept != NULL && strstr(accept, "application/problem+json") != NULL;
    cs_uuid_random(trace);
    json_object_set_new(document, "type", json_string("about:blank"));
    json_object_set_new(document, "title", json_string(title_of(status)));
    json_object_set_new(document, "status", json_integer(status));
    json_object_set_new(document, "detail", json_string(detail));
    json_object_set_new(document, "error", json_string(detail));
    json_object_set_new(document, "message", json_string(detail));
    json_object_set_new(document, "traceId", json_string(trace));
    if (code != NULL && code[0] != '\0')
        json_object_set_new(document, "code", json_string(code));
    if (field != NULL)
        json_object_set_new(document, "errors", json_pack("{s:[s]}", field, detail));
    cs_log_info("http.problem", CS_KS("trace", trace), CS_KI("status", status),
                CS_KS("method", http_method(c->http)), CS_KS("path", http_path(c->http)),
                CS_KS("detail", detail));
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    http_reply_header(c->http, "Cache-Control", "no-store");
    http_reply(c->http, status, problem ? "application/problem+json" : "application/json",
               cs_bytes_str(text == NULL ? "{}" : text));
    free(text);
}

void answer_problem(struct call *c, unsigned status, const char *code, const char *field,
                    const char *fmt, ...)
{
    char detail[MAX_DETAIL];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(detail, sizeof(detail), fmt, ap) < 0)
        detail[0] = '\0';
    va_end(ap);
    send_problem(c, status, code, field, json_object(), detail);
}

void answer_problem_with(struct call *c, unsigned status, const char *code, const char *member,
                         json_t *extra, const char *detail)
{
    json_t *document = json_object();
    json_object_set_new(document, member, extra);
    send_problem(c, status, code, NULL, document, detail);
}

void answer_later(struct call *c, const char *why)
{
    http_reply_header(c->http, "Retry-After", "5");
    answer_problem(c, 503, "try_later", NULL, "not now, try again: %s", why);
}

void answer_forbidden(struct call *c)
{
    answer_problem(c, 403, "not_allowed", NULL,
                   "it does not exist, or this token may not do that with it");
}

void answer_error(struct call *c, const struct cs_err *err)
{
    switch (err->rc) {
    case CS_INVALID:
    case CS_UNSUPPORTED:
        answer_problem(c, 400, err->code, NULL, "%s", err->msg);
        return;
    case CS_DENIED:
    case CS_NOT_FOUND:
        answer_forbidden(c);
        return;
    case CS_CONFLICT:
    case CS_EXISTS:
        answer_problem(c, 409, err->code, NULL, "%s", err->msg);
        return;
    case CS_LIMIT:
        answer_problem(c, 413, err->code, NULL, "%s", err->msg);
        return;
    case CS_RETRY:
    case CS_NOMEM:
        answer_later(c, err->msg);
        return;
    case CS_OK:
    case CS_FATAL:
    default:
        answer_problem(c, 500, err->code, NULL, "%s", err->msg);
        return;
    }
}

json_t *answer_time(int64_t ms)
{
    char text[CS_TIME_TEXT];
    cs_time_format(ms, text);
    return json_string(text);
}

json_t *answer_hex(const ProtobufCBinaryData *d)
{
    char hex[2 * 64 + 1];
    if (d->len > 64)
        return json_string("");
    cs_hex_encode(d->data, d->len, hex);
    return json_string(hex);
}

void answer_set(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(object, name, json_string(text));
}

json_t *answer_body(struct call *c)
{
    json_error_t e;
    const char *text = cs_buf_cstr(&c->body);
    if (c->too_large) {
        answer_problem(c, 413, "body.too_large", NULL, "the body is larger than this route takes");
        return NULL;
    }
    json_t *j = text == NULL || c->body.len == 0
                    ? json_object()
                    : json_loadb(text, c->body.len, JSON_REJECT_DUPLICATES, &e);
    if (j == NULL || !json_is_object(j)) {
        json_decref(j);
        answer_problem(c, 400, "body.json", NULL, "the body is not a JSON object%s%s",
                       j == NULL ? ": " : "", j == NULL ? e.text : "");
        return NULL;
    }
    return j;
}
