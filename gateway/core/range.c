/* Reads "bytes=0-99", "bytes=100-", "bytes=-50"; see range.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "range.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

static bool number(const char **p, uint64_t *out)
{
    const char *start = *p;
    *out = 0;
    while (isdigit((unsigned char)**p)) {
        if (*out > (UINT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(**p - '0');
        (*p)++;
    }
    return *p != start;
}

enum range_answer range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length)
{
    uint64_t from = 0;
    uint64_t to = 0;
    *first = 0;
    *length = size;
    if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    const char *p = header + 6;
    const bool has_from = number(&p, &from);
    if (*p++ != '-')
        return RANGE_WHOLE;
    const bool has_to = number(&p, &to);
    if (*p != '\0' || (!has_from && !has_to) || (has_from && has_to && to < from))
        return RANGE_WHOLE;
    if (!has_from) { /* the last 'to' bytes */
        from = to < size ? size - to : 0;
        if (to == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        to = size - 1;
    } else if (!has_to || to >= size) {
        to = size == 0 ? 0 : size - 1;
    }
    if (from >= size)
        return RANGE_UNSATISFIABLE;
    *first = from;
    *length = to - from + 1;
    return RANGE_PART;
}
