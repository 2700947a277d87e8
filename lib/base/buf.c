/* Growing byte buffers with a hard maximum.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct cs_bytes cs_bytes_str(const char *s)
{
    return cs_bytes(s, strlen(s));
}

bool cs_bytes_eq(struct cs_bytes a, struct cs_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

void cs_buf_done(struct cs_buf *b)
{
    if (b == NULL)
        return;
    cs_free(b->ptr);
    b->ptr = NULL;
    b->len = b->cap = 0;
}

enum cs_rc cs_buf_reserve(struct cs_buf *b, size_t extra, struct cs_err *err)
{
    if (extra > b->max || b->len > b->max - extra)
        return cs_err_set(err, CS_LIMIT, "more than %zu bytes", b->max);
    const size_t need = b->len + extra;
    if (need <= b->cap)
        return CS_OK;
    size_t cap = b->cap == 0 ? 256 : b->cap;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    uint8_t *p = cs_realloc(b->ptr, cap, 1);
    if (p == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for %zu bytes", cap);
    b->ptr = p;
    b->cap = cap;
    return CS_OK;
}

enum cs_rc cs_buf_add(struct cs_buf *b, const void *p, size_t n, struct cs_err *err)
{
    CS_TRY(cs_buf_reserve(b, n, err));
    if (n > 0)
        memcpy(b->ptr + b->len, p, n);
    b->len += n;
    return CS_OK;
}

enum cs_rc cs_buf_add_str(struct cs_buf *b, const char *s, struct cs_err *err)
{
    return cs_buf_add(b, s, strlen(s), err);
}

enum cs_rc cs_buf_addf(struct cs_buf *b, struct cs_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return cs_err_set(err, CS_INVALID, "cannot format '%s'", fmt);
    /* One byte more for the NUL that vsnprintf insists on; it is not counted. */
    CS_TRY(cs_buf_reserve(b, (size_t)n + 1, err));
    va_start(ap, fmt);
    const int m = vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    if (m != n)
        return cs_err_set(err, CS_INVALID, "cannot format '%s'", fmt);
    b->len += (size_t)n;
    return CS_OK;
}

const char *cs_buf_cstr(struct cs_buf *b)
{
    if (cs_buf_reserve(b, 1, NULL) != CS_OK)
        return NULL;
    b->ptr[b->len] = '\0';
    return (const char *)b->ptr;
}
