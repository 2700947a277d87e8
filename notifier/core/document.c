/* Blocks, the cleaning of foreign text, and the plain-text rendering; see document.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "base/guard.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void document_add(struct document *d, enum block_kind kind, const char *a, const char *b)
{
    if (d->n == DOCUMENT_BLOCKS || a == NULL || b == NULL) {
        d->overflow = true;
        return;
    }
    d->blocks[d->n++] = (struct block){.kind = kind, .a = a, .b = b};
}

void document_addf(struct document *d, enum block_kind kind, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(text))
        d->overflow = true;
    else
        document_add(d, kind, cs_arena_strdup(d->arena, text), "");
}

void document_fact(struct document *d, const char *label, const char *value)
{
    if (value != NULL && value[0] != '\0')
        document_add(d, BLOCK_FACT, label, document_clean(d->arena, value, 500));
}

/* The code point at s and its length; 0 for bytes that are not UTF-8. */
static size_t decode(const char *s, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    const size_t want = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    size_t have = 1;
    while (have < want && (p[have] & 0xc0) == 0x80)
        have++;
    if (have != want || !cs_utf8_valid(s, want))
        return 0;
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    *cp = p[0] & mask[want];
    for (size_t i = 1; i < want; i++)
        *cp = *cp << 6 | (p[i] & 0x3fU);
    return want;
}

struct range {
    uint32_t from;
    uint32_t to;
};

/* Controls, soft hyphen, zero-width and bidirectional marks, separators, tags, variation tricks. */
static bool hidden(uint32_t cp)
{
    static const struct range ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},
                                          {0x61c, 0x61c},   {0x180e, 0x180e},  {0x200b, 0x200f},
                                          {0x2028, 0x202e}, {0x2060, 0x206f},  {0xfeff, 0xfeff},
                                          {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (cp >= ranges[i].from && cp <= ranges[i].to)
            return true;
    }
    return false;
}

/* Appends one character of foreign text; returns how many bytes of it were read. */
static size_t clean_one(const char *text, struct cs_buf *out, enum cs_rc *rc)
{
    uint32_t cp = 0;
    const size_t n = decode(text, &cp);
    if (n == 0)
        *rc = cs_buf_add(out, "?", 1, NULL);
    else if (CS_GUARD("mail-hidden-characters") && hidden(cp))
        *rc = cs_buf_addf(out, NULL, "<U+%04X>", cp);
    else
        *rc = cs_buf_add(out, text, n, NULL);
    return n == 0 ? 1 : n;
}

const char *document_clean(struct cs_arena *a, const char *text, size_t max)
{
    CS_AUTO_BUF out = CS_BUF_INIT(max + 32);
    enum cs_rc rc = CS_OK;
    if (text == NULL)
        return "";
    while (*text != '\0' && out.len < max && rc == CS_OK)
        text += clean_one(text, &out, &rc);
    if (*text != '\0' && rc == CS_OK)
        rc = cs_buf_add_str(&out, "…", NULL);
    if (rc != CS_OK)
        return NULL;
    return out.len == 0 ? "" : cs_arena_strndup(a, (const char *)out.ptr, out.len);
}

/* ---- plain text ---- */

static enum cs_rc underline(struct cs_buf *out, const char *title, struct cs_err *err)
{
    CS_TRY(cs_buf_addf(out, err, "\n%s\n", title));
    for (size_t i = 0; i < strlen(title); i++) {
        /* One dash a character, not a byte. */
        if (((unsigned char)title[i] & 0xc0) != 0x80)
            CS_TRY(cs_buf_add(out, "-", 1, err));
    }
    return cs_buf_add(out, "\n", 1, err);
}

/* Values from outside never start a line, so none can pass for "Link:" or "Code to approve:". */
static enum cs_rc text_block(const struct block *b, struct cs_buf *out, struct cs_err *err)
{
    switch (b->kind) {
    case BLOCK_PARAGRAPH:
    case BLOCK_NOTICE:
    case BLOCK_SMALL:
        return cs_buf_addf(out, err, "\n%s\n", b->a);
    case BLOCK_SPACE:
        return cs_buf_add_str(out, "\n", err);
    case BLOCK_HEADING:
        return underline(out, b->a, err);
    case BLOCK_ITEM:
        return cs_buf_addf(out, err, "\n* %s\n", b->a);
    case BLOCK_FACT:
    case BLOCK_DIGEST:
        return cs_buf_addf(out, err, "  %s: %s\n", b->a, b->b);
    case BLOCK_LINK:
        return cs_buf_addf(out, err, "Link: %s\n", b->b);
    case BLOCK_CODES:
        return cs_buf_addf(out, err, "Code to approve: %s\nCode to deny: %s\n", b->a, b->b);
    case BLOCK_QUOTE:
        return cs_buf_addf(out, err, "\n  > %s\n", b->a);
    }
    return cs_err_set(err, CS_FATAL, "block of kind %d", (int)b->kind);
}

enum cs_rc document_text(const struct document *d, struct cs_buf *out, struct cs_err *err)
{
    if (d->overflow)
        return cs_err_set(err, CS_LIMIT, "the mail's content does not fit");
    CS_TRY(cs_buf_addf(out, err, "%s\n\nRequest: %s\n", d->title, d->request_id));
    for (size_t i = 0; i < d->n; i++)
        CS_TRY(text_block(&d->blocks[i], out, err));
    return CS_OK;
}
