/* Chained hash table, keyed by SipHash so that a hostile log cannot slow it down; see
 * audit_table.h. SPDX-License-Identifier: Apache-2.0 */
#include "audit_table.h"

#include "base/mem.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>

struct node {
    struct node *next;
    uint64_t hash;
    size_t len;
    _Alignas(16) uint8_t bytes[]; /* value, then key */
};

struct audit_table {
    size_t value_size;
    size_t count;
    size_t n_heads; /* a power of two */
    struct node **heads;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

struct audit_table *audit_table_new(size_t value_size)
{
    struct audit_table *t = cs_calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->value_size = (value_size + 15) / 16 * 16;
    t->n_heads = 64;
    t->heads = cs_calloc(t->n_heads, sizeof(*t->heads));
    if (sodium_init() < 0 || t->heads == NULL) {
        audit_table_free(t);
        return NULL;
    }
    randombytes_buf(t->key, sizeof(t->key));
    return t;
}

void audit_table_free(struct audit_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; t->heads != NULL && i < t->n_heads; i++) {
        while (t->heads[i] != NULL) {
            struct node *n = t->heads[i];
            t->heads[i] = n->next;
            cs_free(n);
        }
    }
    cs_free(t->heads);
    cs_free(t);
}

void audit_table_freep(struct audit_table **t)
{
    audit_table_free(*t);
    *t = NULL;
}

static uint64_t hash_of(const struct audit_table *t, const void *key, size_t len)
{
    uint64_t h = 0;
    crypto_shorthash((uint8_t *)&h, key, len, t->key);
    return h;
}

static struct node **find(const struct audit_table *t, const void *key, size_t len, uint64_t hash)
{
    struct node **at = &t->heads[hash & (t->n_heads - 1)];
    while (*at != NULL && ((*at)->hash != hash || (*at)->len != len ||
                           memcmp((*at)->bytes + t->value_size, key, len) != 0))
        at = &(*at)->next;
    return at;
}

void *audit_table_get(const struct audit_table *t, const void *key, size_t len)
{
    struct node *n = *find(t, key, len, hash_of(t, key, len));
    return n == NULL ? NULL : n->bytes;
}

/* Twice the heads; without memory the chains just get longer. */
static void grow(struct audit_table *t)
{
    struct node **heads = cs_calloc(t->n_heads * 2, sizeof(*heads));
    if (heads == NULL)
        return;
    for (size_t i = 0; i < t->n_heads; i++) {
        while (t->heads[i] != NULL) {
            struct node *n = t->heads[i];
            t->heads[i] = n->next;
            n->next = heads[n->hash & (t->n_heads * 2 - 1)];
            heads[n->hash & (t->n_heads * 2 - 1)] = n;
        }
    }
    cs_free(t->heads);
    t->heads = heads;
    t->n_heads *= 2;
}

void *audit_table_add(struct audit_table *t, const void *key, size_t len, bool *fresh)
{
    const uint64_t hash = hash_of(t, key, len);
    struct node **at = find(t, key, len, hash);
    if (fresh != NULL)
        *fresh = *at == NULL;
    if (*at != NULL)
        return (*at)->bytes;
    struct node *n = cs_calloc(1, sizeof(*n) + t->value_size + len);
    if (n == NULL)
        return NULL;
    n->hash = hash;
    n->len = len;
    memcpy(n->bytes + t->value_size, key, len);
    *at = n;
    if (++t->count > t->n_heads)
        grow(t);
    return n->bytes;
}

void audit_table_remove(struct audit_table *t, const void *key, size_t len)
{
    struct node **at = find(t, key, len, hash_of(t, key, len));
    struct node *n = *at;
    if (n == NULL)
        return;
    *at = n->next;
    cs_free(n);
    t->count--;
}

size_t audit_table_count(const struct audit_table *t)
{
    return t->count;
}

void audit_table_each(const struct audit_table *t,
                      void (*fn)(void *ctx, const void *key, size_t len, void *value), void *ctx)
{
    for (size_t i = 0; i < t->n_heads; i++) {
        for (struct node *n = t->heads[i]; n != NULL; n = n->next)
            fn(ctx, n->bytes + t->value_size, n->len, n->bytes);
    }
}
