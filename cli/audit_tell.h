/* One event as a sentence for a person, with the names that the configuration gives to ids.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_table.h"
#include "trust/opener.h"

/* Ids -> slugs of users, projects, policies, certificates; learned from cs.config. */
struct audit_names {
    struct audit_table *table;
};

enum cs_rc audit_names_init(struct audit_names *n, struct cs_err *err) CS_MUST_CHECK;
void audit_names_done(struct audit_names *n);
/* Other events are fine: nothing is learned from them. */
enum cs_rc audit_names_learn(struct audit_names *n, const struct cs_event *e, struct cs_arena *a,
                             struct cs_err *err) CS_MUST_CHECK;
/* The slug, or the id itself. Borrowed. */
const char *audit_name(const struct audit_names *n, const char *id);

/* Appends what the event says. Control characters of foreign text are replaced. */
enum cs_rc audit_tell(const struct audit_names *n, const struct cs_event *e, struct cs_arena *a,
                      struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
