/* Is anything missing? Offsets of every partition, numbers of every boot, each event once.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_report.h"
#include "audit_table.h"
#include "trust/opener.h"

struct audit_order {
    struct audit_report *report;
    struct audit_table *partitions; /* topic, partition -> next offset */
    struct audit_table *boots;      /* boot, topic, partition -> next number */
    struct audit_table *holes;      /* boot, topic, partition, number -> where it was missed */
    uint64_t repeats;
};

enum cs_rc audit_order_init(struct audit_order *o, struct audit_report *report,
                            struct cs_err *err) CS_MUST_CHECK;
void audit_order_done(struct audit_order *o);

/* Every leaf. */
enum cs_rc audit_order_offset(struct audit_order *o, const struct audit_place *where,
                              struct cs_err *err) CS_MUST_CHECK;
/* Every event that opened. */
enum cs_rc audit_order_boot(struct audit_order *o, const struct audit_place *where,
                            const struct cs_event *e, struct cs_err *err) CS_MUST_CHECK;
/* Holes that nothing filled become findings; facts for the summary. */
void audit_order_end(struct audit_order *o);
