/* Signs real and made-up PE files and lets osslsigncode judge; breaks them and reads the refusals.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "authenticode/authenticode.h"
#include "base/file.h"
#include "base/mem.h"
#include "digest/digest.h"
#include "format/format.h"

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const real_files[] = {
    "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
    "/usr/lib/systemd/boot/efi/systemd-bootia32.efi",
    "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
};

struct ctx {
    char dir[256];
    EVP_PKEY *key[2];
    uint8_t *cert[2];
    size_t cert_len[2];
};

static void path_in(const struct ctx *c, const char *name, char out[300])
{
    snprintf(out, 300, "%s/%s", c->dir, name);
}

static void make_certificate(struct ctx *c, int i, const char *algorithm, const char *parameter)
{
    char key[300];
    char pem[300];
    path_in(c, i == 0 ? "rsa.key" : "ec.key", key);
    path_in(c, i == 0 ? "rsa.pem" : "ec.pem", pem);
    const char *const argv[] = {"openssl", "req",
                                "-x509",   "-newkey",
                                algorithm, "-pkeyopt",
                                parameter, "-nodes",
                                "-keyout", key,
                                "-out",    pem,
                                "-days",   "30",
                                "-subj",   "/CN=Countersign test",
                                "-addext", "extendedKeyUsage=codeSigning",
                                NULL};
    assert_int_equal(harness_run(argv, NULL), 0);
    FILE *f = fopen(key, "r");
    c->key[i] = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    f = fopen(pem, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    const int n = i2d_X509(x, &c->cert[i]);
    X509_free(x);
    assert_true(n > 0);
    c->cert_len[i] = (size_t)n;
}

static int setup(void **state)
{
    static struct ctx c;
    harness_tmpdir(c.dir, sizeof(c.dir));
    make_certificate(&c, 0, "rsa", "rsa_keygen_bits:3072");
    make_certificate(&c, 1, "ec", "ec_paramgen_curve:P-256");
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    struct ctx *c = *state;
    for (int i = 0; i < 2; i++) {
        EVP_PKEY_free(c->key[i]);
        OPENSSL_free(c->cert[i]);
    }
    harness_tmpdir_remove(c->dir);
    return 0;
}

struct job {
    int key; /* 0: RSA-3072, 1: P-256 */
    const char *hash;
    bool append;
};

/* Signs 'in' to 'out' as the signer does; returns the digest that was signed. */
static void sign_file(const struct ctx *c, const char *in, const char *out, const struct job *j,
                      struct cs_format_digest *digest)
{
    struct cs_err err = {0};
    struct cs_inspected seen;
    const char *const algs[] = {j->hash};
    struct cs_arena *a = cs_arena_new(1 << 20);
    CS_AUTO_FD fd = open(in, O_RDONLY);
    assert_true(fd >= 0);
    assert_ok(cs_format_pe.inspect(fd, algs, 1, a, &seen, &err), &err);
    *digest = seen.digests[0];
    const struct cs_bytes chain[] = {cs_bytes(c->cert[j->key], c->cert_len[j->key])};
    const struct cs_authenticode ac = {.hash = j->hash,
                                       .digest = cs_bytes(digest->bytes, digest->len),
                                       .description = "Test \xc3\xa9",
                                       .description_url = "https://example.org/",
                                       .signing_time_ms = 1790000000000,
                                       .chain = chain,
                                       .n_chain = 1};
    CS_AUTO_BUF tbs = CS_BUF_INIT(100000);
    CS_AUTO_BUF cms = CS_BUF_INIT(1 << 20);
    assert_ok(cs_authenticode_attributes(&ac, &tbs, &err), &err);
    uint8_t sig[512];
    size_t sig_len = sizeof(sig);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestSignInit(md, NULL, EVP_get_digestbyname(j->hash), NULL, c->key[j->key]), 1);
    assert_int_equal(EVP_DigestSign(md, sig, &sig_len, tbs.ptr, tbs.len), 1);
    EVP_MD_CTX_free(md);
    assert_ok(cs_authenticode_build(&ac, cs_bytes(sig, sig_len), cs_bytes(NULL, 0), &cms, &err),
              &err);
    CS_AUTO_FD o = open(out, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_ok(cs_format_pe.assemble(fd, o, cs_buf_view(&cms), j->append, &err), &err);
    const struct cs_second_expect want = {.algorithm = j->hash,
                                          .digest = cs_bytes(digest->bytes, digest->len),
                                          .leaf = chain[0],
                                          .nested = j->append};
    assert_ok(cs_second_pe_verify(o, &want, NULL, &err), &err);
    cs_arena_free(a);
}

static void assert_osslsigncode(const struct ctx *c, const char *file, int key, int signatures)
{
    char ca[300];
    CS_AUTO_BUF text = CS_BUF_INIT(1 << 20);
    path_in(c, key == 0 ? "rsa.pem" : "ec.pem", ca);
    const char *const argv[] = {"osslsigncode", "verify", "-CAfile", ca, "-in", file, NULL};
    const int status = harness_run(argv, &text);
    const char *s = cs_buf_cstr(&text);
    char want[64];
    snprintf(want, sizeof(want), "Number of verified signatures: %d", signatures);
    if (status != 0 || strstr(s, want) == NULL || strstr(s, "mismatch") != NULL)
        fail_msg("osslsigncode (%d) on %s:\n%s", status, file, s);
}

/* Everything but checksum, directory entry and the table is byte for byte the input. */
static void assert_only_signature_changed(const char *in, const char *out)
{
    struct cs_err err = {0};
    CS_AUTO_BUF a = CS_BUF_INIT(64 << 20);
    CS_AUTO_BUF b = CS_BUF_INIT(64 << 20);
    assert_ok(cs_file_read(in, &a, &err), &err);
    assert_ok(cs_file_read(out, &b, &err), &err);
    const uint32_t nt = (uint32_t)a.ptr[60] | (uint32_t)a.ptr[61] << 8;
    const bool wide = a.ptr[nt + 24] == 0x0b && a.ptr[nt + 25] == 0x02;
    const size_t dir = nt + 24 + (wide ? 112U : 96U) + 32;
    size_t changed = 0;
    for (size_t i = 0; i < a.len; i++) {
        const bool may = (i >= nt + 88 && i < nt + 92) || (i >= dir && i < dir + 8);
        changed += !may && a.ptr[i] != b.ptr[i];
    }
    assert_int_equal(changed, 0);
}

static void real_files_verify_with_every_key_and_hash(void **state)
{
    const struct ctx *c = *state;
    static const struct job jobs[] = {{0, "sha256", false},
                                      {0, "sha384", false},
                                      {0, "sha512", false},
                                      {1, "sha256", false},
                                      {1, "sha384", false}};
    char out[300];
    struct cs_format_digest d;
    path_in(c, "signed.efi", out);
    for (size_t f = 0; f < sizeof(real_files) / sizeof(real_files[0]); f++) {
        if (access(real_files[f], R_OK) != 0)
            continue;
        for (size_t j = 0; j < sizeof(jobs) / sizeof(jobs[0]); j++) {
            sign_file(c, real_files[f], out, &jobs[j], &d);
            assert_osslsigncode(c, out, jobs[j].key, 1);
            assert_only_signature_changed(real_files[f], out);
        }
    }
}

static void signing_again_replaces_or_appends(void **state)
{
    const struct ctx *c = *state;
    char one[300];
    char two[300];
    char three[300];
    struct cs_format_digest first;
    struct cs_format_digest again;
    path_in(c, "one.efi", one);
    path_in(c, "two.efi", two);
    path_in(c, "three.efi", three);
    sign_file(c, real_files[0], one, &(struct job){0, "sha256", false}, &first);
    sign_file(c, one, two, &(struct job){0, "sha256", false}, &again);
    assert_memory_equal(first.bytes, again.bytes, first.len); /* the digest ignores the signature */
    assert_osslsigncode(c, two, 0, 1);
    sign_file(c, one, three, &(struct job){0, "sha256", true}, &again);
    assert_osslsigncode(c, three, 0, 2);

    struct cs_err err = {0};
    struct cs_inspected seen;
    const char *const algs[] = {"sha256"};
    struct cs_arena *a = cs_arena_new(1 << 20);
    CS_AUTO_FD fd = open(three, O_RDONLY);
    assert_ok(cs_format_pe.inspect(fd, algs, 1, a, &seen, &err), &err);
    assert_int_equal(seen.n_signers, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(seen.signers[i].valid);
        assert_string_equal(seen.signers[i].subject, "CN=Countersign test");
    }
    cs_arena_free(a);
}

static void a_changed_byte_is_noticed(void **state)
{
    const struct ctx *c = *state;
    char out[300];
    struct cs_format_digest d;
    struct cs_err err = {0};
    path_in(c, "changed.efi", out);
    sign_file(c, real_files[0], out, &(struct job){0, "sha256", false}, &d);
    CS_AUTO_FD fd = open(out, O_RDWR);
    uint8_t b = 0;
    assert_int_equal(pread(fd, &b, 1, 4096), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, 4096), 1);
    const struct cs_second_expect want = {.algorithm = "sha256",
                                          .digest = cs_bytes(d.bytes, d.len),
                                          .leaf = cs_bytes(c->cert[0], c->cert_len[0])};
    assert_rc(CS_DENIED, cs_second_pe_verify(fd, &want, NULL, &err));
    assert_string_equal(err.code, "digest.changed");
    struct cs_inspected seen;
    const char *const algs[] = {"sha256"};
    struct cs_arena *a = cs_arena_new(1 << 20);
    assert_ok(cs_format_pe.inspect(fd, algs, 1, a, &seen, &err), &err);
    assert_int_equal(seen.n_signers, 1);
    assert_false(seen.signers[0].valid);
    cs_arena_free(a);
}

/* A file of any bytes in the test's directory. */
static int file_of(const struct ctx *c, const void *p, size_t n)
{
    char path[300];
    path_in(c, "made", path);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    return fd;
}

static void assert_refused(const struct ctx *c, const void *p, size_t n, const char *code)
{
    struct cs_err err = {0};
    struct cs_inspected seen;
    const char *const algs[] = {"sha256"};
    struct cs_arena *a = cs_arena_new(1 << 20);
    CS_AUTO_FD fd = file_of(c, p, n);
    assert_rc(CS_INVALID, cs_format_pe.inspect(fd, algs, 1, a, &seen, &err));
    assert_string_equal(err.code, code);
    cs_arena_free(a);
}

static void what_is_not_pe_is_named(void **state)
{
    const struct ctx *c = *state;
    uint8_t mz[512] = {'M', 'Z'};
    assert_refused(c, "", 0, "pe.not_pe");
    assert_refused(c, "Hello, world", 12, "pe.not_pe");
    assert_refused(c, "PK\3\4", 4, "pe.not_pe");
    assert_refused(c, "MZ", 2, "pe.truncated");
    mz[0x3c] = 0x80;
    assert_refused(c, mz, sizeof(mz), "pe.not_pe");
    memcpy(mz + 0x80, "NE", 2);
    assert_refused(c, mz, sizeof(mz), "pe.not_pe");
    mz[0x3d] = 0xff;
    assert_refused(c, mz, sizeof(mz), "pe.truncated");
}

static void headers_cut_anywhere_are_refused(void **state)
{
    const struct ctx *c = *state;
    struct cs_err err = {0};
    CS_AUTO_BUF a = CS_BUF_INIT(64 << 20);
    assert_ok(cs_file_read(real_files[0], &a, &err), &err);
    for (size_t n = 0; n < 700; n++) {
        struct cs_inspected seen;
        const char *const algs[] = {"sha256"};
        struct cs_arena *arena = cs_arena_new(1 << 20);
        CS_AUTO_FD fd = file_of(c, a.ptr, n);
        assert_rc(CS_INVALID, cs_format_pe.inspect(fd, algs, 1, arena, &seen, &err));
        assert_true(err.code[0] != '\0');
        cs_arena_free(arena);
    }
}

static void bytes_after_the_table_are_refused(void **state)
{
    const struct ctx *c = *state;
    char out[300];
    struct cs_format_digest d;
    struct cs_err err = {0};
    CS_AUTO_BUF a = CS_BUF_INIT(64 << 20);
    path_in(c, "trail.efi", out);
    sign_file(c, real_files[0], out, &(struct job){0, "sha256", false}, &d);
    assert_ok(cs_file_read(out, &a, &err), &err);
    assert_ok(cs_buf_add(&a, "hidden", 6, &err), &err);
    assert_refused(c, a.ptr, a.len, "pe.trailing_data");
}

/* Overlay, odd length, and a wrong old checksum: all are signed, and the digest covers the overlay.
 */
static void odd_files_are_signed(void **state)
{
    const struct ctx *c = *state;
    char in[300];
    char out[300];
    struct cs_format_digest d;
    struct cs_err err = {0};
    path_in(c, "odd.efi", in);
    path_in(c, "odd-signed.efi", out);
    for (size_t extra = 1; extra <= 9; extra += 4) {
        CS_AUTO_BUF a = CS_BUF_INIT(64 << 20);
        assert_ok(cs_file_read(real_files[0], &a, &err), &err);
        assert_ok(cs_buf_add(&a, "overlay!!", extra, &err), &err);
        const uint32_t nt = (uint32_t)a.ptr[60] | (uint32_t)a.ptr[61] << 8;
        memset(a.ptr + nt + 88, 0x5a, 4);
        assert_ok(cs_file_write_atomic(in, a.ptr, a.len, 0600, &err), &err);
        sign_file(c, in, out, &(struct job){0, "sha256", false}, &d);
        assert_osslsigncode(c, out, 0, 1);
    }
}

static void the_second_implementation_agrees(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof(real_files) / sizeof(real_files[0]); f++) {
        struct cs_err err = {0};
        struct cs_inspected seen;
        struct cs_second_digest second;
        const char *const algs[] = {"sha256", "sha384", "sha512"};
        struct cs_arena *a = cs_arena_new(1 << 20);
        CS_AUTO_FD fd = open(real_files[f], O_RDONLY);
        if (fd >= 0) {
            assert_ok(cs_format_pe.inspect(fd, algs, 3, a, &seen, &err), &err);
            for (size_t i = 0; i < 3; i++) {
                assert_ok(cs_second_pe_digest(fd, algs[i], &second, &err), &err);
                assert_memory_equal(second.image, seen.digests[i].bytes, seen.digests[i].len);
                assert_memory_equal(second.sha256, seen.sha256, 32);
                assert_int_equal(second.size, seen.size);
            }
        }
        cs_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_files_verify_with_every_key_and_hash),
        cmocka_unit_test(signing_again_replaces_or_appends),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(what_is_not_pe_is_named),
        cmocka_unit_test(headers_cut_anywhere_are_refused),
        cmocka_unit_test(bytes_after_the_table_are_refused),
        cmocka_unit_test(odd_files_are_signed),
        cmocka_unit_test(the_second_implementation_agrees),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
