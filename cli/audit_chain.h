/* Was every use of a key allowed? Its evidence, verified as keyd verified it, and each event of
 * that evidence found in the log. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/logsource/logsource.h"
#include "audit_report.h"
#include "audit_table.h"
#include "audit_trust.h"

struct audit_chain {
    struct audit_report *report;
    struct cs_log_source *source;
    const struct audit_trust *trust;
    struct audit_table *seen;     /* payload digest of events that evidence may hold */
    struct audit_table *needed;   /* payload digest -> the use that rests on it */
    struct audit_table *policies; /* policy, revision -> when it was made */
    struct audit_table *rested;   /* policy, revision -> latest authorization under it */
    uint64_t verified;
    uint64_t pending;
};

/* All borrowed. */
enum cs_rc audit_chain_init(struct audit_chain *c, struct audit_report *report,
                            struct cs_log_source *source, const struct audit_trust *trust,
                            struct cs_err *err) CS_MUST_CHECK;
void audit_chain_done(struct audit_chain *c);

/* Every event that opened. CS_RETRY when the log does not answer. */
enum cs_rc audit_chain_event(struct audit_chain *c, const struct audit_place *where,
                             const struct cs_event *e, struct cs_arena *a,
                             struct cs_err *err) CS_MUST_CHECK;
/* See audit_uses_end. */
void audit_chain_end(struct audit_chain *c, int64_t settled_ms);

/* Reads bundles/HEX and checks its digest. CS_NOT_FOUND, CS_INVALID ("audit.blob_differs"),
 * CS_RETRY. */
enum cs_rc audit_blob(struct cs_log_source *source, struct cs_bytes sha256, struct cs_buf *out,
                      struct cs_err *err) CS_MUST_CHECK;
