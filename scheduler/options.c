/* What can be set on a scheduler; docs/configuration.md is printed from this.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

static const struct cs_option own[] = {
    {"meter.per_project_and_lane", CS_OPTION_INTEGER, "16", 1, 10000, 0,
     "Most jobs of one project that signers of a lane have at the same time; the rest wait their "
     "turn."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option *const scheduler_options[] = {
    own, cs_options_common, cs_options_kafka, cs_options_mariadb, cs_options_trust, cs_options_blob,
    NULL};
