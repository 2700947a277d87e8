/* Tile paths, bundles and proofs from hostile bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tlog/entry.h"
#include "tlog/proof.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void path(const uint8_t *data, size_t size)
{
    struct cs_tlog_tile t;
    char again[CS_TLOG_PATH];
    CS_AUTO_STR text = cs_strndup((const char *)data, size);
    if (text == NULL || cs_tlog_path_parse(text, &t, NULL) != CS_OK)
        return;
    assert(cs_tlog_path(&t, again, NULL) == CS_OK && strcmp(text, again) == 0);
}

static void proof(const uint8_t *data, size_t size)
{
    struct cs_tlog_proof p = {.n = 0};
    struct cs_tlog_head head;
    struct cs_tlog_head old;
    uint64_t index = 0;
    struct cs_hash leaf;
    const size_t fixed = 8 + 2 * sizeof(head) + sizeof(leaf);
    if (size < fixed)
        return;
    memcpy(&index, data, 8);
    memcpy(&head, data + 8, sizeof(head));
    memcpy(&old, data + 8 + sizeof(head), sizeof(old));
    memcpy(&leaf, data + fixed - sizeof(leaf), sizeof(leaf));
    p.n = (size - fixed) / sizeof(p.hashes[0]) % (CS_TLOG_PROOF_MAX + 1);
    memcpy(p.hashes, data + fixed, p.n * sizeof(p.hashes[0]));
    cs_ignore(cs_tlog_check_inclusion(&leaf, index, &head, &p, NULL), "only crashes matter");
    cs_ignore(cs_tlog_check_consistency(&old, &head, &p, NULL), "only crashes matter");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cs_bytes entries[CS_TLOG_TILE];
    const size_t n = size == 0 ? 0 : data[0];
    path(data, size);
    proof(data, size);
    if (size > 0 && cs_tlog_bundle_read(cs_bytes(data + 1, size - 1), n, entries, NULL) == CS_OK) {
        size_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += 2 + entries[i].len;
        assert(sum == size - 1);
    }
    return 0;
}
