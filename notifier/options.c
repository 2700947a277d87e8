/* What can be set on a notifier; docs/configuration.md is printed from this.
 * SPDX-License-Identifier: Apache-2.0 */
#include "notifier.h"

static const struct cs_option own[] = {
    {"smtp.url", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_REQUIRED,
     "The mail relay: smtp://host:25 (with STARTTLS) or smtps://host:465."},
    {"smtp.user", CS_OPTION_TEXT, NULL, 0, 0, 0, "User name at the relay."},
    {"smtp.password", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_SECRET, "Password at the relay."},
    {"smtp.ca_file", CS_OPTION_PATH, NULL, 0, 0, 0,
     "PEM file of the authorities that the relay's certificate may come from."},
    {"smtp.allow_plain", CS_OPTION_BOOLEAN, "false", 0, 0, 0,
     "Development only: a relay without TLS. The codes in the mails are readable on the way."},
    {"smtp.from", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_REQUIRED,
     "Sender of the mails, like Countersign <countersign@example.com>."},
    {"secret_file", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "32 secret bytes that tokens and codes are derived from (notifier.secret)."},
    {"public_url", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_REQUIRED,
     "How people reach the gateway; the links in the mails are made from it."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option *const notifier_options[] = {
    own, cs_options_common, cs_options_kafka, cs_options_mariadb, cs_options_trust, cs_options_blob,
    NULL};
