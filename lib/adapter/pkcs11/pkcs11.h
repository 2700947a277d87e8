/* PKCS #11 tokens by p11-kit behind port/keys.h (OASIS PKCS #11 v2.40).
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/keys.h"

struct cs_pkcs11_options {
    const char *module; /* path of the module */
    const char *token_label;
    const char *pin_file; /* read at each log-in, so that a correction needs no restart */
};

struct cs_pkcs11;
/* Loads the module; the token is opened at the first use. One thread. */
enum cs_rc cs_pkcs11_open(const struct cs_pkcs11_options *o, struct cs_pkcs11 **out,
                          struct cs_err *err) CS_MUST_CHECK;
void cs_pkcs11_close(struct cs_pkcs11 *t);
void cs_pkcs11_freep(struct cs_pkcs11 **t);
const struct cs_keys *cs_pkcs11_port(struct cs_pkcs11 *t);

/* Makes a key pair in the token: sensitive, never extractable. type: "rsa-3072", "rsa-4096",
 * "ec-p256", "ec-p384". CS_EXISTS when the label is taken. */
enum cs_rc cs_pkcs11_generate(struct cs_pkcs11 *t, const char *label, const char *type,
                              struct cs_err *err) CS_MUST_CHECK;
