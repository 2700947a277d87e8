/* RFC 6962 Merkle trees over a small batch in memory: root, inclusion proofs, and their check.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "crypto/hash.h"

enum { CS_MERKLE_MAX_LEAVES = 4096, CS_MERKLE_MAX_PROOF = 12 };

struct cs_hash {
    uint8_t b[CS_SHA256_SIZE];
};

/* SHA-256(0x00 || data...), the hash of a leaf whose data is the parts one after the other. */
struct cs_hash cs_merkle_leaf(const struct cs_bytes *parts, size_t n);
/* SHA-256(0x01 || left || right). */
struct cs_hash cs_merkle_node(const struct cs_hash *left, const struct cs_hash *right);
/* Root of n >= 1 leaf hashes. */
struct cs_hash cs_merkle_root(const struct cs_hash *leaves, size_t n);
/* Inclusion proof of leaf 'index'; returns its length (<= CS_MERKLE_MAX_PROOF). */
size_t cs_merkle_prove(const struct cs_hash *leaves, size_t n, size_t index,
                       struct cs_hash proof[CS_MERKLE_MAX_PROOF]);
/* Recomputes the root from a leaf hash and its proof; CS_INVALID when index, size and proof length
 * do not fit each other. */
enum cs_rc cs_merkle_root_from_proof(const struct cs_hash *leaf, size_t index, size_t n,
                                     const struct cs_bytes *proof, size_t proof_len,
                                     struct cs_hash *root, struct cs_err *err) CS_MUST_CHECK;
