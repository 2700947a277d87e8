/* What an audit found: findings with their place, the verdict, and the exit status that says it.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdio.h>

/* Also the exit statuses of the audit commands. */
enum audit_class {
    AUDIT_PASS = 0,
    AUDIT_INTEGRITY = 1,    /* the log's bytes are not what was signed */
    AUDIT_INCOMPLETE = 2,   /* something is missing */
    AUDIT_UNAUTHORIZED = 3, /* something happened that nothing allowed */
    AUDIT_CANNOT = 4        /* not enough is known to say either */
};

/* Where: leaf, and the Kafka record it holds. Borrowed text. */
struct audit_place {
    bool has_leaf;
    uint64_t leaf;
    const char *topic; /* NULL: not known */
    int partition;
    int64_t offset;
};

struct audit_report;

/* Findings are written to 'to' as they come (text), or with the summary at the end (JSON). Progress
 * goes to stderr when that is a terminal. NULL without memory. */
struct audit_report *audit_report_new(FILE *to, bool json);
void audit_report_free(struct audit_report *r);
void audit_report_freep(struct audit_report **r);

void audit_finding(struct audit_report *r, enum audit_class c, const struct audit_place *where,
                   const char *code, const char *fmt, ...) CS_PRINTF(5, 6);
size_t audit_findings(const struct audit_report *r, enum audit_class c);
/* A fact of the summary: "leaves", "123". Copied. */
void audit_fact(struct audit_report *r, const char *name, const char *fmt, ...) CS_PRINTF(3, 4);
void audit_progress(struct audit_report *r, const char *what, uint64_t done, uint64_t total);
/* Writes the summary; returns the exit status: integrity, unauthorized, incomplete, cannot, pass,
 * the first of them that occurred. */
int audit_report_end(struct audit_report *r);
