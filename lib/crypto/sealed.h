/* Personal text in events: sealed under a key per person that only MariaDB holds, so that deleting
 * the key forgets the person (cs.common.SealedText). SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdint.h>

enum { CS_PERSON_KEY = 32, CS_SEAL_NONCE = 24, CS_SEAL_TAG = 16 };

/* XChaCha20-Poly1305 with a random nonce; appends strlen(text) + CS_SEAL_TAG bytes. */
enum cs_rc cs_text_seal(const uint8_t key[CS_PERSON_KEY], const char *text,
                        uint8_t nonce[CS_SEAL_NONCE], struct cs_buf *ciphertext,
                        struct cs_err *err) CS_MUST_CHECK;
/* Appends the text (no NUL). CS_DENIED ("sealed.other_key") when the key does not open it;
 * CS_INVALID
 * ("sealed.malformed") for a wrong nonce size, too few bytes, or text that is not UTF-8. */
enum cs_rc cs_text_open(const uint8_t key[CS_PERSON_KEY], struct cs_bytes nonce,
                        struct cs_bytes ciphertext, struct cs_buf *text,
                        struct cs_err *err) CS_MUST_CHECK;
