/* `countersign audit show` and `audit list`: what the log says, for people and spreadsheets.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_verify.h"

/* Prints the story of one request in order. Integrity is checked on the way. CS_NOT_FOUND when the
 * log has nothing of it. */
enum cs_rc audit_show(const struct audit_question *q, const char *request_id, bool json,
                      struct audit_report *report, struct cs_err *err) CS_MUST_CHECK;

struct audit_filter {
    const char *certificate; /* slug or id; NULL: all */
    int64_t since_ms;        /* completed at or after; 0: all */
    bool csv;
    bool json;
};
/* Prints one line per completed signature, oldest first. */
enum cs_rc audit_list(const struct audit_question *q, const struct audit_filter *f,
                      struct audit_report *report, struct cs_err *err) CS_MUST_CHECK;
