/* What can be set on a gateway; docs/configuration.md is printed from this.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway.h"

static const struct cs_option own[] = {
    {"listen", CS_OPTION_TEXT, "127.0.0.1:8080", 0, 0, 0, "Address and port of the public API."},
    {"public_url", CS_OPTION_TEXT, NULL, 0, 0, 0,
     "How clients reach it, such as https://sign.example.com; links are made from it."},
    {"web.directory", CS_OPTION_PATH, NULL, 0, 0, 0, "The built web pages (web/dist)."},
    {"limits.artifact_bytes", CS_OPTION_SIZE, "8GiB", 1, 1LL << 45, 0,
     "Largest artifact that is accepted."},
    {"limits.connections", CS_OPTION_INTEGER, "1000", 10, 100000, 0,
     "Most connections at the same time."},
    {"idempotency.window", CS_OPTION_DURATION, "15m", 1000, 86400000, 0,
     "How long a repeated submission without Idempotency-Key finds the first one."},
    {"retention.artifacts", CS_OPTION_DURATION, "90d", 1000, 3650LL * 86400000, 0,
     "purge: how long artifacts are kept after their request ended, unless the policy says."},
    {"tls.certificate", CS_OPTION_PATH, NULL, 0, 0, 0, "PEM certificate chain; with it HTTPS."},
    {"tls.key", CS_OPTION_PATH, NULL, 0, 0, 0, "PEM private key of it."},
    {"organization", CS_OPTION_TEXT, NULL, 0, 0, 0, "bootstrap: slug of the organisation."},
    {"name", CS_OPTION_TEXT, NULL, 0, 0, 0, "bootstrap: its name."},
    {"administrator", CS_OPTION_TEXT, "administrator", 0, 0, 0,
     "bootstrap: slug of the first administrator."},
    {"administrator_name", CS_OPTION_TEXT, "Administrator", 0, 0, 0, "bootstrap: the name."},
    {"administrator_email", CS_OPTION_TEXT, NULL, 0, 0, 0, "bootstrap: the mail address."},
    {"token_file", CS_OPTION_PATH, NULL, 0, 0, 0,
     "bootstrap: where the administrator's API token is written (mode 0600)."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option *const gateway_options[] = {
    own, cs_options_common, cs_options_kafka, cs_options_mariadb, cs_options_trust, cs_options_blob,
    NULL};
