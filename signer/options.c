/* What can be set on a signer; docs/configuration.md is printed from this.
 * SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

static const struct cs_option own[] = {
    {"pool", CS_OPTION_TEXT, "default", 0, 0, 0, "The pool whose jobs this signer takes."},
    {"lanes", CS_OPTION_TEXT, "fast,normal,bulk", 0, 0, 0,
     "Lanes it serves, in order of preference; an empty list leaves inspections only."},
    {"inspections", CS_OPTION_BOOLEAN, "true", 0, 0, 0, "Whether it inspects artifacts too."},
    {"concurrency", CS_OPTION_INTEGER, "4", 1, 64, 0, "Jobs in hand at the same time."},
    {"keyd.key", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "Private key file of the key daemon (role keyd), read by countersign-keyd only."},
    {"pkcs11.module", CS_OPTION_PATH, NULL, 0, 0, 0, "The token's PKCS #11 module."},
    {"pkcs11.token", CS_OPTION_TEXT, NULL, 0, 0, 0, "The token's label."},
    {"softkeys.directory", CS_OPTION_PATH, NULL, 0, 0, 0,
     "For trials, instead of a token: directory of encrypted key files (LABEL.pem)."},
    {"softkeys.passphrase_file", CS_OPTION_PATH, NULL, 0, 0, 0,
     "File with the passphrase that the key files are encrypted under."},
    {"pkcs11.pin_file", CS_OPTION_PATH, NULL, 0, 0, 0,
     "File with the token's PIN. After a wrong PIN nothing is tried again until "
     "'countersign-keys resume' says that it was corrected."},
    {"pkcs11.environment", CS_OPTION_TEXT, NULL, 0, 0, 0,
     "NAME=VALUE words that the module needs, such as SOFTHSM2_CONF=/etc/softhsm2.conf."},
    {"tsa.urls", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_REQUIRED,
     "Timestamp authorities (RFC 3161), first choice first, separated by blanks."},
    {"tsa.ca_file", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "PEM file of the roots that timestamps must chain to."},
    {"tsa.timeout", CS_OPTION_DURATION, "10s", 100, 120000, 0,
     "How long one timestamp authority may take."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option *const signer_options[] = {
    own, cs_options_common, cs_options_kafka, cs_options_trust, cs_options_blob, NULL};
