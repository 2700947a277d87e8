/* Shared by the files of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/pkcs11/pkcs11.h"

#include <p11-kit/pkcs11.h>

enum { MAX_KEYS = 64 };

struct token_key {
    struct cs_key key;
    CK_OBJECT_HANDLE handle;
    char *label;
    uint8_t *spki_bytes; /* owned; key.spki points here */
};

struct cs_pkcs11 {
    CK_FUNCTION_LIST *fn;
    bool initialized;
    char *token_label;
    char *pin_file;
    CK_SESSION_HANDLE session;
    bool open;
    bool pin_refused; /* one wrong PIN is enough: a token locks after three */
    struct token_key keys[MAX_KEYS];
    size_t n_keys;
    struct cs_keys port;
};

static inline void *pkcs11_unconst(const void *p)
{
    union {
        const void *in;
        void *out; /* attribute templates predate const; searching only reads */
    } u = {.in = p};
    return u.out;
}

enum cs_rc pkcs11_fail(struct cs_pkcs11 *t, CK_RV rv, const char *what, struct cs_err *err);
/* Opens and logs in unless that is done. */
enum cs_rc pkcs11_session(struct cs_pkcs11 *t, struct cs_err *err) CS_MUST_CHECK;
/* Reads the public key object into k->key and k->spki_bytes. */
enum cs_rc pkcs11_public_key(struct cs_pkcs11 *t, CK_OBJECT_HANDLE object, struct token_key *k,
                             struct cs_err *err) CS_MUST_CHECK;
enum cs_rc pkcs11_sign(void *self, const struct cs_key *key, const struct cs_sign_input *in,
                       struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
