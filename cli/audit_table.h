/* A small hash table from bytes to values of one size; what an audit has to remember.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct audit_table;

/* Values have 'value_size' bytes, zeroed when added. NULL without memory. */
struct audit_table *audit_table_new(size_t value_size);
void audit_table_free(struct audit_table *t);
void audit_table_freep(struct audit_table **t);

/* NULL when it is not there. The pointer stays valid until the entry is removed. */
void *audit_table_get(const struct audit_table *t, const void *key, size_t len);
/* The value, added when missing (*fresh, may be NULL). NULL without memory. */
void *audit_table_add(struct audit_table *t, const void *key, size_t len, bool *fresh);
void audit_table_remove(struct audit_table *t, const void *key, size_t len);
size_t audit_table_count(const struct audit_table *t);
/* In no order. The function must not change the table. */
void audit_table_each(const struct audit_table *t,
                      void (*fn)(void *ctx, const void *key, size_t len, void *value), void *ctx);
