/* Memory that lives as long as one event or one HTTP request and dies together.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

struct cs_arena;

/* 'max' bounds what can ever be taken from it, in bytes. NULL when there is no memory. */
struct cs_arena *cs_arena_new(size_t max);
void cs_arena_free(struct cs_arena *a);
void cs_arena_freep(struct cs_arena **a);
/* Forgets everything taken, keeps the first block for the next event. */
void cs_arena_reset(struct cs_arena *a);

/* Zeroed, aligned for any type; NULL past the maximum or without memory. Never freed one by one. */
void *cs_arena_alloc(struct cs_arena *a, size_t n);
char *cs_arena_strdup(struct cs_arena *a, const char *s);
char *cs_arena_strndup(struct cs_arena *a, const char *s, size_t n);
void *cs_arena_memdup(struct cs_arena *a, const void *p, size_t n);
char *cs_arena_printf(struct cs_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
