/* Every message type from hostile bytes: what is accepted is canonical, so packing it again gives
 * the same bytes. The first byte chooses the type. SPDX-License-Identifier: Apache-2.0 */
#include "codec/message.h"
#include "codec/types.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned n = 0;
    struct ProtobufCMessage *m = NULL;
    struct cs_bytes again;
    CS_AUTO(cs_arena) a = cs_arena_new(4 << 20);
    while (cs_event_type_at(n) != NULL)
        n++;
    if (size == 0 || a == NULL)
        return 0;
    const struct cs_event_type *t = cs_event_type_at(data[0] % n);
    const struct cs_bytes bytes = cs_bytes(data + 1, size - 1);
    if (cs_message_unpack(t->descriptor, bytes, a, &m, NULL) == CS_OK) {
        assert(cs_message_pack(m, a, &again, NULL) == CS_OK);
        assert(again.len <= bytes.len);
    }
    return 0;
}
