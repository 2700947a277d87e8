/* Removes artifacts after their retention. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "gateway.h"

/* Signed and unsigned artifacts of requests that ended longer ago than their policy (or the option
 * retention.artifacts) keeps them. Downloads answer 410 from then on. May run at any time, also
 * twice. Says on stdout how many. */
enum cs_rc purge_run(struct gateway *g, struct cs_err *err) CS_MUST_CHECK;
