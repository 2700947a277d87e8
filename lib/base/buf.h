/* Bytes with a length and a hard maximum; borrowed views of bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed view: owns nothing, valid as long as what it points into. */
struct cs_bytes {
    const uint8_t *ptr;
    size_t len;
};

static inline struct cs_bytes cs_bytes(const void *p, size_t n)
{
    return (struct cs_bytes){.ptr = p, .len = n};
}
struct cs_bytes cs_bytes_str(const char *s);
bool cs_bytes_eq(struct cs_bytes a, struct cs_bytes b);

/* A growing buffer that never exceeds 'max' bytes. Zero it with CS_BUF_INIT(max). */
struct cs_buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max;
};
#define CS_BUF_INIT(limit)                                                                         \
    (struct cs_buf)                                                                                \
    {                                                                                              \
        .max = (limit)                                                                             \
    }

/* Frees the bytes; the buffer can be used again. NULL-safe, half-built-safe. */
void cs_buf_done(struct cs_buf *b);
#define CS_AUTO_BUF CS_CLEANUP(cs_buf_done) struct cs_buf

/* CS_LIMIT past the maximum, CS_NOMEM without memory; the content is then unchanged. */
enum cs_rc cs_buf_reserve(struct cs_buf *b, size_t extra, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_buf_add(struct cs_buf *b, const void *p, size_t n, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_buf_add_str(struct cs_buf *b, const char *s, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_buf_addf(struct cs_buf *b, struct cs_err *err, const char *fmt, ...)
    CS_PRINTF(3, 4) CS_MUST_CHECK;
/* Ends the content with a NUL that is not counted, and returns it as text (borrowed); NULL: no
 * room. */
const char *cs_buf_cstr(struct cs_buf *b);
static inline struct cs_bytes cs_buf_view(const struct cs_buf *b)
{
    return cs_bytes(b->ptr, b->len);
}
