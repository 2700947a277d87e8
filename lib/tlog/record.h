/* What a leaf of our log holds: a Kafka record, as cs.audit.LogEntry.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "port/bus.h"

/* Serialized cs.audit.LogEntry in the arena; always the same bytes for the same record. A record
 * too large for an entry leaves its value's SHA-256 instead. CS_NOMEM. */
enum cs_rc cs_log_entry_encode(const struct cs_record *r, struct cs_arena *a, struct cs_bytes *out,
                               struct cs_err *err) CS_MUST_CHECK;
