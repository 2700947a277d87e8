/* From a Kafka record to a log entry, and which blobs an entry's event names.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "port/bus.h"
#include "state.h"

/* Serialized cs.audit.LogEntry in the arena. A record too large for an entry leaves its value's
 * SHA-256 instead. CS_NOMEM. */
enum cs_rc leaf_encode(const struct cs_record *r, struct cs_arena *a, struct cs_bytes *out,
                       struct cs_err *err) CS_MUST_CHECK;

/* Names of the blobs that prove the event ("evidence/HEX", "manifests/HEX"), at most two; returns
 * how many. Records that cannot be read name none. */
size_t leaf_blobs(const struct cs_record *r, struct cs_arena *a, char out[2][STATE_BLOB]);
