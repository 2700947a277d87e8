/* A polled batch, or what the clock says, as one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "scheduler.h"

/* Applies all records or none. A record that can never be applied goes to quarantine in the same
 * transaction. CS_RETRY, CS_CONFLICT: try the same batch again. CS_FATAL: this scheduler is a
 * zombie. */
enum cs_rc apply_records(struct sched *s, const struct cs_record *records, size_t n,
                         struct cs_err *err) CS_MUST_CHECK;
/* Deadlines, reminders, changed policies, requests that wait for room. */
enum cs_rc apply_timers(struct sched *s, struct cs_err *err) CS_MUST_CHECK;
