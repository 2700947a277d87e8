/* The life of a request as a table: in which state what may happen, and where it leads. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/events.pb-c.h"

#include <stdbool.h>

enum machine_event {
    EV_INSPECT,   /* submitted with an artifact */
    EV_ASK,       /* inspected, approvals are needed */
    EV_AUTHORIZE, /* nothing (more) stands in the way */
    EV_DISPATCH,  /* a signer gets the job */
    EV_SIGNED,    /* the signer's result */
    EV_FAIL,      /* it can never succeed */
    EV_DENY,      /* an approver said no */
    EV_CANCEL,    /* somebody who may, called it off */
    EV_EXPIRE,    /* a deadline passed */
    EV_VOTE,      /* an approval that is not the last one */
    EV_WAIT,      /* the job waits for something outside */
    EV_COUNT
};

/* STATE_UNSPECIFIED when the event is not allowed in that state. */
Cs__Events__State machine_next(Cs__Events__State state, enum machine_event event);
bool machine_final(Cs__Events__State state);
/* "AWAITING_APPROVAL" */
const char *machine_name(Cs__Events__State state);
