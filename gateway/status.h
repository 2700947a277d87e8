/* Pieces of documents that the status and the decision page share.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "requests.h"

#include <jansson.h>
#include <stdio.h>
#include <strings.h>

json_t *status_origin(const Cs__Commands__RequestSubmitted *s);
json_t *status_parameters(const Cs__Commands__RequestSubmitted *s);
/* Personal text in clear; "" when the person was forgotten. In the call's arena. */
const char *status_open_text(struct call *c, struct cs_db *db, const Cs__Common__SealedText *t);
