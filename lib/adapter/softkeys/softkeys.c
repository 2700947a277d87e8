/* Software keys by OpenSSL; see softkeys.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/softkeys/softkeys.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_KEYS = 64,
    MAX_PATH = 1024,
    MAX_PASSPHRASE = 512,
    MAX_SIGNATURE = 1024,
    MAX_PEM = 65536
};

struct soft_key {
    struct cs_key key; /* first: the port hands out pointers to it */
    char *label;
    uint8_t *spki;
    EVP_PKEY *pkey;
};

struct cs_softkeys {
    char *directory;
    char *passphrase_file;
    bool refused; /* a wrong passphrase is not tried again until resume */
    struct soft_key keys[MAX_KEYS];
    size_t n;
    struct cs_keys port;
};

static enum cs_rc passphrase(const struct cs_softkeys *s, char out[MAX_PASSPHRASE],
                             struct cs_err *err)
{
    CS_AUTO_BUF b = CS_BUF_INIT(MAX_PASSPHRASE);
    CS_TRY(cs_file_read(s->passphrase_file, &b, err));
    const enum cs_rc rc = cs_strf(out, MAX_PASSPHRASE, err, "%.*s", (int)b.len,
                                  b.ptr == NULL ? "" : (const char *)b.ptr);
    if (b.ptr != NULL)
        cs_wipe(b.ptr, b.len);
    out[strcspn(out, "\r\n")] = '\0';
    return rc;
}

/* A label is a file's name here, so it may only hold what is harmless in one. */
static enum cs_rc path_of(const struct cs_softkeys *s, const char *label, char out[MAX_PATH],
                          struct cs_err *err)
{
    if (!cs_slug_valid(label))
        return cs_err_code(err, CS_INVALID, "keys.label", "label '%.60s': a-z 0-9 . _ - expected",
                           label);
    return cs_strf(out, MAX_PATH, err, "%s/%s.pem", s->directory, label);
}

static enum cs_rc describe(struct soft_key *k, struct cs_err *err)
{
    unsigned char *der = NULL;
    const int n = i2d_PUBKEY(k->pkey, &der);
    if (n > 0)
        k->spki = cs_memdup(der, (size_t)n);
    OPENSSL_free(der);
    if (k->spki == NULL)
        return cs_err_code(err, CS_INVALID, "keys.unreadable", "the key '%s' has no public part",
                           k->label);
    k->key.kind = EVP_PKEY_is_a(k->pkey, "RSA") ? CS_KEY_RSA : CS_KEY_EC;
    k->key.bits = (unsigned)EVP_PKEY_get_bits(k->pkey);
    k->key.spki = cs_bytes(k->spki, (size_t)n);
    cs_sha256(k->spki, (size_t)n, k->key.spki_sha256);
    return CS_OK;
}

static enum cs_rc read_key(struct cs_softkeys *s, const char *path, const char *label,
                           EVP_PKEY **out, struct cs_err *err)
{
    CS_AUTO_BUF pem = CS_BUF_INIT(MAX_PEM);
    char secret[MAX_PASSPHRASE];
    enum cs_rc rc = cs_file_read(path, &pem, err);
    if (rc == CS_NOT_FOUND)
        return cs_err_code(err, rc, "keys.not_found", "there is no key '%s' in %s", label,
                           s->directory);
    CS_TRY(rc);
    CS_TRY(passphrase(s, secret, err));
    BIO *b = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    *out = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, NULL, secret);
    BIO_free(b);
    cs_wipe(secret, sizeof(secret));
    ERR_clear_error();
    if (*out != NULL)
        return CS_OK;
    s->refused = true;
    return cs_err_code(err, CS_DENIED, "keys.pin_incorrect",
                       "the passphrase does not open the key '%s'", label);
}

static enum cs_rc find_key(void *self, const char *label, const struct cs_key **out,
                           struct cs_err *err)
{
    struct cs_softkeys *s = self;
    char path[MAX_PATH];
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->keys[i].label, label) == 0) {
            *out = &s->keys[i].key;
            return CS_OK;
        }
    }
    if (s->refused)
        return cs_err_code(err, CS_DENIED, "keys.pin_incorrect",
                           "the passphrase was refused before; correct it, then say resume");
    if (s->n == MAX_KEYS)
        return cs_err_set(err, CS_LIMIT, "more than %d keys", MAX_KEYS);
    CS_TRY(path_of(s, label, path, err));
    struct soft_key k = {.label = NULL};
    CS_TRY(read_key(s, path, label, &k.pkey, err));
    k.label = cs_strdup(label);
    const enum cs_rc rc =
        k.label == NULL ? cs_err_set(err, CS_NOMEM, "no memory") : describe(&k, err);
    if (rc != CS_OK) {
        EVP_PKEY_free(k.pkey);
        cs_free(k.label);
        return rc;
    }
    s->keys[s->n] = k;
    *out = &s->keys[s->n++].key;
    return CS_OK;
}

static bool set_up(EVP_PKEY_CTX *c, const struct cs_sign_input *in, const EVP_MD *md)
{
    if (in->scheme == CS_SCHEME_ECDSA)
        return true;
    if (EVP_PKEY_CTX_set_signature_md(c, md) != 1)
        return false;
    if (in->scheme == CS_SCHEME_RSA_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* DER ECDSA-Sig-Value -> r||s of equal lengths. */
static size_t to_raw(const EVP_PKEY *key, uint8_t *sig, size_t n)
{
    const unsigned char *p = sig;
    const int half = (EVP_PKEY_get_bits(key) + 7) / 8;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
    const bool ok = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, half) == half &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + half, half) == half;
    ECDSA_SIG_free(s);
    return ok ? 2 * (size_t)half : 0;
}

static enum cs_rc sign_digest(const struct soft_key *k, const struct cs_sign_input *in,
                              uint8_t sig[MAX_SIGNATURE], size_t *n, struct cs_err *err)
{
    const EVP_MD *md = EVP_get_digestbyname(in->hash);
    if (md == NULL || (size_t)EVP_MD_get_size(md) != in->digest.len)
        return cs_err_code(err, CS_INVALID, "keys.digest", "a digest of %zu bytes for '%.20s'",
                           in->digest.len, in->hash);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->pkey, NULL);
    bool ok = c != NULL && EVP_PKEY_sign_init(c) == 1 && set_up(c, in, md) &&
              EVP_PKEY_sign(c, sig, n, in->digest.ptr, in->digest.len) == 1;
    EVP_PKEY_CTX_free(c);
    c = ok ? EVP_PKEY_CTX_new(k->pkey, NULL) : NULL;
    ok = c != NULL && EVP_PKEY_verify_init(c) == 1 && set_up(c, in, md) &&
         EVP_PKEY_verify(c, sig, *n, in->digest.ptr, in->digest.len) == 1;
    EVP_PKEY_CTX_free(c);
    ERR_clear_error();
    return ok ? CS_OK
              : cs_err_code(err, CS_FATAL, "keys.bad_signature", "OpenSSL could not sign with '%s'",
                            k->label);
}

static enum cs_rc sign_with(void *self, const struct cs_key *key, const struct cs_sign_input *in,
                            struct cs_buf *out, struct cs_err *err)
{
    const struct soft_key *k = (const struct soft_key *)(const void *)key;
    uint8_t sig[MAX_SIGNATURE];
    size_t n = sizeof(sig);
    (void)self;
    if ((in->scheme == CS_SCHEME_ECDSA) != (key->kind == CS_KEY_EC))
        return cs_err_code(err, CS_INVALID, "keys.scheme", "the key is %s, the request is not",
                           key->kind == CS_KEY_RSA ? "RSA" : "EC");
    CS_TRY(sign_digest(k, in, sig, &n, err));
    if (in->scheme == CS_SCHEME_ECDSA)
        n = to_raw(k->pkey, sig, n);
    if (n == 0)
        return cs_err_code(err, CS_FATAL, "keys.bad_signature", "not an ECDSA signature");
    return cs_buf_add(out, sig, n, err);
}

static void resume(void *self)
{
    struct cs_softkeys *s = self;
    s->refused = false;
}

void cs_softkeys_close(struct cs_softkeys *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++) {
        EVP_PKEY_free(s->keys[i].pkey);
        cs_free(s->keys[i].label);
        cs_free(s->keys[i].spki);
    }
    cs_free(s->directory);
    cs_free(s->passphrase_file);
    cs_free(s);
}

void cs_softkeys_freep(struct cs_softkeys **s)
{
    cs_softkeys_close(*s);
    *s = NULL;
}

enum cs_rc cs_softkeys_open(const struct cs_softkeys_options *o, struct cs_softkeys **out,
                            struct cs_err *err)
{
    CS_AUTO(cs_softkeys) s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->directory = cs_strdup(o->directory);
    s->passphrase_file = cs_strdup(o->passphrase_file);
    if (s->directory == NULL || s->passphrase_file == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->port = (struct cs_keys){.self = s, .find = find_key, .sign = sign_with, .resume = resume};
    *out = CS_STEAL(s);
    return CS_OK;
}

const struct cs_keys *cs_softkeys_port(struct cs_softkeys *s)
{
    return &s->port;
}

static EVP_PKEY *make(const char *type)
{
    if (strcmp(type, "rsa-3072") == 0)
        return EVP_RSA_gen(3072);
    if (strcmp(type, "rsa-4096") == 0)
        return EVP_RSA_gen(4096);
    if (strcmp(type, "ec-p256") == 0)
        return EVP_EC_gen("P-256");
    if (strcmp(type, "ec-p384") == 0)
        return EVP_EC_gen("P-384");
    return NULL;
}

static enum cs_rc write_key(const struct cs_softkeys *s, EVP_PKEY *pkey, const char *path,
                            struct cs_err *err)
{
    char secret[MAX_PASSPHRASE];
    char *text = NULL;
    CS_TRY(passphrase(s, secret, err));
    BIO *b = BIO_new(BIO_s_mem());
    const bool ok = b != NULL && secret[0] != '\0' &&
                    PEM_write_bio_PKCS8PrivateKey(b, pkey, EVP_aes_256_cbc(), secret,
                                                  (int)strlen(secret), NULL, NULL) == 1;
    cs_wipe(secret, sizeof(secret));
    const long n = ok ? BIO_get_mem_data(b, &text) : 0;
    const enum cs_rc rc =
        n > 0 ? cs_file_write_atomic(path, text, (size_t)n, 0600, err)
              : cs_err_set(err, CS_INVALID, "%s: the passphrase is empty", s->passphrase_file);
    BIO_free(b);
    return rc;
}

enum cs_rc cs_softkeys_generate(struct cs_softkeys *s, const char *label, const char *type,
                                struct cs_err *err)
{
    char path[MAX_PATH];
    CS_TRY(path_of(s, label, path, err));
    if (access(path, F_OK) == 0)
        return cs_err_set(err, CS_EXISTS, "a key with the label '%s' is there already", label);
    CS_TRY(cs_mkdir_p(s->directory, 0700, err));
    EVP_PKEY *pkey = make(type);
    if (pkey == NULL)
        return cs_err_set(err, CS_INVALID, "type '%s': rsa-3072, rsa-4096, ec-p256 or ec-p384",
                          type);
    const enum cs_rc rc = write_key(s, pkey, path, err);
    EVP_PKEY_free(pkey);
    return rc;
}
