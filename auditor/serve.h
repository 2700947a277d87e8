/* The log over HTTP, read-only: checkpoint, tiles, bundles of evidence (C2SP tlog-tiles).
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store.h"

struct serve;

/* "host:port"; port 0 serves nothing. The store is borrowed: only what its published checkpoint
 * covers is served. CS_INVALID, CS_RETRY (the port is taken). */
enum cs_rc serve_start(const char *listen, const char *directory, const struct store *store,
                       struct serve **out, struct cs_err *err) CS_MUST_CHECK;
void serve_stop(struct serve *s);
