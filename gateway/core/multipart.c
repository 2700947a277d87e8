/* A byte-wise state machine with whole-run delivery of data; see multipart.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "multipart.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_PARTS = 600 };
enum state { PREAMBLE, AFTER_BOUNDARY, AFTER_DASH, AFTER_CR, HEADER, DATA, EPILOGUE };

static enum cs_rc malformed(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_INVALID, "multipart.malformed", "multipart/form-data: %s", what);
}

/* The value of a parameter such as boundary or name, quoted or not; NULL: not there. */
static const char *parameter(const char *header, const char *name, char *out, size_t size)
{
    const size_t n = strlen(name);
    for (const char *p = header; (p = strchr(p, ';')) != NULL;) {
        p++;
        while (isspace((unsigned char)*p))
            p++;
        if (strncasecmp(p, name, n) != 0)
            continue;
        const char *v = p + n;
        while (*v == ' ')
            v++;
        if (*v != '=')
            continue;
        v++;
        const bool quoted = *v == '"';
        v += quoted ? 1 : 0;
        size_t k = 0;
        while (*v != '\0' && (quoted ? *v != '"' : *v != ';' && !isspace((unsigned char)*v))) {
            if (quoted && *v == '\\' && (v[1] == '"' || v[1] == '\\'))
                v++;
            if (k + 1 >= size)
                return NULL;
            out[k++] = *v++;
        }
        out[k] = '\0';
        return out;
    }
    return NULL;
}

enum cs_rc multipart_init(struct multipart *m, const char *content_type,
                          const struct multipart_sink *sink, struct cs_err *err)
{
    char boundary[MULTIPART_MAX_BOUNDARY];
    *m = (struct multipart){.sink = *sink, .state = PREAMBLE, .matched = 2};
    if (content_type == NULL || strncasecmp(content_type, "multipart/form-data", 19) != 0 ||
        parameter(content_type, "boundary", boundary, sizeof(boundary)) == NULL ||
        boundary[0] == '\0')
        return cs_err_code(
            err, CS_INVALID, "multipart.content_type",
            "Content-Type must be multipart/form-data with a boundary, it is '%.100s'",
            content_type == NULL ? "" : content_type);
    m->boundary_len = (size_t)snprintf(m->boundary, sizeof(m->boundary), "\r\n--%s", boundary);
    return CS_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* filename*=utf-8''a%20b (RFC 8187); kept as it is when it is something else. */
static void decode_extended(char *text)
{
    char *q = strstr(text, "''");
    char *out = text;
    if (q == NULL)
        return;
    for (const char *p = q + 2; *p != '\0'; p++) {
        if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
            *out++ = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
}

static enum cs_rc read_disposition(const char *line, struct multipart_part *p, struct cs_err *err)
{
    char extended[3 * MULTIPART_MAX_NAME];
    if (parameter(line, "name", p->name, sizeof(p->name)) == NULL)
        return malformed(err, "a part without a name, or with one that is too long");
    p->is_file = parameter(line, "filename", p->file_name, sizeof(p->file_name)) != NULL;
    if (parameter(line, "filename*", extended, sizeof(extended)) != NULL) {
        decode_extended(extended);
        p->is_file = true;
        if (strlen(extended) < sizeof(p->file_name))
            memcpy(p->file_name, extended, strlen(extended) + 1);
    }
    return CS_OK;
}

/* All header lines of a part are in m->header. */
static enum cs_rc begin_part(struct multipart *m, struct cs_err *err)
{
    struct multipart_part p = {.name = ""};
    bool found = false;
    char *rest = NULL;
    m->header[m->header_len] = '\0';
    if (++m->n_parts > MAX_PARTS)
        return cs_err_code(err, CS_LIMIT, "multipart.parts", "more than %d parts", MAX_PARTS);
    for (char *line = strtok_r(m->header, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        if (strncasecmp(line, "Content-Disposition:", 20) != 0)
            continue;
        CS_TRY(read_disposition(line, &p, err));
        found = true;
    }
    if (!found)
        return malformed(err, "a part without Content-Disposition");
    m->header_len = 0;
    m->matched = 0;
    m->state = DATA;
    return m->sink.begin(m->sink.ctx, &p, err);
}

static enum cs_rc header_byte(struct multipart *m, uint8_t c, struct cs_err *err)
{
    if (c == '\0' || m->header_len + 1 >= sizeof(m->header))
        return malformed(err, "the header of a part is too long, or holds a NUL");
    m->header[m->header_len++] = (char)c;
    const size_t n = m->header_len;
    const bool blank = n == 2 && memcmp(m->header, "\r\n", 2) == 0;
    if (blank || (n >= 4 && memcmp(m->header + n - 4, "\r\n\r\n", 4) == 0))
        return begin_part(m, err);
    return CS_OK;
}

/* One byte outside of data. */
static enum cs_rc step(struct multipart *m, uint8_t c, struct cs_err *err)
{
    switch ((enum state)m->state) {
    case PREAMBLE: /* what comes before the first boundary is ignored */
        m->matched = (char)c == m->boundary[m->matched] ? m->matched + 1 : c == '\r' ? 1 : 0;
        if (m->matched == m->boundary_len)
            m->state = AFTER_BOUNDARY;
        return CS_OK;
    case AFTER_BOUNDARY:
        if (c == '-')
            m->state = AFTER_DASH;
        else if (c == '\r')
            m->state = AFTER_CR;
        else if (c != ' ' && c != '\t')
            return malformed(err, "something else than a line end follows a boundary");
        return CS_OK;
    case AFTER_DASH:
        if (c != '-')
            return malformed(err, "something else than a line end follows a boundary");
        m->state = EPILOGUE;
        return CS_OK;
    case AFTER_CR:
        if (c != '\n')
            return malformed(err, "a bare carriage return after a boundary");
        m->state = HEADER;
        m->header_len = 0;
        return CS_OK;
    case HEADER:
        return header_byte(m, c, err);
    case DATA:
    case EPILOGUE:
    default:
        return CS_OK;
    }
}

static enum cs_rc deliver(struct multipart *m, const void *p, size_t n, struct cs_err *err)
{
    return n == 0 ? CS_OK : m->sink.data(m->sink.ctx, cs_bytes(p, n), err);
}

/* Data up to the next possible boundary; returns how many bytes were taken. */
static enum cs_rc data_run(struct multipart *m, const uint8_t *p, size_t n, size_t *taken,
                           struct cs_err *err)
{
    if (m->matched == 0) {
        const uint8_t *cr = memchr(p, '\r', n);
        const size_t run = cr == NULL ? n : (size_t)(cr - p);
        *taken = run;
        if (run > 0)
            return deliver(m, p, run, err);
    }
    *taken = 1;
    if ((char)*p == m->boundary[m->matched]) {
        if (++m->matched < m->boundary_len)
            return CS_OK;
        m->state = AFTER_BOUNDARY;
        m->matched = 0;
        return m->sink.end(m->sink.ctx, err);
    }
    /* Not the boundary after all. CR stands only at its start, so nothing overlaps. */
    const size_t held = m->matched;
    m->matched = 0;
    *taken = 0;
    return deliver(m, m->boundary, held, err);
}

enum cs_rc multipart_feed(struct multipart *m, struct cs_bytes piece, struct cs_err *err)
{
    size_t at = 0;
    while (at < piece.len) {
        size_t taken = 1;
        if (m->state == EPILOGUE)
            return CS_OK;
        if (m->state == DATA)
            CS_TRY(data_run(m, piece.ptr + at, piece.len - at, &taken, err));
        else
            CS_TRY(step(m, piece.ptr[at], err));
        at += taken;
    }
    return CS_OK;
}

enum cs_rc multipart_finish(const struct multipart *m, struct cs_err *err)
{
    if (m->state == EPILOGUE)
        return CS_OK;
    return malformed(err, "the body ends before the closing boundary");
}
