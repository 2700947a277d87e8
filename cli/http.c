/* HTTP by libcurl; see http.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BODY = 64 << 20, DEFAULT_TIMEOUT_S = 120, URL_ROOM = 1024 };

struct cli_http {
    CURL *curl;
    const char *url;
    const char *organization;
    const char *token;
    const char *ca_file;
};

enum cs_rc cli_http_open(const struct cli_args *a, struct cli_http **out, struct cs_err *err)
{
    CS_AUTO(cli_http) h = cs_calloc(1, sizeof(*h));
    if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cli_need(a, "url", &h->url, err));
    CS_TRY(cli_need(a, "organization-id", &h->organization, err));
    CS_TRY(cli_need(a, "token", &h->token, err));
    h->ca_file = cli_value(a, "tls-ca-file");
    h->curl = curl_easy_init();
    if (h->curl == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *out = CS_STEAL(h);
    return CS_OK;
}

void cli_http_close(struct cli_http *h)
{
    if (h == NULL)
        return;
    curl_easy_cleanup(h->curl);
    cs_free(h);
}

void cli_http_freep(struct cli_http **h)
{
    cli_http_close(*h);
    *h = NULL;
}

struct sink {
    struct cs_buf *body;
    int fd;
    bool to_fd; /* a good answer goes to the descriptor, a problem into the body */
    CURL *curl;
};

static size_t take(char *p, size_t size, size_t n, void *ctx)
{
    struct sink *s = ctx;
    long status = 0;
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    if (s->to_fd && status >= 200 && status < 300)
        return cs_fd_write_all(s->fd, p, size * n, NULL) == CS_OK ? size * n : 0;
    return cs_buf_add(s->body, p, size * n, NULL) == CS_OK ? size * n : 0;
}

static int progress(void *ctx, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
                    curl_off_t ul)
{
    const struct cli_request *r = ctx;
    if (ul_total > 0)
        r->progress(r->progress_ctx, ul, ul_total);
    else
        r->progress(r->progress_ctx, dl, dl_total);
    return 0;
}

static curl_mime *make_mime(struct cli_http *h, const struct cli_request *r)
{
    curl_mime *mime = curl_mime_init(h->curl);
    for (size_t i = 0; mime != NULL && r->fields != NULL && r->fields[i] != NULL; i += 2) {
        curl_mimepart *p = curl_mime_addpart(mime);
        curl_mime_name(p, r->fields[i]);
        curl_mime_data(p, r->fields[i + 1], CURL_ZERO_TERMINATED);
    }
    curl_mimepart *p = mime == NULL ? NULL : curl_mime_addpart(mime);
    if (p != NULL) {
        curl_mime_name(p, "Artifact");
        curl_mime_filedata(p, r->file);
        if (r->file_name != NULL)
            curl_mime_filename(p, r->file_name);
        curl_mime_type(p, "application/octet-stream");
    }
    return mime;
}

static struct curl_slist *make_headers(const struct cli_http *h, const struct cli_request *r)
{
    char line[1024];
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
    snprintf(line, sizeof(line), "Authorization: Bearer %s", h->token);
    list = curl_slist_append(list, line);
    if (r->json != NULL)
        list = curl_slist_append(list, "Content-Type: application/json");
    if (r->idempotency_key != NULL) {
        snprintf(line, sizeof(line), "Idempotency-Key: %s", r->idempotency_key);
        list = curl_slist_append(list, line);
    }
    return list;
}

static void set_common(struct cli_http *h, const struct cli_request *r, const char *url,
                       struct sink *sink, struct curl_slist *headers)
{
    curl_easy_reset(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (h->ca_file != NULL)
        curl_easy_setopt(h->curl, CURLOPT_CAINFO, h->ca_file);
    if (r->progress != NULL) {
        curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, progress);
        curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, r);
    }
}

/* One try. CS_RETRY when nothing answered. */
static enum cs_rc once(struct cli_http *h, const struct cli_request *r, const char *url,
                       struct cli_response *out, curl_off_t *retry_after, struct cs_err *err)
{
    struct sink sink = {
        .body = &out->body, .fd = r->out_fd, .to_fd = r->out_fd >= 0, .curl = h->curl};
    struct curl_slist *headers = make_headers(h, r);
    char *text = r->json == NULL ? NULL : json_dumps(r->json, JSON_COMPACT);
    curl_mime *mime = NULL;
    out->body.len = 0;
    set_common(h, r, url, &sink, headers);
    if (r->file != NULL) {
        mime = make_mime(h, r);
        curl_easy_setopt(h->curl, CURLOPT_MIMEPOST, mime);
    } else if (strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, text == NULL ? "" : text);
    }
    const CURLcode rc = curl_easy_perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, retry_after);
    curl_mime_free(mime);
    curl_slist_free_all(headers);
    free(text);
    if (rc != CURLE_OK)
        return cs_err_set(err, CS_RETRY, "%s: %s", url, curl_easy_strerror(rc));
    return CS_OK;
}

static enum cs_rc judge(const struct cli_response *out, struct cs_err *err)
{
    json_t *j = NULL;
    const char *detail = NULL;
    enum cs_rc rc = CS_INVALID;
    if (out->status >= 200 && out->status < 300)
        return CS_OK;
    j = json_loadb((const char *)out->body.ptr, out->body.len, 0, NULL);
    detail = json_string_value(json_object_get(j, "detail"));
    if (out->status == 401 || out->status == 403)
        rc = CS_DENIED;
    else if (out->status == 409)
        rc = CS_CONFLICT;
    else if (out->status >= 500)
        rc = CS_RETRY;
    cs_err_code(err, rc, json_string_value(json_object_get(j, "code")), "%s",
                detail != NULL ? detail : "the gateway gave no reason");
    const json_t *errors = json_object_get(j, "errors");
    char *all = json_is_object(errors) ? json_dumps(errors, JSON_COMPACT) : NULL;
    if (all != NULL && detail != NULL && strstr(all, detail) == NULL)
        cs_err_code(err, rc, NULL, "%.150s: %.340s", detail, all);
    free(all);
    json_decref(j);
    return rc;
}

static bool worth_another(enum cs_rc rc, long status)
{
    return rc == CS_RETRY || status == 502 || status == 503 || status == 504;
}

enum cs_rc cli_http_call(struct cli_http *h, const struct cli_request *r, struct cli_response *out,
                         struct cs_err *err)
{
    char url[URL_ROOM];
    const int64_t until =
        cs_monotonic_ms() + 1000LL * (r->timeout_s > 0 ? r->timeout_s : DEFAULT_TIMEOUT_S);
    const bool global = strncmp(r->path, "//", 2) == 0;
    CS_TRY(cs_strf(url, sizeof(url), err, "%s/Api/v1/%s%s", h->url, global ? "" : h->organization,
                   global ? r->path + 2 : r->path));
    out->body.max = MAX_BODY;
    for (unsigned tries = 0;; tries++) {
        curl_off_t retry_after = 0;
        out->status = 0;
        const enum cs_rc rc = once(h, r, url, out, &retry_after, err);
        const int64_t pause =
            retry_after > 0 ? retry_after * 1000 : 250LL << (tries > 5 ? 5 : tries);
        if (!worth_another(rc, out->status))
            return judge(out, err);
        if (cs_monotonic_ms() + pause >= until)
            return rc != CS_OK ? rc : judge(out, err);
        const struct timespec t = {.tv_sec = pause / 1000,
                                   .tv_nsec = (long)(pause % 1000) * 1000000L};
        nanosleep(&t, NULL);
    }
}

enum cs_rc cli_http_json(struct cli_http *h, const struct cli_request *r, json_t **out,
                         struct cs_err *err)
{
    struct cli_response answer = {0};
    json_error_t e;
    enum cs_rc rc = cli_http_call(h, r, &answer, err);
    if (rc == CS_OK) {
        *out = json_loadb((const char *)answer.body.ptr, answer.body.len, 0, &e);
        if (*out == NULL)
            rc = cs_err_set(err, CS_RETRY, "the gateway's answer is not JSON");
    }
    cs_buf_done(&answer.body);
    return rc;
}
