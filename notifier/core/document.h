/* A mail's content as a list of blocks, composed once and rendered twice (plain text, HTML), so
 * that both parts always say the same. Pure. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum block_kind {
    BLOCK_PARAGRAPH, /* a */
    BLOCK_NOTICE,    /* a: something that stands out */
    BLOCK_HEADING,   /* a */
    BLOCK_ITEM,      /* a: a heading inside a section */
    BLOCK_FACT,      /* a: label, b: value */
    BLOCK_DIGEST,    /* a: label, b: hexadecimal */
    BLOCK_LINK,      /* a: words of the button, b: address */
    BLOCK_CODES,     /* a: approves, b: denies; XXXX-XXXX */
    BLOCK_QUOTE,     /* a: somebody's words */
    BLOCK_SMALL,     /* a */
    BLOCK_SPACE
};

struct block {
    enum block_kind kind;
    const char *a;
    const char *b;
};

enum { DOCUMENT_BLOCKS = 1000 };
enum tone { TONE_ASK, TONE_GOOD, TONE_BAD, TONE_QUIET };

struct document {
    struct cs_arena *arena;
    const char *subject;
    const char *title;
    const char *preheader; /* what mail lists show after the subject */
    const char *request_id;
    enum tone tone;
    size_t n;
    bool overflow; /* a block or memory was missing: render refuses */
    struct block blocks[DOCUMENT_BLOCKS];
};

/* Adds a block. Texts are borrowed until rendering; values from outside go through document_clean
 * first. A document that is full, or a NULL text, sets 'overflow'. */
void document_add(struct document *d, enum block_kind kind, const char *a, const char *b);
void document_addf(struct document *d, enum block_kind kind, const char *fmt, ...) CS_PRINTF(3, 4);
/* A label with its value; nothing when the value is NULL or empty. 'value' is cleaned here. */
void document_fact(struct document *d, const char *label, const char *value);

/* Text from outside as one safe line of at most 'max' bytes: control characters, line ends, and
 * characters that hide or reorder text are written out as <U+202E>; what is not UTF-8 becomes '?'.
 * NULL becomes "". NULL when the arena is full. */
const char *document_clean(struct cs_arena *a, const char *text, size_t max);

/* CS_LIMIT when something did not fit, CS_NOMEM. */
enum cs_rc document_text(const struct document *d, struct cs_buf *out,
                         struct cs_err *err) CS_MUST_CHECK;
enum cs_rc document_html(const struct document *d, struct cs_buf *out,
                         struct cs_err *err) CS_MUST_CHECK;
