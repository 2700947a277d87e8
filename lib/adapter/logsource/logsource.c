/* Reads a log from disk or over HTTP; see logsource.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/logsource/logsource.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/stat.h>

enum { TIMEOUT_S = 120, CONNECT_S = 10, TRIES = 3, NAME_MAX_TEXT = 200 };

struct cs_log_source {
    char prefix[512];
    CURL *curl; /* NULL: a directory */
    char problem[CURL_ERROR_SIZE];
};

/* What arrives, and whether it was too much. */
struct sink {
    struct cs_buf *out;
    bool too_large;
};

static size_t arrived(char *data, size_t size, size_t n, void *self)
{
    struct sink *s = self;
    if (cs_buf_add(s->out, data, size * n, NULL) == CS_OK)
        return size * n;
    s->too_large = true;
    return 0;
}

static enum cs_rc open_http(struct cs_log_source *s, const char *ca_file, struct cs_err *err)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    s->curl = curl_easy_init();
    if (s->curl == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CURLcode c = curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_ACCEPT_ENCODING, "gzip, identity");
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, arrived);
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_ERRORBUFFER, s->problem);
    if (c == CURLE_OK && ca_file != NULL)
        c = curl_easy_setopt(s->curl, CURLOPT_CAINFO, ca_file);
    return c == CURLE_OK ? CS_OK : cs_err_set(err, CS_INVALID, "%s", curl_easy_strerror(c));
}

enum cs_rc cs_log_source_open(const char *where, const char *ca_file, struct cs_log_source **out,
                              struct cs_err *err)
{
    struct stat st;
    CS_AUTO(cs_log_source) s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_strf(s->prefix, sizeof(s->prefix), err, "%s", where));
    for (size_t n = strlen(s->prefix); n > 1 && s->prefix[n - 1] == '/'; n--)
        s->prefix[n - 1] = '\0';
    if (cs_str_starts(where, "http://") || cs_str_starts(where, "https://"))
        CS_TRY(open_http(s, ca_file, err));
    else if (stat(where, &st) != 0 || !S_ISDIR(st.st_mode))
        return cs_err_set(err, CS_NOT_FOUND, "%s is neither a directory nor an http(s) URL", where);
    *out = CS_STEAL(s);
    return CS_OK;
}

void cs_log_source_close(struct cs_log_source *s)
{
    if (s == NULL)
        return;
    if (s->curl != NULL)
        curl_easy_cleanup(s->curl);
    cs_free(s);
}

void cs_log_source_freep(struct cs_log_source **s)
{
    cs_log_source_close(*s);
    *s = NULL;
}

static enum cs_rc get_once(struct cs_log_source *s, const char *url, struct cs_buf *out,
                           struct cs_err *err)
{
    long status = 0;
    struct sink sink = {.out = out};
    out->len = 0;
    s->problem[0] = '\0';
    CURLcode c = curl_easy_setopt(s->curl, CURLOPT_URL, url);
    if (c == CURLE_OK)
        c = curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, &sink);
    if (c == CURLE_OK)
        c = curl_easy_perform(s->curl);
    if (sink.too_large)
        return cs_err_set(err, CS_LIMIT, "%s is larger than %zu bytes", url, out->max);
    if (c != CURLE_OK)
        return cs_err_set(err, CS_RETRY, "%s: %s", url,
                          s->problem[0] != '\0' ? s->problem : curl_easy_strerror(c));
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404 || status == 410)
        return cs_err_set(err, CS_NOT_FOUND, "%s is not there", url);
    return status == 200 ? CS_OK : cs_err_set(err, CS_RETRY, "%s answers %ld", url, status);
}

enum cs_rc cs_log_source_fetch(struct cs_log_source *s, const char *name, struct cs_buf *out,
                               struct cs_err *err)
{
    char path[sizeof(s->prefix) + NAME_MAX_TEXT];
    enum cs_rc rc = CS_RETRY;
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/%s", s->prefix, name));
    out->len = 0;
    if (s->curl == NULL)
        return cs_file_read(path, out, err);
    for (int i = 0; i < TRIES && rc == CS_RETRY; i++)
        rc = get_once(s, path, out, err);
    return rc;
}
