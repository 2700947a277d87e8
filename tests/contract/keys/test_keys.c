/* What every backend of port/keys.h promises, asked of software keys and of SoftHSM2; openssl
 * judges the signatures. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "adapter/pkcs11/pkcs11.h"
#include "adapter/softkeys/softkeys.h"
#include "base/file.h"
#include "crypto/request.h"

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One backend in a directory of its own. */
struct backend {
    char dir[256];
    char secret[320];
    const struct cs_keys *keys;
    struct cs_softkeys *soft;
    struct cs_pkcs11 *token;
};

static void write_secret(const struct backend *b, const char *text)
{
    struct cs_err err = {0};
    assert_ok(cs_file_write_atomic(b->secret, text, strlen(text), 0600, &err), &err);
}

static void open_soft(struct backend *b)
{
    struct cs_err err = {0};
    const struct cs_softkeys_options o = {.directory = b->dir, .passphrase_file = b->secret};
    cs_softkeys_close(b->soft);
    b->soft = NULL;
    assert_ok(cs_softkeys_open(&o, &b->soft, &err), &err);
    b->keys = cs_softkeys_port(b->soft);
}

static void open_token(struct backend *b)
{
    struct cs_err err = {0};
    const struct cs_pkcs11_options o = {.module = "/usr/lib/softhsm/libsofthsm2.so",
                                        .token_label = "contract",
                                        .pin_file = b->secret};
    cs_pkcs11_close(b->token);
    b->token = NULL;
    assert_ok(cs_pkcs11_open(&o, &b->token, &err), &err);
    b->keys = cs_pkcs11_port(b->token);
}

static void make_token(struct backend *b)
{
    char conf[320];
    char text[640];
    static const char *const init[] = {
        "softhsm2-util", "--init-token", "--free", "--label", "contract",
        "--so-pin",      "123456",       "--pin",  "123456",  NULL};
    CS_AUTO_BUF out = CS_BUF_INIT(65536);
    struct cs_err err = {0};
    snprintf(conf, sizeof(conf), "%s/softhsm2.conf", b->dir);
    snprintf(text, sizeof(text), "directories.tokendir = %s\nobjectstore.backend = file\n", b->dir);
    assert_ok(cs_file_write_atomic(conf, text, strlen(text), 0600, &err), &err);
    assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
    assert_int_equal(harness_run(init, &out), 0);
}

static void begin(struct backend *b, bool token)
{
    *b = (struct backend){.keys = NULL};
    harness_tmpdir(b->dir, sizeof(b->dir));
    snprintf(b->secret, sizeof(b->secret), "%s/secret", b->dir);
    write_secret(b, "123456");
    if (token) {
        make_token(b);
        open_token(b);
    } else {
        open_soft(b);
    }
}

static void end(struct backend *b)
{
    cs_softkeys_close(b->soft);
    cs_pkcs11_close(b->token);
    harness_tmpdir_remove(b->dir);
}

static enum cs_rc generate(struct backend *b, const char *label, const char *type,
                           struct cs_err *err)
{
    return b->token != NULL ? cs_pkcs11_generate(b->token, label, type, err)
                            : cs_softkeys_generate(b->soft, label, type, err);
}

static void reopen(struct backend *b)
{
    if (b->token != NULL)
        open_token(b);
    else
        open_soft(b);
}

/* OpenSSL's own verdict, over the SubjectPublicKeyInfo that the port gave. */
static bool verifies(const struct cs_key *key, const struct cs_sign_input *in, struct cs_bytes sig)
{
    const unsigned char *p = key->spki.ptr;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)key->spki.len);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(pkey, NULL);
    CS_AUTO_BUF der = CS_BUF_INIT(1024);
    assert_non_null(c);
    assert_int_equal(EVP_PKEY_verify_init(c), 1);
    if (in->scheme == CS_SCHEME_ECDSA) {
        assert_rc(CS_OK, cs_ecdsa_to_der(sig, &der, NULL));
        sig = cs_buf_view(&der);
    } else {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, in->scheme == CS_SCHEME_RSA_PSS
                                                             ? RSA_PKCS1_PSS_PADDING
                                                             : RSA_PKCS1_PADDING),
                         1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(c, EVP_get_digestbyname(in->hash)), 1);
    }
    const bool ok = EVP_PKEY_verify(c, sig.ptr, sig.len, in->digest.ptr, in->digest.len) == 1;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(pkey);
    return ok;
}

static void signs_what_openssl_accepts(struct backend *b)
{
    static const struct {
        const char *label;
        const char *type;
        enum cs_scheme scheme;
        const char *hash;
        size_t len;
    } rows[] = {{"rsa", "rsa-3072", CS_SCHEME_RSA_PKCS1, "sha256", 32},
                {"rsa", NULL, CS_SCHEME_RSA_PKCS1, "sha512", 64},
                {"rsa", NULL, CS_SCHEME_RSA_PSS, "sha384", 48},
                {"p256", "ec-p256", CS_SCHEME_ECDSA, "sha256", 32},
                {"p384", "ec-p384", CS_SCHEME_ECDSA, "sha384", 48}};
    static const uint8_t digest[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_err err = {0};
        const struct cs_key *key = NULL;
        CS_AUTO_BUF sig = CS_BUF_INIT(1024);
        if (rows[i].type != NULL)
            assert_ok(generate(b, rows[i].label, rows[i].type, &err), &err);
        assert_ok(b->keys->find(b->keys->self, rows[i].label, &key, &err), &err);
        const struct cs_sign_input in = {rows[i].scheme, rows[i].hash,
                                         cs_bytes(digest, rows[i].len)};
        assert_ok(b->keys->sign(b->keys->self, key, &in, &sig, &err), &err);
        assert_true(verifies(key, &in, cs_buf_view(&sig)));
        sig.ptr[sig.len / 2] ^= 1;
        assert_false(verifies(key, &in, cs_buf_view(&sig)));
    }
}

static void refuses_what_cannot_be(struct backend *b)
{
    static const uint8_t digest[32] = {1};
    struct cs_err err = {0};
    const struct cs_key *key = NULL;
    CS_AUTO_BUF sig = CS_BUF_INIT(1024);
    const struct cs_sign_input ecdsa = {CS_SCHEME_ECDSA, "sha256", cs_bytes(digest, 32)};
    const struct cs_sign_input too_short = {CS_SCHEME_RSA_PKCS1, "sha256", cs_bytes(digest, 20)};
    assert_rc(CS_NOT_FOUND, b->keys->find(b->keys->self, "nobody", &key, &err));
    assert_string_equal(err.code, "keys.not_found");
    assert_ok(b->keys->find(b->keys->self, "rsa", &key, &err), &err);
    assert_rc(CS_INVALID, b->keys->sign(b->keys->self, key, &ecdsa, &sig, &err));
    assert_rc(CS_INVALID, b->keys->sign(b->keys->self, key, &too_short, &sig, &err));
    assert_int_equal(sig.len, 0);
    assert_rc(CS_EXISTS, generate(b, "rsa", "rsa-3072", &err));
    assert_rc(CS_INVALID, generate(b, "odd", "dsa-1024", &err));
}

static void one_wrong_secret_is_enough(struct backend *b)
{
    struct cs_err err = {0};
    const struct cs_key *key = NULL;
    write_secret(b, "654321");
    reopen(b);
    assert_rc(CS_DENIED, b->keys->find(b->keys->self, "rsa", &key, &err));
    assert_string_equal(err.code, "keys.pin_incorrect");
    write_secret(b, "123456"); /* corrected, but nobody said so: it is not tried */
    assert_rc(CS_DENIED, b->keys->find(b->keys->self, "rsa", &key, &err));
    b->keys->resume(b->keys->self);
    assert_ok(b->keys->find(b->keys->self, "rsa", &key, &err), &err);
}

static void suite(bool token)
{
    struct backend b;
    begin(&b, token);
    signs_what_openssl_accepts(&b);
    refuses_what_cannot_be(&b);
    one_wrong_secret_is_enough(&b);
    end(&b);
}

static void software_keys_keep_the_contract(void **state)
{
    (void)state;
    suite(false);
}

static void a_token_keeps_the_contract(void **state)
{
    (void)state;
    suite(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(software_keys_keep_the_contract),
                                       cmocka_unit_test(a_token_keeps_the_contract)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
