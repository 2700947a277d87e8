/* Inclusion and consistency proofs (RFC 6962 section 2.1, RFC 9162 section 2.1.3 and 2.1.4) made
 * from tiles, and their check. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "codec/merkle.h"
#include "tlog/tile.h"

enum { CS_TLOG_PROOF_MAX = 64 };

struct cs_tlog_proof {
    size_t n;
    struct cs_hash hashes[CS_TLOG_PROOF_MAX];
};

/* Where tiles come from: fills 'width' hashes of that tile. */
struct cs_tlog_tiles {
    void *self;
    enum cs_rc (*read)(void *self, const struct cs_tlog_tile *t, struct cs_hash *out,
                       struct cs_err *err);
};

/* CS_INVALID when index >= size, or old > size or old == 0; else what reading tiles answers. The
 * proof is only as good as the tiles: check it. */
enum cs_rc cs_tlog_prove_inclusion(const struct cs_tlog_tiles *tiles, uint64_t index, uint64_t size,
                                   struct cs_tlog_proof *out, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_tlog_prove_consistency(const struct cs_tlog_tiles *tiles, uint64_t old, uint64_t size,
                                     struct cs_tlog_proof *out, struct cs_err *err) CS_MUST_CHECK;
/* Root of the tree's first 'size' leaves, from tiles. */
enum cs_rc cs_tlog_root(const struct cs_tlog_tiles *tiles, uint64_t size, struct cs_hash *out,
                        struct cs_err *err) CS_MUST_CHECK;

/* A tree head. */
struct cs_tlog_head {
    uint64_t size;
    struct cs_hash root;
};
/* CS_DENIED when the proof does not lead to the root (or is of another shape). Total. */
enum cs_rc cs_tlog_check_inclusion(const struct cs_hash *leaf, uint64_t index,
                                   const struct cs_tlog_head *head,
                                   const struct cs_tlog_proof *proof,
                                   struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_tlog_check_consistency(const struct cs_tlog_head *old,
                                     const struct cs_tlog_head *head,
                                     const struct cs_tlog_proof *proof,
                                     struct cs_err *err) CS_MUST_CHECK;
