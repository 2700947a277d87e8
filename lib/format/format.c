/* The table of formats.
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/format.h"

#include <string.h>

static const struct cs_format *const formats[] = {&cs_format_pe};

const struct cs_format *cs_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    }
    return NULL;
}
