/* The allocator behind mem.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong fail_countdown;

static int must_fail(void)
{
    unsigned long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (left == 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void cs_mem_fail_at(unsigned long n)
{
    atomic_store(&fail_countdown, n);
}

void *cs_calloc(size_t count, size_t size)
{
    if (must_fail())
        return NULL;
    return calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

void *cs_realloc(void *p, size_t count, size_t size)
{
    if (must_fail() || (size != 0 && count > SIZE_MAX / size))
        return NULL;
    const size_t n = count * size;
    return realloc(p, n == 0 ? 1 : n);
}

void cs_free(void *p)
{
    free(p);
}

void *cs_memdup(const void *p, size_t n)
{
    void *q = cs_calloc(1, n);
    if (q != NULL && n > 0)
        memcpy(q, p, n);
    return q;
}

char *cs_strndup(const char *s, size_t n)
{
    const size_t len = strnlen(s, n);
    char *q = cs_calloc(1, len + 1);
    if (q != NULL)
        memcpy(q, s, len);
    return q;
}

char *cs_strdup(const char *s)
{
    return cs_strndup(s, strlen(s));
}

void cs_free_charp(char **p)
{
    cs_free(*p);
    *p = NULL;
}

void cs_free_voidp(void *p)
{
    void **q = p;
    cs_free(*q);
    *q = NULL;
}
