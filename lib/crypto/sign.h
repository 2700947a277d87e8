/* Ed25519 (RFC 8032, by libsodium) for envelopes, revisions and checkpoints; key files.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum { CS_ED25519_PUBLIC = 32, CS_ED25519_SIGNATURE = 64, CS_KEY_ID = 17 };

/* A private signing key in locked memory; wiped when freed. */
struct cs_signing_key;

struct cs_signing_key *cs_signing_key_generate(void);
/* From a 32-byte seed. */
struct cs_signing_key *cs_signing_key_from_seed(const uint8_t seed[32]);
void cs_signing_key_free(struct cs_signing_key *k);
void cs_signing_key_freep(struct cs_signing_key **k);

/* Key file, text: "countersign-private-key:v1:" + base64url of the seed + newline, mode 0600 asked
 * for. With a passphrase (not NULL): "countersign-private-key-encrypted:v1:" + Argon2id salt +
 * secretbox. load refuses a file that others may read (CS_DENIED) and says so. */
enum cs_rc cs_signing_key_load(const char *path, const char *passphrase,
                               struct cs_signing_key **out, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_signing_key_save(const struct cs_signing_key *k, const char *path,
                               const char *passphrase, struct cs_err *err) CS_MUST_CHECK;

/* Borrowed 32 bytes. */
const uint8_t *cs_signing_key_public(const struct cs_signing_key *k);
/* Key id: the first 8 bytes of SHA-256 of the public key, as 16 hexadecimal digits. Borrowed text.
 */
const char *cs_signing_key_id(const struct cs_signing_key *k);
void cs_key_id(const uint8_t public_key[CS_ED25519_PUBLIC], char out[CS_KEY_ID]);

void cs_sign(const struct cs_signing_key *k, const void *p, size_t n,
             uint8_t out[CS_ED25519_SIGNATURE]);
bool cs_sign_verify(const uint8_t public_key[CS_ED25519_PUBLIC], const void *p, size_t n,
                    const uint8_t sig[CS_ED25519_SIGNATURE]);
