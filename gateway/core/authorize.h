/* Every permission in one place: who may do what with what. Pure; the table is data.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/config.pb-c.h"

#include <stdbool.h>

enum action {
    ACTION_READ,
    ACTION_SUBMIT,
    ACTION_DECIDE,
    ACTION_CANCEL,
    ACTION_RESEND,
    ACTION_CONFIGURE,
    ACTION_READ_CONFIGURATION
};

/* What it is about; NULL where it does not matter. */
struct subject {
    const Cs__Config__SigningPolicy *policy;
    const Cs__Config__Project *project;
    const char *submitter_id; /* of the request */
};

bool authorize(const Cs__Config__User *who, enum action action, const struct subject *s);
bool authorize_has_role(const Cs__Config__User *who, const char *role);
