/* Ed25519 keys and signatures by libsodium; see sign.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sign.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

static const char plain_head[] = "countersign-private-key:v1:";
static const char sealed_head[] = "countersign-private-key-encrypted:v1:";

struct cs_signing_key {
    uint8_t seed[32];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t public_key[CS_ED25519_PUBLIC];
    char id[CS_KEY_ID];
};

struct cs_signing_key *cs_signing_key_from_seed(const uint8_t seed[32])
{
    if (sodium_init() < 0)
        return NULL;
    struct cs_signing_key *k = sodium_malloc(sizeof(*k));
    if (k == NULL)
        return NULL;
    memcpy(k->seed, seed, sizeof(k->seed));
    crypto_sign_seed_keypair(k->public_key, k->secret, seed);
    cs_key_id(k->public_key, k->id);
    return k;
}

struct cs_signing_key *cs_signing_key_generate(void)
{
    uint8_t seed[32];
    cs_random(seed, sizeof(seed));
    struct cs_signing_key *k = cs_signing_key_from_seed(seed);
    cs_wipe(seed, sizeof(seed));
    return k;
}

void cs_signing_key_free(struct cs_signing_key *k)
{
    if (k != NULL)
        sodium_free(k); /* wipes */
}

void cs_signing_key_freep(struct cs_signing_key **k)
{
    cs_signing_key_free(*k);
    *k = NULL;
}

const uint8_t *cs_signing_key_public(const struct cs_signing_key *k)
{
    return k->public_key;
}

const char *cs_signing_key_id(const struct cs_signing_key *k)
{
    return k->id;
}

void cs_key_id(const uint8_t public_key[CS_ED25519_PUBLIC], char out[CS_KEY_ID])
{
    uint8_t digest[CS_SHA256_SIZE];
    cs_sha256(public_key, CS_ED25519_PUBLIC, digest);
    cs_hex_encode(digest, 8, out);
}

void cs_sign(const struct cs_signing_key *k, const void *p, size_t n,
             uint8_t out[CS_ED25519_SIGNATURE])
{
    crypto_sign_detached(out, NULL, p, n, k->secret);
}

bool cs_sign_verify(const uint8_t public_key[CS_ED25519_PUBLIC], const void *p, size_t n,
                    const uint8_t sig[CS_ED25519_SIGNATURE])
{
    return crypto_sign_verify_detached(sig, p, n, public_key) == 0;
}

struct sealed {
    uint8_t salt[crypto_pwhash_SALTBYTES];
    uint8_t nonce[crypto_secretbox_NONCEBYTES];
    uint8_t box[crypto_secretbox_MACBYTES + 32];
};

static enum cs_rc passphrase_key(const char *passphrase, const uint8_t *salt, uint8_t out[32],
                                 struct cs_err *err)
{
    if (crypto_pwhash(out, 32, passphrase, strlen(passphrase), salt,
                      crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return cs_err_set(err, CS_NOMEM, "no memory to derive a key from the passphrase");
    return CS_OK;
}

static enum cs_rc seal(const struct cs_signing_key *k, const char *passphrase, struct sealed *out,
                       struct cs_err *err)
{
    uint8_t key[32];
    cs_random(out->salt, sizeof(out->salt));
    cs_random(out->nonce, sizeof(out->nonce));
    CS_TRY(passphrase_key(passphrase, out->salt, key, err));
    crypto_secretbox_easy(out->box, k->seed, sizeof(k->seed), out->nonce, key);
    cs_wipe(key, sizeof(key));
    return CS_OK;
}

enum cs_rc cs_signing_key_save(const struct cs_signing_key *k, const char *path,
                               const char *passphrase, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(1024);
    struct sealed box;
    CS_AUTO_STR body = NULL;
    if (passphrase != NULL) {
        CS_TRY(seal(k, passphrase, &box, err));
        body = cs_base64url_encode(&box, sizeof(box));
    } else {
        body = cs_base64url_encode(k->seed, sizeof(k->seed));
    }
    if (body == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_buf_add_str(&text, passphrase != NULL ? sealed_head : plain_head, err));
    CS_TRY(cs_buf_add_str(&text, body, err));
    CS_TRY(cs_buf_add_str(&text, "\n", err));
    const enum cs_rc rc = cs_file_write_atomic(path, text.ptr, text.len, 0600, err);
    cs_wipe(text.ptr, text.len);
    cs_wipe(body, strlen(body));
    return rc;
}

static enum cs_rc check_private(const char *path, struct cs_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return cs_err_set(err, CS_NOT_FOUND, "%s: there is no such key file", path);
    if ((st.st_mode & 077) != 0)
        return cs_err_set(err, CS_DENIED,
                          "%s: others may read this private key (mode %03o); run chmod 600", path,
                          (unsigned)st.st_mode & 0777U);
    return CS_OK;
}

static enum cs_rc open_sealed(const struct cs_buf *raw, const char *passphrase, uint8_t seed[32],
                              struct cs_err *err)
{
    struct sealed box;
    uint8_t key[32];
    if (raw->len != sizeof(box))
        return cs_err_set(err, CS_INVALID, "the encrypted key has the wrong length");
    if (passphrase == NULL)
        return cs_err_set(err, CS_DENIED, "the key is encrypted: a passphrase is needed");
    memcpy(&box, raw->ptr, sizeof(box));
    CS_TRY(passphrase_key(passphrase, box.salt, key, err));
    const int bad = crypto_secretbox_open_easy(seed, box.box, sizeof(box.box), box.nonce, key);
    cs_wipe(key, sizeof(key));
    return bad == 0 ? CS_OK : cs_err_set(err, CS_DENIED, "wrong passphrase");
}

static enum cs_rc parse_key(const char *text, const char *passphrase, uint8_t seed[32],
                            struct cs_err *err)
{
    CS_AUTO_BUF raw = CS_BUF_INIT(256);
    const bool sealed = cs_str_starts(text, sealed_head);
    if (!sealed && !cs_str_starts(text, plain_head))
        return cs_err_set(err, CS_INVALID, "not a Countersign private key");
    const char *body = strrchr(text, ':') + 1;
    CS_TRY(cs_base64url_decode(body, strcspn(body, "\r\n"), &raw, err));
    if (sealed)
        return open_sealed(&raw, passphrase, seed, err);
    if (raw.len != 32)
        return cs_err_set(err, CS_INVALID, "the key has the wrong length");
    memcpy(seed, raw.ptr, 32);
    cs_wipe(raw.ptr, raw.len);
    return CS_OK;
}

enum cs_rc cs_signing_key_load(const char *path, const char *passphrase,
                               struct cs_signing_key **out, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(4096);
    uint8_t seed[32];
    if (sodium_init() < 0)
        return cs_err_set(err, CS_FATAL, "libsodium cannot start");
    CS_TRY(check_private(path, err));
    CS_TRY(cs_file_read(path, &text, err));
    const char *s = cs_buf_cstr(&text);
    const enum cs_rc rc = s == NULL ? cs_err_set(err, CS_LIMIT, "too long to be a key file")
                                    : parse_key(s, passphrase, seed, err);
    cs_wipe(text.ptr, text.cap);
    if (rc != CS_OK)
        return cs_err_wrap(err, "%s", path);
    struct cs_signing_key *k = cs_signing_key_from_seed(seed);
    cs_wipe(seed, sizeof(seed));
    if (k == NULL)
        return cs_err_set(err, CS_NOMEM, "no locked memory for a key");
    *out = k;
    return CS_OK;
}
