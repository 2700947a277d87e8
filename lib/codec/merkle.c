/* RFC 6962 section 2.1 for batches; see merkle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/merkle.h"

#include <string.h>

static const uint8_t leaf_prefix = 0;
static const uint8_t node_prefix = 1;

struct cs_hash cs_merkle_leaf(const struct cs_bytes *parts, size_t n)
{
    struct cs_bytes all[8] = {cs_bytes(&leaf_prefix, 1)};
    struct cs_hash out = {{0}};
    for (size_t i = 0; i < n && i < 7; i++)
        all[i + 1] = parts[i];
    cs_sha256_parts(all, n < 7 ? n + 1 : 8, out.b);
    return out;
}

struct cs_hash cs_merkle_node(const struct cs_hash *left, const struct cs_hash *right)
{
    const struct cs_bytes parts[] = {cs_bytes(&node_prefix, 1), cs_bytes(left->b, sizeof(left->b)),
                                     cs_bytes(right->b, sizeof(right->b))};
    struct cs_hash out;
    cs_sha256_parts(parts, 3, out.b);
    return out;
}

/* The largest power of two smaller than n (n >= 2). */
static size_t split(size_t n)
{
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    return k;
}

/* Depth is log2(n): at most 12. */
struct cs_hash cs_merkle_root(const struct cs_hash *leaves,
                              size_t n) /* NOLINT(misc-no-recursion) */
{
    if (n == 1)
        return leaves[0];
    const size_t k = split(n);
    const struct cs_hash left = cs_merkle_root(leaves, k);
    const struct cs_hash right = cs_merkle_root(leaves + k, n - k);
    return cs_merkle_node(&left, &right);
}

size_t cs_merkle_prove(const struct cs_hash *leaves, size_t n, size_t index,
                       struct cs_hash proof[CS_MERKLE_MAX_PROOF])
{
    struct cs_hash down[CS_MERKLE_MAX_PROOF];
    size_t len = 0;
    /* Walk from the root to the leaf, noting the other side each time; the proof is that reversed.
     */
    while (n > 1 && len < CS_MERKLE_MAX_PROOF) {
        const size_t k = split(n);
        if (index < k) {
            down[len++] = cs_merkle_root(leaves + k, n - k);
            n = k;
        } else {
            down[len++] = cs_merkle_root(leaves, k);
            leaves += k;
            index -= k;
            n -= k;
        }
    }
    for (size_t i = 0; i < len; i++)
        proof[i] = down[len - 1 - i];
    return len;
}

/* RFC 9162 section 2.1.3.2. */
enum cs_rc cs_merkle_root_from_proof(const struct cs_hash *leaf, size_t index, size_t n,
                                     const struct cs_bytes *proof, size_t proof_len,
                                     struct cs_hash *root, struct cs_err *err)
{
    if (n == 0 || n > CS_MERKLE_MAX_LEAVES || index >= n)
        return cs_err_set(err, CS_INVALID, "batch proof: leaf %zu of %zu", index, n);
    struct cs_hash r = *leaf;
    size_t fn = index;
    size_t sn = n - 1;
    for (size_t i = 0; i < proof_len; i++) {
        struct cs_hash p;
        if (sn == 0 || proof[i].len != sizeof(p.b))
            return cs_err_set(err, CS_INVALID, "batch proof: wrong length");
        memcpy(p.b, proof[i].ptr, sizeof(p.b));
        if ((fn & 1) != 0 || fn == sn) {
            r = cs_merkle_node(&p, &r);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = cs_merkle_node(&r, &p);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0)
        return cs_err_set(err, CS_INVALID, "batch proof: too short");
    *root = r;
    return CS_OK;
}
