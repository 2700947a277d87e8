/* Key uses within bounds (made <= used <= announced), results that rest on a use, one final state
 * for each request. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_report.h"
#include "audit_table.h"
#include "trust/opener.h"

struct audit_uses {
    struct audit_report *report;
    struct audit_table *uses;   /* key, keyd boot, number -> announced?, made? */
    struct audit_table *series; /* key, keyd boot -> highest number, how many */
    struct audit_table *jobs;   /* job -> announced?, completed? */
    struct audit_table *finals; /* request -> its final state */
    uint64_t announced;
    uint64_t made;
    uint64_t completed;
};

enum cs_rc audit_uses_init(struct audit_uses *u, struct audit_report *report,
                           struct cs_err *err) CS_MUST_CHECK;
void audit_uses_done(struct audit_uses *u);

/* Every event that opened; those that matter here are noted. */
enum cs_rc audit_uses_event(struct audit_uses *u, const struct audit_place *where,
                            const struct cs_event *e, struct cs_err *err) CS_MUST_CHECK;
/* Whether the request's final state is in the log. */
bool audit_uses_finished(const struct audit_uses *u, const char *request_id);
/* 'settled_ms': what happened before it must be whole; what is younger may still be arriving. */
void audit_uses_end(struct audit_uses *u, int64_t settled_ms);
