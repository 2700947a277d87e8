/* Proofs from tiles; see proof.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/proof.h"

#include <string.h>

struct source {
    const struct cs_tlog_tiles *tiles;
    uint64_t size; /* of the tree whose tiles are there */
};

/* Largest power of two smaller than n (n >= 2). */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static bool power_of_two(uint64_t n)
{
    return (n & (n - 1)) == 0;
}

/* A complete, aligned subtree: some hashes of one tile, folded. */
static enum cs_rc subtree(const struct source *s, uint64_t lo, uint64_t n, struct cs_hash *out,
                          struct cs_err *err)
{
    struct cs_hash tile[CS_TLOG_TILE];
    const unsigned height = 63 - (unsigned)__builtin_clzll(n);
    const unsigned level = height / 8;
    const uint64_t first = lo >> (8 * level);
    const struct cs_tlog_tile t = {.level = level,
                                   .index = first / CS_TLOG_TILE,
                                   .width = cs_tlog_width(s->size, level, first / CS_TLOG_TILE)};
    const size_t at = first % CS_TLOG_TILE;
    const size_t count = (size_t)1 << (height % 8);
    if (at + count > t.width)
        return cs_err_set(err, CS_INVALID, "the tree of size %llu has no such subtree",
                          (unsigned long long)s->size);
    CS_TRY(s->tiles->read(s->tiles->self, &t, tile, err));
    *out = cs_merkle_root(tile + at, count);
    return CS_OK;
}

/* MTH(D[lo:lo+n]); at most 64 deep, since n halves. */
static enum cs_rc range(const struct source *s, uint64_t lo, uint64_t n, struct cs_hash *out,
                        struct cs_err *err) /* NOLINT(misc-no-recursion) */
{
    struct cs_hash left;
    struct cs_hash right;
    if (power_of_two(n))
        return subtree(s, lo, n, out, err);
    const uint64_t k = split(n);
    CS_TRY(range(s, lo, k, &left, err));
    CS_TRY(range(s, lo + k, n - k, &right, err));
    *out = cs_merkle_node(&left, &right);
    return CS_OK;
}

static void reverse(struct cs_tlog_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        const struct cs_hash h = p->hashes[i];
        p->hashes[i] = p->hashes[p->n - 1 - i];
        p->hashes[p->n - 1 - i] = h;
    }
}

enum cs_rc cs_tlog_prove_inclusion(const struct cs_tlog_tiles *tiles, uint64_t index, uint64_t size,
                                   struct cs_tlog_proof *out, struct cs_err *err)
{
    const struct source s = {.tiles = tiles, .size = size};
    uint64_t lo = 0;
    uint64_t n = size;
    out->n = 0;
    if (index >= size)
        return cs_err_set(err, CS_INVALID, "leaf %llu of a tree of %llu", (unsigned long long)index,
                          (unsigned long long)size);
    /* From the root down, noting the other side; the proof is that reversed. */
    while (n > 1) {
        const uint64_t k = split(n);
        const bool left = index - lo < k;
        CS_TRY(range(&s, left ? lo + k : lo, left ? n - k : k, &out->hashes[out->n++], err));
        lo += left ? 0 : k;
        n = left ? k : n - k;
    }
    reverse(out);
    return CS_OK;
}

enum cs_rc cs_tlog_prove_consistency(const struct cs_tlog_tiles *tiles, uint64_t old, uint64_t size,
                                     struct cs_tlog_proof *out, struct cs_err *err)
{
    const struct source s = {.tiles = tiles, .size = size};
    uint64_t lo = 0;
    uint64_t n = size;
    uint64_t m = old;
    out->n = 0;
    if (old == 0 || old > size)
        return cs_err_set(err, CS_INVALID, "no proof from size %llu to %llu",
                          (unsigned long long)old, (unsigned long long)size);
    while (m < n) {
        const uint64_t k = split(n);
        const bool left = m <= k;
        CS_TRY(range(&s, left ? lo + k : lo, left ? n - k : k, &out->hashes[out->n++], err));
        lo += left ? 0 : k;
        m -= left ? 0 : k;
        n = left ? k : n - k;
    }
    if (lo != 0) /* the old tree's last subtree is not the whole old tree */
        CS_TRY(range(&s, lo, n, &out->hashes[out->n++], err));
    reverse(out);
    return CS_OK;
}

enum cs_rc cs_tlog_root(const struct cs_tlog_tiles *tiles, uint64_t size, struct cs_hash *out,
                        struct cs_err *err)
{
    const struct source s = {.tiles = tiles, .size = size};
    if (size > 0)
        return range(&s, 0, size, out, err);
    cs_sha256("", 0, out->b);
    return CS_OK;
}

static bool same(const struct cs_hash *a, const struct cs_hash *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static enum cs_rc refuse(struct cs_err *err)
{
    return cs_err_code(err, CS_DENIED, "tlog.proof", "the proof does not lead to this tree head");
}

/* RFC 9162 section 2.1.3.2. */
enum cs_rc cs_tlog_check_inclusion(const struct cs_hash *leaf, uint64_t index,
                                   const struct cs_tlog_head *head,
                                   const struct cs_tlog_proof *proof, struct cs_err *err)
{
    struct cs_hash r = *leaf;
    uint64_t fn = index;
    uint64_t sn = head->size - 1;
    if (index >= head->size || proof->n > CS_TLOG_PROOF_MAX)
        return refuse(err);
    for (size_t i = 0; i < proof->n; i++) {
        if (sn == 0)
            return refuse(err);
        if ((fn & 1) != 0 || fn == sn) {
            r = cs_merkle_node(&proof->hashes[i], &r);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = cs_merkle_node(&r, &proof->hashes[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&r, &head->root) ? CS_OK : refuse(err);
}

/* RFC 9162 section 2.1.4.2, steps 4 to 6; 'i' is the first hash not used yet. */
static bool walk(const struct cs_tlog_head *old, const struct cs_tlog_head *head,
                 const struct cs_tlog_proof *proof, size_t i)
{
    uint64_t fn = old->size - 1;
    uint64_t sn = head->size - 1;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    struct cs_hash fr = i == 0 ? old->root : proof->hashes[0];
    struct cs_hash sr = fr;
    for (; i < proof->n; i++) {
        const struct cs_hash *c = &proof->hashes[i];
        if (sn == 0)
            return false;
        if ((fn & 1) != 0 || fn == sn) {
            fr = cs_merkle_node(c, &fr);
            sr = cs_merkle_node(c, &sr);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = cs_merkle_node(&sr, c);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&fr, &old->root) && same(&sr, &head->root);
}

enum cs_rc cs_tlog_check_consistency(const struct cs_tlog_head *old,
                                     const struct cs_tlog_head *head,
                                     const struct cs_tlog_proof *proof, struct cs_err *err)
{
    if (old->size == 0 || old->size > head->size || proof->n > CS_TLOG_PROOF_MAX)
        return refuse(err);
    if (old->size == head->size)
        return proof->n == 0 && same(&old->root, &head->root) ? CS_OK : refuse(err);
    if (proof->n == 0)
        return refuse(err);
    /* Of an old tree whose size is a power of two the root itself is the first hash. */
    return walk(old, head, proof, power_of_two(old->size) ? 0 : 1) ? CS_OK : refuse(err);
}
