/* Leaves of the log onto cs.audit: at least once, in order; readers drop repeats of one index.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/bus.h"
#include "store.h"

struct republish;

/* Both borrowed. */
enum cs_rc republish_open(const struct cs_bus_producer *bus, struct store *store,
                          struct republish **out, struct cs_err *err) CS_MUST_CHECK;
/* After the producer was closed. */
void republish_close(struct republish *r);

/* Sends a batch of committed leaves that are not known to be on cs.audit and waits for the answers;
 * state.republished follows. *changed: it moved. CS_RETRY: Kafka did not take all of them. */
enum cs_rc republish_step(struct republish *r, bool *changed, struct cs_err *err) CS_MUST_CHECK;
