/* Artifact configurations from hostile bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/artifact.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cs_artifact c = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(4 << 20);
    if (a != NULL && cs_artifact_parse(cs_bytes(data, size), a, &c, NULL) == CS_OK) {
        assert(c.element != NULL && c.hash_algorithm != NULL);
        cs_ignore(cs_artifact_resolve(&c, NULL, 0, "hello.exe", a, NULL), "it may lack parameters");
    }
    return 0;
}
