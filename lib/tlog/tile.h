/* Names and shapes of the resources of a tiled log (C2SP tlog-tiles): hash tiles and entry bundles.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum {
    CS_TLOG_TILE = 256,        /* hashes in a full tile, entries in a full bundle */
    CS_TLOG_LEVELS = 8,        /* a level more would hold more than 2^64 leaves */
    CS_TLOG_ENTRY_MAX = 65535, /* bytes: the length is 16 bits */
    CS_TLOG_PATH = 64
};

/* One resource. Entry bundles lie beside level 0. */
struct cs_tlog_tile {
    bool entries;
    unsigned level;
    uint64_t index;
    unsigned width; /* 1 to 255: partial; 256: full */
};

/* "tile/0/x001/x234/067.p/12", relative to the log. CS_INVALID when no such tile can exist. */
enum cs_rc cs_tlog_path(const struct cs_tlog_tile *t, char out[CS_TLOG_PATH],
                        struct cs_err *err) CS_MUST_CHECK;
/* The reverse, accepting exactly what cs_tlog_path writes. Total on hostile input. */
enum cs_rc cs_tlog_path_parse(const char *path, struct cs_tlog_tile *out,
                              struct cs_err *err) CS_MUST_CHECK;
/* How many hashes that tile has in a tree of 'size' leaves; 0: there is no such tile. */
unsigned cs_tlog_width(uint64_t size, unsigned level, uint64_t index);
/* Whether every leaf below the tile is among the first 'size'. */
bool cs_tlog_covered(const struct cs_tlog_tile *t, uint64_t size);
