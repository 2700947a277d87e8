/* Paths and Range headers from hostile bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "core/range.h"
#include "core/route.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t first = 0;
    uint64_t length = 0;
    CS_AUTO_STR text = cs_strndup((const char *)data, size);
    if (text == NULL)
        return 0;
    const struct route r = route_find("GET", text);
    assert(r.id <= ROUTE_FILE);
    if (range_parse(text, 1000, &first, &length) == RANGE_PART)
        assert(length > 0 && first + length <= 1000);
    return 0;
}
