/* What can be set on an auditor; docs/configuration.md is printed from this.
 * SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

static const struct cs_option own[] = {
    {"log.directory", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "Where the log lives: checkpoint, tiles, evidence, and the auditor's own state."},
    {"log.listen", CS_OPTION_TEXT, "127.0.0.1:0", 0, 0, 0,
     "Address and port that serve the log, read-only, over HTTP; port 0 serves nothing."},
    {"log.origin", CS_OPTION_TEXT, "", 0, 0, 0,
     "First line of every checkpoint and name of its key; countersign/ENVIRONMENT when empty. "
     "Never changes during a log's life."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option *const auditor_options[] = {
    own, cs_options_common, cs_options_kafka, cs_options_trust, cs_options_blob, NULL};
