/* Records that no reader may believe: expected when somebody quarantined them, else a finding.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_log.h"
#include "audit_table.h"

struct audit_refused {
    struct audit_report *report;
    struct audit_table *refused;     /* topic, partition, offset -> what is wrong */
    struct audit_table *quarantined; /* topic, partition, offset */
};

enum cs_rc audit_refused_init(struct audit_refused *r, struct audit_report *report,
                              struct cs_err *err) CS_MUST_CHECK;
void audit_refused_done(struct audit_refused *r);
/* A record that did not open, and why. */
enum cs_rc audit_refused_add(struct audit_refused *r, const struct audit_leaf *l,
                             const struct cs_err *why, struct cs_err *err) CS_MUST_CHECK;
/* A record of cs.quarantine. */
enum cs_rc audit_refused_quarantine(struct audit_refused *r, const struct audit_leaf *l,
                                    struct cs_err *err) CS_MUST_CHECK;
void audit_refused_end(struct audit_refused *r);
