/* Reads a whole log in order, recomputing every tile and the root; memory does not grow with it.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/logsource/logsource.h"
#include "audit_report.h"
#include "base/arena.h"
#include "tlog/checkpoint.h"

struct Cs__Audit__LogEntry;

/* One leaf, taken apart. Valid during the call. */
struct audit_leaf {
    uint64_t index;
    struct cs_bytes bytes;
    const struct Cs__Audit__LogEntry *entry; /* NULL when it is none (a finding says so) */
    struct audit_place place;
    struct cs_arena *arena; /* emptied after each leaf */
};

struct audit_walk {
    struct cs_log_source *source;
    struct cs_tlog_head head;           /* what the checkpoint promises */
    const struct cs_tlog_head *earlier; /* an older head that must be a prefix; NULL: none */
    struct audit_report *report;        /* NULL: nobody hears of findings (a second reading) */
    const char *what;                   /* for the progress line */
    void *self;
    enum cs_rc (*leaf)(void *self, const struct audit_leaf *l, struct cs_err *err);
};

/* CS_OK when everything was read, whatever the findings; else reading (or the callback) failed. */
enum cs_rc audit_walk(const struct audit_walk *w, struct cs_err *err) CS_MUST_CHECK;

/* Reads the checkpoint; with key NULL only its form is checked. */
enum cs_rc audit_checkpoint(struct cs_log_source *source, const struct cs_note_key *key,
                            struct cs_checkpoint *out, struct cs_err *err) CS_MUST_CHECK;
