/* /livez, /readyz and /metrics on a private port, answered from cached results.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdbool.h>

struct cs_health;

/* "host:port"; port 0 keeps the checks but opens no port. */
enum cs_rc cs_health_start(const char *listen, struct cs_health **out,
                           struct cs_err *err) CS_MUST_CHECK;
void cs_health_stop(struct cs_health *h);
/* Any thread. */
void cs_health_check(struct cs_health *h, const char *name, bool ok, const char *reason);
/* The main thread is alive: livez is ok for the next 10 s. */
void cs_health_tick(struct cs_health *h);
