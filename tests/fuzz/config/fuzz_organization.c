/* organization.yaml from hostile bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/organization.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(const char *name)
{
    return name[0] == 'A' ? "value" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CS_AUTO(cs_arena) a = cs_arena_new(64 << 20);
    CS_AUTO_BUF problems = CS_BUF_INIT(1 << 16);
    struct cs_organization *o = a == NULL ? NULL : cs_arena_alloc(a, sizeof(*o));
    if (o != NULL && cs_organization_parse(cs_bytes(data, size), lookup, a, o, &problems) == CS_OK)
        assert(o->slug != NULL && o->n_projects <= CS_ORG_MAX);
    return 0;
}
