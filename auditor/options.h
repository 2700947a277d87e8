/* The auditor's option table.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "service/options.h"

/* Ended by NULL. */
extern const struct cs_option *const auditor_options[];
