/* Derived ids and Kafka's partition function; see ids.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/ids.h"

#include "base/buf.h"
#include "crypto/hash.h"

#include <string.h>

void cs_entity_id(const char *environment, const char *kind, const char *parent_id,
                  const char *slug, char out[CS_UUID_TEXT])
{
    uint8_t digest[CS_SHA256_SIZE];
    const struct cs_bytes parts[] = {cs_bytes_str(environment), cs_bytes_str(kind),
                                     cs_bytes_str(parent_id), cs_bytes_str(slug)};
    cs_hmac(cs_bytes_str("countersign"), "countersign/entity-id/v1", parts, 4, digest);
    cs_uuid_from_bytes(digest, out);
}

/* Austin Appleby's MurmurHash2 (public domain algorithm), as Kafka's clients use it. */
unsigned cs_murmur2(const void *p, size_t n)
{
    const uint8_t *b = p;
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cU ^ (uint32_t)n;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t k = (uint32_t)b[i] | (uint32_t)b[i + 1] << 8 | (uint32_t)b[i + 2] << 16 |
                     (uint32_t)b[i + 3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = (h * m) ^ k;
    }
    if (n - i >= 3)
        h ^= (uint32_t)b[i + 2] << 16;
    if (n - i >= 2)
        h ^= (uint32_t)b[i + 1] << 8;
    if (n - i >= 1) {
        h ^= (uint32_t)b[i];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int cs_partition_of(const char *key, int partitions)
{
    return (int)((cs_murmur2(key, strlen(key)) & 0x7fffffffU) % (unsigned)partitions);
}
