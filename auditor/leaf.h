/* Which blobs a record's event names.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "port/bus.h"
#include "state.h"

/* Names of the blobs that prove the event ("evidence/HEX", "manifests/HEX"), at most two; returns
 * how many. Records that cannot be read name none. */
size_t leaf_blobs(const struct cs_record *r, struct cs_arena *a, char out[2][STATE_BLOB]);
