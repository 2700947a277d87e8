/* Sealed personal text and described certificates, judged against the openssl tool.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/file.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/sealed.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void only_the_persons_key_opens_a_text(void **state)
{
    (void)state;
    struct cs_err err = {0};
    uint8_t key[CS_PERSON_KEY];
    uint8_t nonce[CS_SEAL_NONCE];
    CS_AUTO_BUF sealed = CS_BUF_INIT(1000);
    CS_AUTO_BUF text = CS_BUF_INIT(1000);
    cs_random(key, sizeof(key));
    assert_ok(cs_text_seal(key, "Größe passt", nonce, &sealed, &err), &err);
    assert_int_equal(sealed.len, strlen("Größe passt") + CS_SEAL_TAG);
    assert_ok(cs_text_open(key, cs_bytes(nonce, sizeof(nonce)), cs_buf_view(&sealed), &text, &err),
              &err);
    assert_string_equal(cs_buf_cstr(&text), "Größe passt");

    key[0] ^= 1;
    assert_rc(CS_DENIED,
              cs_text_open(key, cs_bytes(nonce, sizeof(nonce)), cs_buf_view(&sealed), &text, &err));
    key[0] ^= 1;
    sealed.ptr[3] ^= 1;
    assert_rc(CS_DENIED,
              cs_text_open(key, cs_bytes(nonce, sizeof(nonce)), cs_buf_view(&sealed), &text, &err));
    assert_rc(CS_INVALID,
              cs_text_open(key, cs_bytes(nonce, 12), cs_buf_view(&sealed), &text, &err));
    assert_rc(CS_INVALID,
              cs_text_open(key, cs_bytes(nonce, sizeof(nonce)), cs_bytes("x", 1), &text, &err));
}

static void certificates_say_what_openssl_says(void **state)
{
    (void)state;
    char dir[256];
    char der[300];
    char line[300];
    struct cs_err err = {0};
    struct cs_certificate_facts facts;
    CS_AUTO_BUF bytes = CS_BUF_INIT(65536);
    CS_AUTO_BUF said = CS_BUF_INIT(65536);
    harness_tmpdir(dir, sizeof(dir));
    snprintf(der, sizeof(der), "%s/c.der", dir);
    snprintf(line, sizeof(line), "%s/k.pem", dir);
    const char *const make[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "rsa:3072",
                                "-nodes",
                                "-keyout",
                                line,
                                "-out",
                                der,
                                "-outform",
                                "DER",
                                "-days",
                                "3",
                                "-utf8",
                                "-subj",
                                "/C=AT/O=Bäcker, Söhne/CN=Release",
                                NULL};
    assert_int_equal(harness_run(make, NULL), 0);
    const char *const show[] = {"openssl",
                                "x509",
                                "-inform",
                                "DER",
                                "-in",
                                der,
                                "-noout",
                                "-serial",
                                "-subject",
                                "-nameopt",
                                "RFC2253,utf8,-esc_msb",
                                "-fingerprint",
                                "-sha256",
                                NULL};
    assert_int_equal(harness_run(show, &said), 0);
    const char *text = cs_buf_cstr(&said);
    assert_ok(cs_file_read(der, &bytes, &err), &err);
    assert_ok(cs_certificate_describe(cs_buf_view(&bytes), &facts, &err), &err);
    assert_non_null(strstr(text, facts.subject));
    assert_non_null(strstr(facts.subject, "Bäcker"));
    assert_non_null(strcasestr(text, facts.serial));
    assert_string_equal(facts.subject, facts.issuer);
    assert_string_equal(facts.key_type, "RSA-3072");
    assert_int_equal(facts.not_after_ms - facts.not_before_ms, 3LL * 86400 * 1000);

    assert_rc(CS_INVALID,
              cs_certificate_describe(cs_bytes(bytes.ptr, bytes.len - 1), &facts, &err));
    assert_string_equal(err.code, "certificate.malformed");
    assert_rc(CS_INVALID, cs_certificate_describe(cs_bytes(NULL, 0), &facts, &err));
    harness_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_persons_key_opens_a_text),
        cmocka_unit_test(certificates_say_what_openssl_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
