/* The switch behind guard.h; empty in production builds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"

#ifdef CS_TEST_BUILD
#include <stdlib.h>
#include <string.h>

bool cs_guard(const char *name)
{
    const char *off = getenv("CS_GUARD_OFF"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return off == NULL || strcmp(off, name) != 0;
}
#else
typedef int cs_guard_is_compiled_in;
#endif
