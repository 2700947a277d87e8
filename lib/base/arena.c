/* A list of blocks; allocation moves a cursor.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BLOCK = 16384, ARENA_ALIGN = 16 };

struct block {
    struct block *next;
    size_t used;
    size_t size;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

struct cs_arena {
    struct block *head; /* the block that is being filled */
    size_t taken;
    size_t max;
};

struct cs_arena *cs_arena_new(size_t max)
{
    struct cs_arena *a = cs_calloc(1, sizeof(*a));
    if (a != NULL)
        a->max = max;
    return a;
}

static void free_blocks(struct block *b)
{
    while (b != NULL) {
        struct block *next = b->next;
        cs_free(b);
        b = next;
    }
}

void cs_arena_free(struct cs_arena *a)
{
    if (a == NULL)
        return;
    free_blocks(a->head);
    cs_free(a);
}

void cs_arena_freep(struct cs_arena **a)
{
    cs_arena_free(*a);
    *a = NULL;
}

void cs_arena_reset(struct cs_arena *a)
{
    if (a->head != NULL) {
        free_blocks(a->head->next);
        a->head->next = NULL;
        memset(a->head->data, 0, a->head->used);
        a->head->used = 0;
    }
    a->taken = 0;
}

static struct block *add_block(struct cs_arena *a, size_t need)
{
    const size_t size = need > ARENA_BLOCK ? need : ARENA_BLOCK;
    struct block *b = cs_calloc(1, sizeof(*b) + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    return b;
}

void *cs_arena_alloc(struct cs_arena *a, size_t n)
{
    if (n > a->max || a->taken > a->max - n || n > SIZE_MAX / 2)
        return NULL;
    const size_t rounded = (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct block *b = a->head;
    if (b == NULL || b->size - b->used < rounded)
        b = add_block(a, rounded);
    if (b == NULL)
        return NULL;
    void *p = b->data + b->used;
    b->used += rounded;
    a->taken += n;
    return p;
}

void *cs_arena_memdup(struct cs_arena *a, const void *p, size_t n)
{
    void *q = cs_arena_alloc(a, n);
    if (q != NULL && n > 0)
        memcpy(q, p, n);
    return q;
}

char *cs_arena_strndup(struct cs_arena *a, const char *s, size_t n)
{
    const size_t len = strnlen(s, n);
    char *q = cs_arena_alloc(a, len + 1);
    if (q != NULL)
        memcpy(q, s, len);
    return q;
}

char *cs_arena_strdup(struct cs_arena *a, const char *s)
{
    return cs_arena_strndup(a, s, strlen(s));
}

char *cs_arena_printf(struct cs_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    char *p = cs_arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return NULL;
    va_start(ap, fmt);
    const int m = vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return m == n ? p : NULL;
}
