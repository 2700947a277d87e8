/* Calls that wait for something to happen to a request: long polls, fast requests, verdicts on
 * decisions. Thread-safe. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdbool.h>

struct waiters;
struct waiter;

struct waiters *waiters_new(void);
void waiters_free(struct waiters *w);

/* 'key' is a request id (any event of it wakes), or the event id that a verdict will name as its
 * cause. NULL without memory. Register before asking for the thing. */
struct waiter *waiter_new(struct waiters *w, const char *key);
void waiter_free(struct waiters *w, struct waiter *me);
/* True when something came since the last call (or before timeout_ms is over). */
bool waiter_wait(struct waiters *w, struct waiter *me, int timeout_ms);
/* The last thing that came: payload of its event; borrowed until the next wait. */
struct cs_bytes waiter_last(const struct waiter *me);

/* From the feed: wakes everybody with this key. The payload is copied. */
void waiters_wake(struct waiters *w, const char *key, struct cs_bytes payload);
