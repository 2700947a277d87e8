/* Paths and widths of tiles; see tile.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/tile.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 7 }; /* 256^8 / 256 < 1000^7 */

/* Leaves below one hash of that level are 2^(8*level). */
static unsigned shift_of(unsigned level)
{
    return 8 * level;
}

unsigned cs_tlog_width(uint64_t size, unsigned level, uint64_t index)
{
    if (level >= CS_TLOG_LEVELS)
        return 0;
    const uint64_t hashes = size >> shift_of(level);
    if (index > hashes / CS_TLOG_TILE)
        return 0;
    const uint64_t left = hashes - index * CS_TLOG_TILE;
    return left > CS_TLOG_TILE ? CS_TLOG_TILE : (unsigned)left;
}

bool cs_tlog_covered(const struct cs_tlog_tile *t, uint64_t size)
{
    return t->width > 0 && cs_tlog_width(size, t->level, t->index) >= t->width;
}

static bool sane(const struct cs_tlog_tile *t)
{
    const unsigned bits = 64 - shift_of(t->level < CS_TLOG_LEVELS ? t->level : 0);
    return t->level < CS_TLOG_LEVELS && t->width >= 1 && t->width <= CS_TLOG_TILE &&
           (!t->entries || t->level == 0) && t->index <= (UINT64_MAX >> (64 - bits)) / CS_TLOG_TILE;
}

enum cs_rc cs_tlog_path(const struct cs_tlog_tile *t, char out[CS_TLOG_PATH], struct cs_err *err)
{
    char groups[GROUPS * 5 + 1];
    size_t at = sizeof(groups) - 1;
    uint64_t n = t->index;
    char level[8];
    char partial[8] = "";
    if (!sane(t))
        return cs_err_set(err, CS_INVALID, "there is no tile %llu of width %u at level %u",
                          (unsigned long long)t->index, t->width, t->level);
    groups[at] = '\0';
    for (bool first = true; first || n > 0; n /= 1000, first = false) {
        char one[8];
        const int len = snprintf(one, sizeof(one), "%s%03u%s", first ? "" : "x",
                                 (unsigned)(n % 1000), first ? "" : "/");
        at -= (size_t)len;
        memcpy(groups + at, one, (size_t)len);
    }
    CS_TRY(cs_strf(level, sizeof(level), err, "%u", t->level));
    if (t->width < CS_TLOG_TILE)
        CS_TRY(cs_strf(partial, sizeof(partial), err, ".p/%u", t->width));
    return cs_strf(out, CS_TLOG_PATH, err, "tile/%s/%s%s", t->entries ? "entries" : level,
                   groups + at, partial);
}

/* Reads what may be a path; the caller compares with the one canonical spelling. */
static bool read_loosely(const char *path, struct cs_tlog_tile *t)
{
    *t = (struct cs_tlog_tile){.width = CS_TLOG_TILE};
    if (!cs_str_starts(path, "tile/"))
        return false;
    const char *p = path + 5;
    t->entries = cs_str_starts(p, "entries/");
    if (!t->entries) {
        if (*p < '0' || *p > '7' || p[1] != '/')
            return false;
        t->level = (unsigned)(*p - '0');
    }
    p += t->entries ? 8 : 2;
    for (unsigned group = 0; group < GROUPS; group++) {
        const bool more = *p == 'x';
        p += more ? 1 : 0;
        if (strspn(p, "0123456789") != 3 || t->index > UINT64_MAX / 1000 - 1)
            return false;
        t->index =
            t->index * 1000 + (uint64_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0');
        p += 3;
        if (!more)
            break;
        if (*p++ != '/')
            return false;
    }
    if (cs_str_starts(p, ".p/"))
        t->width = (unsigned)strtoul(p + 3, NULL, 10);
    return true;
}

enum cs_rc cs_tlog_path_parse(const char *path, struct cs_tlog_tile *out, struct cs_err *err)
{
    struct cs_tlog_tile t;
    char again[CS_TLOG_PATH];
    if (strnlen(path, CS_TLOG_PATH) == CS_TLOG_PATH || !read_loosely(path, &t) ||
        cs_tlog_path(&t, again, NULL) != CS_OK || strcmp(path, again) != 0)
        return cs_err_set(err, CS_INVALID, "not the path of a tile");
    *out = t;
    return CS_OK;
}
