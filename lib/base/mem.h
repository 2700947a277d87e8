/* Every allocation of the tree goes through here, so that tests can fail the n-th one.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* Zeroed memory for count elements of size bytes; NULL when there is none or the product overflows.
 */
void *cs_calloc(size_t count, size_t size);
/* Grows or shrinks; the old block stays valid when NULL is returned. */
void *cs_realloc(void *p, size_t count, size_t size);
/* NULL is allowed. */
void cs_free(void *p);
/* Copies; NULL when there is no memory. The caller frees with cs_free. */
char *cs_strdup(const char *s);
char *cs_strndup(const char *s, size_t n);
void *cs_memdup(const void *p, size_t n);

/* Tests only: the n-th allocation from now (1 is the next) fails; 0 turns it off. Process-wide. */
void cs_mem_fail_at(unsigned long n);

/* CS_CLEANUP(cs_free_charp) char *s = ...; */
void cs_free_charp(char **p);
void cs_free_voidp(void *p);
#define CS_AUTO_STR CS_CLEANUP(cs_free_charp) char *
