/* Envelopes from hostile bytes: whatever is parsed has a recomputed root and no signature of ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/envelope.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nobody[CS_ED25519_PUBLIC] = {9};
    struct cs_raw_envelope raw;
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    if (a != NULL && cs_envelope_parse(cs_bytes(data, size), 0, a, &raw, NULL) == CS_OK) {
        assert(raw.type != NULL && raw.key_id != NULL && raw.n_signatures > 0);
        assert(!cs_envelope_check(&raw, nobody));
    }
    return 0;
}
