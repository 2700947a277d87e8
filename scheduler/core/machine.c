/* The transition table; see machine.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#define RECEIVED CS__EVENTS__STATE__STATE_RECEIVED
#define AWAITING_ARTIFACT CS__EVENTS__STATE__STATE_AWAITING_ARTIFACT
#define INSPECTING CS__EVENTS__STATE__STATE_INSPECTING
#define AWAITING_APPROVAL CS__EVENTS__STATE__STATE_AWAITING_APPROVAL
#define QUEUED CS__EVENTS__STATE__STATE_QUEUED
#define SIGNING CS__EVENTS__STATE__STATE_SIGNING
#define COMPLETED CS__EVENTS__STATE__STATE_COMPLETED
#define FAILED CS__EVENTS__STATE__STATE_FAILED
#define DENIED CS__EVENTS__STATE__STATE_DENIED
#define CANCELED CS__EVENTS__STATE__STATE_CANCELED
#define EXPIRED CS__EVENTS__STATE__STATE_EXPIRED

enum { N_STATES = EXPIRED + 1 };

/* What is not here does not happen; final states have no row. EV_FAIL in SIGNING is the signer's
 * word, in the other states the platform's own. */
static const Cs__Events__State table[N_STATES][EV_COUNT] = {
    [RECEIVED] = {[EV_INSPECT] = INSPECTING,
                  [EV_AUTHORIZE] = QUEUED,
                  [EV_FAIL] = FAILED,
                  [EV_CANCEL] = CANCELED},
    [AWAITING_ARTIFACT] = {[EV_INSPECT] = INSPECTING,
                           [EV_FAIL] = FAILED,
                           [EV_CANCEL] = CANCELED,
                           [EV_EXPIRE] = EXPIRED},
    [INSPECTING] = {[EV_ASK] = AWAITING_APPROVAL,
                    [EV_AUTHORIZE] = QUEUED,
                    [EV_FAIL] = FAILED,
                    [EV_CANCEL] = CANCELED,
                    [EV_WAIT] = INSPECTING},
    [AWAITING_APPROVAL] = {[EV_VOTE] = AWAITING_APPROVAL,
                           [EV_ASK] = AWAITING_APPROVAL, /* again: the policy changed */
                           [EV_INSPECT] = INSPECTING,    /* again: the certificate changed */
                           [EV_AUTHORIZE] = QUEUED,
                           [EV_DENY] = DENIED,
                           [EV_FAIL] = FAILED,
                           [EV_CANCEL] = CANCELED,
                           [EV_EXPIRE] = EXPIRED},
    [QUEUED] = {[EV_DISPATCH] = SIGNING,
                [EV_FAIL] = FAILED,
                [EV_CANCEL] = CANCELED,
                [EV_EXPIRE] = EXPIRED},
    [SIGNING] =
        {[EV_SIGNED] = COMPLETED, [EV_FAIL] = FAILED, [EV_WAIT] = SIGNING, [EV_EXPIRE] = EXPIRED},
};

static bool known(Cs__Events__State s)
{
    return (int)s >= 0 && (int)s < (int)N_STATES;
}

Cs__Events__State machine_next(Cs__Events__State state, enum machine_event event)
{
    return known(state) && event < EV_COUNT ? table[state][event]
                                            : CS__EVENTS__STATE__STATE_UNSPECIFIED;
}

bool machine_final(Cs__Events__State state)
{
    return state == COMPLETED || state == FAILED || state == DENIED || state == CANCELED ||
           state == EXPIRED;
}

const char *machine_name(Cs__Events__State state)
{
    static const char *const names[N_STATES] = {
        "UNSPECIFIED", "RECEIVED", "AWAITING_ARTIFACT", "INSPECTING", "AWAITING_APPROVAL",
        "QUEUED",      "SIGNING",  "COMPLETED",         "FAILED",     "DENIED",
        "CANCELED",    "EXPIRED"};
    return known(state) ? names[state] : "UNKNOWN";
}
