/* Sealed personal text; see sealed.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "base/str.h"
#include "hash.h"

#include <sodium.h>
#include <string.h>

_Static_assert(CS_PERSON_KEY == crypto_secretbox_xchacha20poly1305_KEYBYTES, "key size");
_Static_assert(CS_SEAL_NONCE == crypto_secretbox_xchacha20poly1305_NONCEBYTES, "nonce size");
_Static_assert(CS_SEAL_TAG == crypto_secretbox_xchacha20poly1305_MACBYTES, "tag size");

enum cs_rc cs_text_seal(const uint8_t key[CS_PERSON_KEY], const char *text,
                        uint8_t nonce[CS_SEAL_NONCE], struct cs_buf *ciphertext, struct cs_err *err)
{
    const size_t n = strlen(text);
    CS_TRY(cs_buf_reserve(ciphertext, n + CS_SEAL_TAG, err));
    cs_random(nonce, CS_SEAL_NONCE);
    crypto_secretbox_xchacha20poly1305_easy(ciphertext->ptr + ciphertext->len,
                                            (const unsigned char *)text, n, nonce, key);
    ciphertext->len += n + CS_SEAL_TAG;
    return CS_OK;
}

enum cs_rc cs_text_open(const uint8_t key[CS_PERSON_KEY], struct cs_bytes nonce,
                        struct cs_bytes ciphertext, struct cs_buf *text, struct cs_err *err)
{
    if (nonce.len != CS_SEAL_NONCE || ciphertext.len < CS_SEAL_TAG)
        return cs_err_code(err, CS_INVALID, "sealed.malformed",
                           "a nonce of %zu and a text of %zu bytes", nonce.len, ciphertext.len);
    const size_t n = ciphertext.len - CS_SEAL_TAG;
    CS_TRY(cs_buf_reserve(text, n + 1, err));
    uint8_t *at = text->ptr + text->len;
    if (crypto_secretbox_xchacha20poly1305_open_easy(at, ciphertext.ptr, ciphertext.len, nonce.ptr,
                                                     key) != 0)
        return cs_err_code(err, CS_DENIED, "sealed.other_key",
                           "the person's key does not open this text");
    if (!cs_utf8_valid((const char *)at, n))
        return cs_err_code(err, CS_INVALID, "sealed.malformed", "the text is not UTF-8");
    text->len += n;
    return CS_OK;
}
