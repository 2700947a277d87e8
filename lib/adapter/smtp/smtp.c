/* SMTP by libcurl: MIME, TLS, AUTH and time limits are its; classes of failure are ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "smtp.h"

#include "base/mem.h"
#include "base/str.h"
#include "header.h"

#include <curl/curl.h>
#include <string.h>

struct cs_smtp {
    CURL *curl;
    struct cs_mail_port port;
    char *url;
    char *user;
    char *password;
    char *ca_file;
    bool require_tls;
    long timeout_ms;
};

static enum cs_rc smtp_send(void *self, const struct cs_mail *mail, struct cs_err *err);

static bool is_local(const char *url)
{
    return cs_str_starts(url, "smtp://127.0.0.1") || cs_str_starts(url, "smtp://localhost") ||
           cs_str_starts(url, "smtp://[::1]");
}

static enum cs_rc check_options(const struct cs_smtp_options *o, struct cs_err *err)
{
    const bool plain = cs_str_starts(o->url, "smtp://");
    if (!plain && !cs_str_starts(o->url, "smtps://"))
        return cs_err_code(err, CS_INVALID, "mail.url",
                           "'%s' is not a relay; write smtp://HOST:PORT or smtps://HOST:PORT",
                           o->url);
    if (plain && !o->require_tls && o->user[0] != '\0' && !is_local(o->url))
        return cs_err_code(err, CS_INVALID, "mail.url",
                           "the relay's password would travel unprotected: require TLS");
    return CS_OK;
}

enum cs_rc cs_smtp_open(const struct cs_smtp_options *o, struct cs_smtp **out, struct cs_err *err)
{
    CS_TRY(check_options(o, err));
    CS_AUTO(cs_smtp) s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "smtp");
    s->port = (struct cs_mail_port){.self = s, .send = smtp_send};
    s->url = cs_strdup(o->url);
    s->user = cs_strdup(o->user);
    s->password = cs_strdup(o->password);
    s->ca_file = cs_strdup(o->ca_file);
    s->require_tls = o->require_tls;
    s->timeout_ms = o->timeout_ms;
    s->curl = curl_easy_init();
    if (s->url == NULL || s->user == NULL || s->password == NULL || s->ca_file == NULL ||
        s->curl == NULL)
        return cs_err_set(err, CS_NOMEM, "smtp");
    *out = CS_STEAL(s);
    return CS_OK;
}

void cs_smtp_close(struct cs_smtp *s)
{
    if (s == NULL)
        return;
    curl_easy_cleanup(s->curl);
    cs_free(s->url);
    cs_free(s->user);
    if (s->password != NULL)
        explicit_bzero(s->password, strlen(s->password));
    cs_free(s->password);
    cs_free(s->ca_file);
    cs_free(s);
}

void cs_smtp_freep(struct cs_smtp **s)
{
    cs_smtp_close(*s);
    *s = NULL;
}

const struct cs_mail_port *cs_smtp_port(struct cs_smtp *s)
{
    return &s->port;
}

static void free_list(struct curl_slist **l)
{
    curl_slist_free_all(*l);
}

static void free_mime(curl_mime **m)
{
    curl_mime_free(*m);
}

static enum cs_rc append(struct curl_slist **list, struct cs_buf *line, struct cs_err *err)
{
    const char *text = cs_buf_cstr(line);
    struct curl_slist *grown = text == NULL ? NULL : curl_slist_append(*list, text);
    if (grown == NULL)
        return cs_err_set(err, CS_NOMEM, "mail headers");
    *list = grown;
    line->len = 0;
    return CS_OK;
}

static enum cs_rc add_header(struct curl_slist **list, struct cs_buf *line, const char *name,
                             const char *value, struct cs_err *err)
{
    CS_TRY(cs_mail_header(line, name, value, err));
    return append(list, line, err);
}

static enum cs_rc add_id(struct curl_slist **list, struct cs_buf *line, const char *name,
                         const char *id, struct cs_err *err)
{
    if (!cs_mail_id_valid(id))
        return cs_err_code(err, CS_INVALID, "mail.header", "%s is not a message id", name);
    CS_TRY(cs_buf_addf(line, err, "%s: <%s>", name, id));
    return append(list, line, err);
}

static enum cs_rc headers(const struct cs_mail *m, struct curl_slist **list, struct cs_err *err)
{
    CS_AUTO_BUF line = CS_BUF_INIT(16384);
    char date[CS_MAIL_DATE];
    cs_mail_date(m->date_ms, date);
    CS_TRY(add_header(list, &line, "Date", date, err));
    CS_TRY(cs_mail_header_box(&line, "From", &m->from, err));
    CS_TRY(append(list, &line, err));
    CS_TRY(cs_mail_header_box(&line, "To", &m->to, err));
    CS_TRY(append(list, &line, err));
    CS_TRY(add_header(list, &line, "Subject", m->subject, err));
    CS_TRY(add_id(list, &line, "Message-ID", m->message_id, err));
    CS_TRY(add_id(list, &line, "In-Reply-To", m->thread_id, err));
    CS_TRY(add_id(list, &line, "References", m->thread_id, err));
    CS_TRY(add_header(list, &line, "X-Countersign-Delivery", m->delivery_id, err));
    /* RFC 3834: out-of-office programs do not answer these. */
    CS_TRY(add_header(list, &line, "Auto-Submitted", "auto-generated", err));
    CS_TRY(add_header(list, &line, "X-Auto-Response-Suppress", "All", err));
    /* libcurl replaces its multipart/mixed by this and adds the boundary. */
    return add_header(list, &line, "Content-Type", "multipart/alternative", err);
}

static enum cs_rc add_part(curl_mime *mime, struct cs_bytes bytes, const char *type,
                           struct cs_err *err)
{
    curl_mimepart *part = curl_mime_addpart(mime);
    if (part == NULL || curl_mime_data(part, (const char *)bytes.ptr, bytes.len) != CURLE_OK ||
        curl_mime_type(part, type) != CURLE_OK ||
        curl_mime_encoder(part, "quoted-printable") != CURLE_OK)
        return cs_err_set(err, CS_NOMEM, "mail body");
    return CS_OK;
}

/* Plain text first, HTML last, as RFC 2046 orders alternatives. */
static enum cs_rc body(CURL *curl, const struct cs_mail *m, curl_mime **mime, struct cs_err *err)
{
    *mime = curl_mime_init(curl);
    if (*mime == NULL)
        return cs_err_set(err, CS_NOMEM, "mail body");
    CS_TRY(add_part(*mime, m->text, "text/plain; charset=utf-8", err));
    return add_part(*mime, m->html, "text/html; charset=utf-8", err);
}

/* A failed transfer in our classes: what a retry may cure, what it cannot, what an operator must.
 */
static enum cs_rc verdict(CURLcode code, long reply, const char *detail, struct cs_err *err)
{
    const char *why = detail[0] != '\0' ? detail : curl_easy_strerror(code);
    if (code == CURLE_LOGIN_DENIED || code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE || code == CURLE_USE_SSL_FAILED || reply == 530 ||
        reply == 535)
        return cs_err_code(err, CS_DENIED, "mail.login",
                           "the relay and we do not accept each other (%ld): %s", reply, why);
    if (reply >= 500 && reply < 600)
        return cs_err_code(err, CS_INVALID, "mail.bounced", "the relay refused (%ld): %s", reply,
                           why);
    return cs_err_code(err, CS_RETRY, "mail.later", "not delivered yet (%ld): %s", reply, why);
}

static void settings(struct cs_smtp *s, char *detail)
{
    CURL *c = s->curl;
    const bool smtps = cs_str_starts(s->url, "smtps://");
    curl_easy_reset(c); /* keeps the connection, forgets the last mail */
    curl_easy_setopt(c, CURLOPT_URL, s->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, s->timeout_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, s->timeout_ms / 2);
    curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, s->timeout_ms / 1000 + 1);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_USE_SSL,
                     (long)(smtps || s->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (s->ca_file[0] != '\0')
        curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file);
    if (s->user[0] != '\0') {
        curl_easy_setopt(c, CURLOPT_USERNAME, s->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, s->password);
    }
}

static enum cs_rc smtp_send(void *self, const struct cs_mail *m, struct cs_err *err)
{
    struct cs_smtp *s = self;
    CS_CLEANUP(free_list) struct curl_slist *lines = NULL;
    CS_CLEANUP(free_list) struct curl_slist *to = NULL;
    CS_CLEANUP(free_mime) curl_mime *mime = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    long reply = 0;

    settings(s, detail);
    CS_TRY(headers(m, &lines, err));
    CS_TRY(body(s->curl, m, &mime, err));
    if ((to = curl_slist_append(NULL, m->to.address)) == NULL)
        return cs_err_set(err, CS_NOMEM, "mail recipient");
    curl_easy_setopt(s->curl, CURLOPT_MAIL_FROM, m->from.address);
    curl_easy_setopt(s->curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(s->curl, CURLOPT_MIMEPOST, mime);
    const CURLcode code = curl_easy_perform(s->curl);
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &reply);
    const enum cs_rc rc = code == CURLE_OK ? CS_OK : verdict(code, reply, detail, err);
    curl_easy_reset(s->curl); /* nothing of this mail, nor 'detail', is referred to any more */
    return rc;
}
