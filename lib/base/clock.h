/* Time: the wall clock in milliseconds since 1970 (UTC), a monotonic clock, and RFC 3339 text.
 * Rules never call this; they get the time as a value (port/clock.h).
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdint.h>

int64_t cs_now_ms(void);
int64_t cs_monotonic_ms(void);
enum { CS_TIME_TEXT = 25 };
/* "2026-01-31T12:34:56.789Z" */
void cs_time_format(int64_t ms, char out[CS_TIME_TEXT]);
/* RFC 3339 with Z or a numeric offset, fraction optional. */
enum cs_rc cs_time_parse(const char *text, int64_t *ms, struct cs_err *err) CS_MUST_CHECK;
