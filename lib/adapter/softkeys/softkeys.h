/* Encrypted software keys behind port/keys.h, for trials: DIRECTORY/LABEL.pem, PKCS #8 under a
 * passphrase (RFC 5958; PBES2 with scrypt and AES-256-CBC). SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/keys.h"

struct cs_softkeys_options {
    const char *directory;
    const char *passphrase_file; /* the key-encryption key; read at each opening of a key */
};

struct cs_softkeys;
/* One thread. */
enum cs_rc cs_softkeys_open(const struct cs_softkeys_options *o, struct cs_softkeys **out,
                            struct cs_err *err) CS_MUST_CHECK;
void cs_softkeys_close(struct cs_softkeys *s);
void cs_softkeys_freep(struct cs_softkeys **s);
const struct cs_keys *cs_softkeys_port(struct cs_softkeys *s);

/* Makes a key: "rsa-3072", "rsa-4096", "ec-p256", "ec-p384". CS_EXISTS when the label is taken. */
enum cs_rc cs_softkeys_generate(struct cs_softkeys *s, const char *label, const char *type,
                                struct cs_err *err) CS_MUST_CHECK;
