/* What the rest of the tree relies on in lib/base.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void buffer_keeps_its_limit(void **state)
{
    (void)state;
    CS_AUTO_BUF b = CS_BUF_INIT(4);
    struct cs_err err = {0};
    assert_ok(cs_buf_add(&b, "abc", 3, &err), &err);
    assert_rc(CS_LIMIT, cs_buf_add(&b, "de", 2, &err));
    assert_int_equal(b.len, 3);
    assert_ok(cs_buf_add(&b, "d", 1, &err), &err);
    assert_null(cs_buf_cstr(&b));
}

static void arena_keeps_its_limit_and_forgets(void **state)
{
    (void)state;
    struct cs_arena *a = cs_arena_new(100000);
    assert_non_null(cs_arena_alloc(a, 60000));
    assert_null(cs_arena_alloc(a, 60000));
    cs_arena_reset(a);
    const unsigned char *p = cs_arena_alloc(a, 60000);
    assert_non_null(p);
    assert_int_equal(p[59999], 0);
    cs_arena_free(a);
}

static void base64_is_strict(void **state)
{
    (void)state;
    struct cs_err err = {0};
    static const char *const bad[] = {"QQ=", "QR==", "Q===", "QQ==\n", "Q Q=", "QQQQQ", "=QQQ"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CS_AUTO_BUF out = CS_BUF_INIT(100);
        assert_rc(CS_INVALID, cs_base64_decode(bad[i], strlen(bad[i]), &out, &err));
        assert_int_equal(out.len, 0);
    }
    for (size_t n = 0; n < 40; n++) {
        CS_AUTO_BUF out = CS_BUF_INIT(100);
        const char *text = "The quick brown fox jumps over the lazy dog";
        CS_AUTO_STR enc = cs_base64_encode(text, n);
        CS_AUTO_STR url = cs_base64url_encode(text, n);
        assert_ok(cs_base64_decode(enc, strlen(enc), &out, &err), &err);
        assert_true(cs_bytes_eq(cs_buf_view(&out), cs_bytes(text, n)));
        out.len = 0;
        assert_ok(cs_base64url_decode(url, strlen(url), &out, &err), &err);
        assert_true(cs_bytes_eq(cs_buf_view(&out), cs_bytes(text, n)));
    }
}

static void utf8_refuses_what_rfc_3629_refuses(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x92\xa9"};
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc3", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(cs_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(cs_utf8_valid(bad[i], strlen(bad[i])));
    assert_false(cs_utf8_valid("a\0b", 3));
}

static void uuids_have_one_spelling(void **state)
{
    (void)state;
    char out[CS_UUID_TEXT];
    struct cs_err err = {0};
    assert_ok(cs_uuid_parse("ABCDEF01-2345-6789-ABCD-EF0123456789", out, &err), &err);
    assert_string_equal(out, "abcdef01-2345-6789-abcd-ef0123456789");
    assert_rc(CS_INVALID, cs_uuid_parse("abcdef0123456789abcdef0123456789", out, &err));
    const uint8_t bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    cs_uuid_from_bytes(bytes, out);
    assert_string_equal(out, "ffffffff-ffff-8fff-bfff-ffffffffffff");
}

static void times_round_trip(void **state)
{
    (void)state;
    char text[CS_TIME_TEXT];
    int64_t ms = 0;
    struct cs_err err = {0};
    assert_ok(cs_time_parse("2026-02-28T23:59:59.250+01:30", &ms, &err), &err);
    cs_time_format(ms, text);
    assert_string_equal(text, "2026-02-28T22:29:59.250Z");
    assert_rc(CS_INVALID, cs_time_parse("2026-02-28T23:59:59", &ms, &err));
    assert_rc(CS_INVALID, cs_time_parse("2026-02-28T23:59:59Zx", &ms, &err));
}

static void a_log_value_cannot_start_a_line(void **state)
{
    (void)state;
    char dir[256];
    char path[300];
    harness_tmpdir(dir, sizeof(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    cs_log_to_fd(fd);
    cs_log_info("test.line", CS_KS("name", "a\nlevel=error \"x\" \x01"), CS_KI("n", -3));
    cs_log_to_fd(STDERR_FILENO);
    CS_AUTO_BUF b = CS_BUF_INIT(10000);
    struct cs_err err = {0};
    assert_ok(cs_file_read(path, &b, &err), &err);
    const char *text = cs_buf_cstr(&b);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_non_null(strstr(text, "name=\"a\\nlevel=error \\\"x\\\" \\x01\" n=-3\n"));
    close(fd);
    harness_tmpdir_remove(dir);
}

static void a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    char dir[256];
    char path[300];
    struct cs_err err = {0};
    harness_tmpdir(dir, sizeof(dir));
    snprintf(path, sizeof(path), "%s/sub/file", dir);
    assert_rc(CS_RETRY, cs_file_write_atomic(path, "x", 1, 0600, &err));
    snprintf(path, sizeof(path), "%s/file", dir);
    assert_ok(cs_file_write_atomic(path, "old", 3, 0600, &err), &err);
    assert_ok(cs_file_write_atomic(path, "new!", 4, 0600, &err), &err);
    CS_AUTO_BUF b = CS_BUF_INIT(3);
    assert_rc(CS_LIMIT, cs_file_read(path, &b, &err));
    harness_tmpdir_remove(dir);
}

static void allocation_failure_is_an_error_not_a_crash(void **state)
{
    (void)state;
    CS_AUTO_BUF b = CS_BUF_INIT(100);
    struct cs_err err = {0};
    cs_mem_fail_at(1);
    assert_rc(CS_NOMEM, cs_buf_add(&b, "x", 1, &err));
    assert_ok(cs_buf_add(&b, "x", 1, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_its_limit),
        cmocka_unit_test(arena_keeps_its_limit_and_forgets),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
        cmocka_unit_test(uuids_have_one_spelling),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(a_log_value_cannot_start_a_line),
        cmocka_unit_test(a_failed_write_keeps_the_old_file),
        cmocka_unit_test(allocation_failure_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
