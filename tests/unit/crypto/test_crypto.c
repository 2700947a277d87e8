/* Digests, keys and codes: published vectors, and the mistakes people make.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void sha256_matches_fips_180(void **state)
{
    (void)state;
    char hex[65];
    static const char want[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    cs_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, want);
    struct cs_sha256_stream *s = cs_sha256_stream_new();
    uint8_t out[32];
    cs_sha256_stream_add(s, "a", 1);
    cs_sha256_stream_add(s, "bc", 2);
    cs_sha256_stream_final(s, out);
    cs_sha256_stream_free(s);
    cs_hex_encode(out, 32, hex);
    assert_string_equal(hex, want);
    const struct cs_bytes parts[] = {cs_bytes("ab", 2), cs_bytes("c", 1)};
    cs_sha256_parts(parts, 2, out);
    cs_hex_encode(out, 32, hex);
    assert_string_equal(hex, want);
}

/* RFC 8032, 7.1, test 2. */
static void ed25519_matches_rfc_8032(void **state)
{
    (void)state;
    struct cs_err err = {0};
    uint8_t seed[32];
    uint8_t sig[64];
    char hex[129];
    assert_ok(cs_hex_decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                            seed, 32, &err),
              &err);
    CS_AUTO(cs_signing_key) k = cs_signing_key_from_seed(seed);
    cs_sign(k, "\x72", 1, sig);
    cs_hex_encode(sig, 64, hex);
    assert_string_equal(hex, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_true(cs_sign_verify(cs_signing_key_public(k), "\x72", 1, sig));
    assert_false(cs_sign_verify(cs_signing_key_public(k), "\x73", 1, sig));
}

static void parts_of_a_hmac_cannot_slide(void **state)
{
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    const struct cs_bytes one[] = {cs_bytes_str("ab"), cs_bytes_str("c")};
    const struct cs_bytes two[] = {cs_bytes_str("a"), cs_bytes_str("bc")};
    cs_hmac(cs_bytes_str("k"), "l", one, 2, a);
    cs_hmac(cs_bytes_str("k"), "l", two, 2, b);
    assert_memory_not_equal(a, b, 32);
}

static void key_files_are_private_and_sealed(void **state)
{
    (void)state;
    char dir[256];
    char path[300];
    struct cs_err err = {0};
    harness_tmpdir(dir, sizeof(dir));
    snprintf(path, sizeof(path), "%s/key", dir);
    CS_AUTO(cs_signing_key) k = cs_signing_key_generate();
    CS_AUTO(cs_signing_key) same = NULL;
    CS_AUTO(cs_signing_key) none = NULL;
    assert_ok(cs_signing_key_save(k, path, NULL, &err), &err);
    assert_ok(cs_signing_key_load(path, NULL, &same, &err), &err);
    assert_string_equal(cs_signing_key_id(k), cs_signing_key_id(same));
    chmod(path, 0644);
    assert_rc(CS_DENIED, cs_signing_key_load(path, NULL, &none, &err));
    assert_non_null(strstr(err.msg, "chmod 600"));
    assert_ok(cs_signing_key_save(k, path, "correct horse", &err), &err);
    assert_rc(CS_DENIED, cs_signing_key_load(path, "wrong", &none, &err));
    assert_rc(CS_DENIED, cs_signing_key_load(path, NULL, &none, &err));
    cs_signing_key_freep(&same);
    assert_ok(cs_signing_key_load(path, "correct horse", &same, &err), &err);
    assert_string_equal(cs_signing_key_id(k), cs_signing_key_id(same));
    harness_tmpdir_remove(dir);
}

static void codes_are_forgiving_but_exact(void **state)
{
    (void)state;
    char out[9];
    struct cs_err err = {0};
    assert_ok(cs_code_canonical(" o1il-9qxd\n", out, &err), &err);
    assert_string_equal(out, "01119QXD");
    assert_rc(CS_INVALID, cs_code_canonical("7K4M9QX", out, &err));
    assert_rc(CS_INVALID, cs_code_canonical("7K4M9QXDD", out, &err));
    assert_rc(CS_INVALID, cs_code_canonical("7K4M9QXU", out, &err));
    cs_code_from_bytes((const uint8_t[5]){0xff, 0xff, 0xff, 0xff, 0xff}, out);
    assert_string_equal(out, "ZZZZZZZZ");
}

static void a_proof_binds_invitation_token_and_code(void **state)
{
    (void)state;
    struct cs_err err = {0};
    uint8_t base[32];
    uint8_t again[32];
    uint8_t other[3][32];
    assert_ok(cs_decision_proof("inv", "token", "7K4M9QXD", base, &err), &err);
    assert_ok(cs_decision_proof("inv", "token", "7K4M9QXD", again, &err), &err);
    assert_memory_equal(base, again, 32);
    assert_ok(cs_decision_proof("inw", "token", "7K4M9QXD", other[0], &err), &err);
    assert_ok(cs_decision_proof("inv", "tokeo", "7K4M9QXD", other[1], &err), &err);
    assert_ok(cs_decision_proof("inv", "token", "7K4M9QXE", other[2], &err), &err);
    for (size_t i = 0; i < 3; i++)
        assert_memory_not_equal(base, other[i], 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_matches_fips_180),
        cmocka_unit_test(ed25519_matches_rfc_8032),
        cmocka_unit_test(parts_of_a_hmac_cannot_slide),
        cmocka_unit_test(key_files_are_private_and_sealed),
        cmocka_unit_test(codes_are_forgiving_but_exact),
        cmocka_unit_test(a_proof_binds_invitation_token_and_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
