/* The log on disk: sizes across tile borders, and a crash between any two steps of a commit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "blobs.h"
#include "store.h"
#include "story.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "harness/harness.h"
#include "tlog/checkpoint.h"
#include "tlog/entry.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t seed[32] = {9};

static void add(struct store *s, size_t i)
{
    char text[64];
    struct cs_err err = {0};
    const int n = snprintf(text, sizeof(text), "entry number %zu", i);
    assert_ok(store_add(s, cs_bytes(text, (size_t)n), &err), &err);
}

static struct store *open_store(const char *directory, const struct cs_signing_key *key)
{
    struct store *s = NULL;
    struct cs_err err = {0};
    assert_ok(store_open(directory, "countersign/test", key, &s, &err), &err);
    return s;
}

static struct cs_hash root_of(size_t n)
{
    CS_CLEANUP(cs_free_voidp) void *mem = cs_calloc(1, sizeof(struct cs_tlog_edge));
    for (size_t i = 0; i < n; i++) {
        char text[64];
        const int len = snprintf(text, sizeof(text), "entry number %zu", i);
        const struct cs_hash leaf = cs_tlog_leaf(cs_bytes(text, (size_t)len));
        assert_ok(cs_tlog_edge_append(mem, &leaf, NULL, NULL), &(struct cs_err){0});
    }
    return cs_tlog_edge_root(mem);
}

static void a_log_grows_across_restarts(void **state)
{
    char dir[200];
    size_t n = 0;
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    (void)state;
    harness_tmpdir(dir, sizeof(dir));
    for (size_t step = 1; n < 1400; step = step * 3 % 331 + 1) {
        CS_AUTO(store) s = open_store(dir, key);
        const struct cs_hash want = root_of(n);
        struct cs_err err = {0};
        assert_int_equal(store_state(s)->size, n);
        assert_memory_equal(store_state(s)->root.b, want.b, 32);
        for (size_t i = 0; i < step; i++)
            add(s, n++);
        assert_ok(store_commit(s, &err), &err);
        assert_int_equal(store_published(s), n);
    }
    harness_tmpdir_remove(dir);
}

static void every_bundle_can_be_read_back(void **state)
{
    char dir[200];
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    CS_AUTO_BUF bytes = CS_BUF_INIT(1 << 20);
    struct cs_bytes entries[CS_TLOG_TILE];
    struct cs_err err = {0};
    (void)state;
    harness_tmpdir(dir, sizeof(dir));
    CS_AUTO(store) s = open_store(dir, key);
    for (size_t i = 0; i < 600; i++)
        add(s, i);
    assert_ok(store_commit(s, &err), &err);
    for (uint64_t b = 0; b < 3; b++) {
        size_t n = 0;
        char want[64];
        assert_ok(store_read_bundle(s, b, &bytes, entries, &n, &err), &err);
        assert_int_equal(n, b < 2 ? 256 : 88);
        const int len = snprintf(want, sizeof(want), "entry number %llu",
                                 (unsigned long long)(b * 256 + n - 1));
        assert_true(cs_bytes_eq(entries[n - 1], cs_bytes(want, (size_t)len)));
    }
    harness_tmpdir_remove(dir);
}

static void copy(const char *from, const char *to)
{
    const char *const cp[] = {"cp", "-a", from, to, NULL};
    assert_int_equal(harness_run(cp, NULL), 0);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    char a[300];
    char b[300];
    struct cs_err err = {0};
    CS_AUTO_BUF bytes = CS_BUF_INIT(1 << 20);
    assert_ok(cs_strf(a, sizeof(a), &err, "%s/%s", from, name), &err);
    assert_ok(cs_strf(b, sizeof(b), &err, "%s/%s", to, name), &err);
    assert_ok(cs_file_read(a, &bytes, &err), &err);
    assert_ok(cs_file_write_atomic(b, bytes.ptr, bytes.len, 0644, &err), &err);
}

/* A death after the tiles were written, or after the state was: the directory is then a mixture of
 * before and after. The next start must go on from its state and reach the same log. */
static void a_crash_between_the_steps_of_a_commit(void **state)
{
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    (void)state;
    for (int new_state = 0; new_state < 2; new_state++) {
        char dir[200];
        char before[300];
        char after[300];
        struct cs_err err = {0};
        harness_tmpdir(dir, sizeof(dir));
        assert_ok(cs_strf(before, sizeof(before), &err, "%s/before", dir), &err);
        assert_ok(cs_strf(after, sizeof(after), &err, "%s/after", dir), &err);
        struct store *s = open_store(before, key);
        for (size_t i = 0; i < 250; i++)
            add(s, i);
        assert_ok(store_commit(s, &err), &err);
        store_close(s);
        copy(before, after);
        s = open_store(after, key);
        for (size_t i = 250; i < 530; i++)
            add(s, i);
        assert_ok(store_commit(s, &err), &err);
        store_close(s);
        /* Partial tiles of the old size go only after the commit: put them back. */
        const char *const mix[] = {"cp", "-an", before, after, NULL};
        CS_AUTO_BUF ignored = CS_BUF_INIT(4096);
        char inside[320];
        assert_ok(cs_strf(inside, sizeof(inside), &err, "%s/tile", before), &err);
        const char *const tiles[] = {"cp", "-an", inside, after, NULL};
        (void)mix;
        assert_int_equal(harness_run(tiles, &ignored), 0);
        if (new_state == 0)
            copy_file(before, after, "state");
        copy_file(before, after, "checkpoint");
        s = open_store(after, key);
        const size_t size = new_state == 0 ? 250 : 530;
        assert_int_equal(store_state(s)->size, size);
        for (size_t i = size; i < 700; i++)
            add(s, i);
        assert_ok(store_commit(s, &err), &err);
        const struct cs_hash want = root_of(700);
        assert_memory_equal(store_state(s)->root.b, want.b, 32);
        store_close(s);
        harness_tmpdir_remove(dir);
    }
}

static void contradictions_are_not_written_over(void **state)
{
    static const char *const victims[] = {"state", "tile/0/001.p/44", "tile/entries/001.p/44",
                                          "tile/1/000.p/1"};
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    (void)state;
    for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
        char dir[200];
        char path[300];
        struct store *s = NULL;
        struct cs_err err = {0};
        harness_tmpdir(dir, sizeof(dir));
        s = open_store(dir, key);
        for (size_t k = 0; k < 300; k++)
            add(s, k);
        assert_ok(store_commit(s, &err), &err);
        store_close(s);
        s = NULL;
        assert_ok(cs_strf(path, sizeof(path), &err, "%s/%s", dir, victims[i]), &err);
        assert_int_equal(truncate(path, 20), 0);
        assert_rc(CS_FATAL, store_open(dir, "countersign/test", key, &s, &err));
        assert_string_equal(err.code, "auditor.damaged");
        assert_int_equal(unlink(path), 0);
        assert_rc(CS_FATAL, store_open(dir, "countersign/test", key, &s, &err));
        harness_tmpdir_remove(dir);
    }
}

static void a_log_has_one_writer_and_one_name(void **state)
{
    char dir[200];
    struct store *second = NULL;
    struct cs_err err = {0};
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    (void)state;
    harness_tmpdir(dir, sizeof(dir));
    struct store *s = open_store(dir, key);
    assert_rc(CS_FATAL, store_open(dir, "countersign/test", key, &second, &err));
    assert_string_equal(err.code, "auditor.locked");
    store_close(s);
    assert_rc(CS_FATAL, store_open(dir, "countersign/other", key, &second, &err));
    harness_tmpdir_remove(dir);
}

static void a_state_set_back_is_noticed(void **state)
{
    char dir[200];
    char kept[300];
    struct store *s = NULL;
    struct cs_err err = {0};
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    (void)state;
    harness_tmpdir(dir, sizeof(dir));
    assert_ok(cs_strf(kept, sizeof(kept), &err, "%s/kept", dir), &err);
    s = open_store(dir, key);
    add(s, 0);
    assert_ok(store_commit(s, &err), &err);
    assert_int_equal(mkdir(kept, 0755), 0);
    copy_file(dir, kept, "state");
    add(s, 1);
    assert_ok(store_commit(s, &err), &err);
    store_close(s);
    s = NULL;
    copy_file(kept, dir, "state");
    assert_rc(CS_FATAL, store_open(dir, "countersign/test", key, &s, &err));
    assert_string_equal(err.code, "auditor.damaged");
    harness_tmpdir_remove(dir);
}

static void states_come_back_and_cut_ones_do_not(void **state)
{
    struct state a = {.origin = "countersign/test", .size = 7, .republished = 5};
    struct state b;
    struct state_offset *o = NULL;
    struct cs_err err = {0};
    CS_AUTO_BUF text = CS_BUF_INIT(STATE_MAX);
    (void)state;
    assert_ok(state_offset(&a, "cs.events", 3, &o, &err), &err);
    o->next = 42;
    assert_ok(state_want(&a, "evidence/ab", 99, &err), &err);
    assert_ok(state_format(&a, &text, &err), &err);
    assert_ok(state_parse(cs_buf_view(&text), &b, &err), &err);
    assert_string_equal(b.origin, a.origin);
    assert_int_equal(b.size, 7);
    assert_int_equal(b.republished, 5);
    assert_int_equal(state_find(&b, "cs.events", 3)->next, 42);
    assert_null(state_find(&b, "cs.events", 2));
    assert_string_equal(b.wanted[0].name, "evidence/ab");
    state_done(&b);
    for (size_t cut = 0; cut < text.len; cut++)
        assert_rc(CS_INVALID, state_parse(cs_bytes(text.ptr, cut), &b, &err));
    for (size_t i = 0; i < text.len; i += 7) {
        text.ptr[i] ^= 1;
        assert_rc(CS_INVALID, state_parse(cs_buf_view(&text), &b, &err));
        text.ptr[i] ^= 1;
    }
    state_done(&a);
}

static void evidence_is_copied_once_it_is_there_and_only_as_named(void **state)
{
    static const char good[] =
        "evidence/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char bad[] =
        "evidence/aa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char late[] = "manifests/"
                               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char dir[200];
    char path[300];
    struct cs_err err = {0};
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    CS_AUTO(cs_blobs) blobs = NULL;
    (void)state;
    harness_tmpdir(dir, sizeof(dir));
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/blobs", dir), &err);
    assert_ok(cs_blobs_open(path, &blobs, &err), &err);
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/log", dir), &err);
    CS_AUTO(store) s = open_store(path, key);
    assert_ok(cs_blob_put(blobs, bad, cs_bytes("abc", 3), NULL, &err), &err);
    assert_rc(CS_INVALID, blobs_copy(blobs, s, bad, &err));
    assert_false(
        store_has(s, "bundles/aa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_rc(CS_NOT_FOUND, blobs_copy(blobs, s, late, &err));
    assert_ok(state_want(store_state(s), late, 1000, &err), &err);
    assert_false(blobs_retry(blobs, s, 2000));
    assert_int_equal(store_state(s)->n_wanted, 1);
    assert_ok(cs_blob_put(blobs, late, cs_bytes("abc", 3), NULL, &err), &err);
    assert_true(blobs_retry(blobs, s, 3000));
    assert_int_equal(store_state(s)->n_wanted, 0);
    assert_true(
        store_has(s, "bundles/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_ok(blobs_copy(blobs, s, good, &err), &err);
    /* What never comes is given up after a day. */
    assert_ok(state_want(store_state(s), bad, 1000, &err), &err);
    assert_false(blobs_retry(blobs, s, 23 * 3600 * 1000));
    assert_true(blobs_retry(blobs, s, 25 * 3600 * 1000));
    assert_int_equal(store_state(s)->n_wanted, 0);
    harness_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_grows_across_restarts),
        cmocka_unit_test(every_bundle_can_be_read_back),
        cmocka_unit_test(a_crash_between_the_steps_of_a_commit),
        cmocka_unit_test(contradictions_are_not_written_over),
        cmocka_unit_test(a_log_has_one_writer_and_one_name),
        cmocka_unit_test(a_state_set_back_is_noticed),
        cmocka_unit_test(evidence_is_copied_once_it_is_there_and_only_as_named),
        cmocka_unit_test(states_come_back_and_cut_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
