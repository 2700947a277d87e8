/* Sixteen ways to tamper with a log, and the stories that must pass: each by its exit status, and
 * by the place that is named. SPDX-License-Identifier: Apache-2.0 */
#include "audit_verify.h"
#include "story.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "harness/harness.h"

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct story_request plain = {.id = "0a000000-0000-8000-8000-000000000001"};
static const struct story_request approved = {.id = "1a000000-0000-8000-8000-000000000002",
                                              .approvals = 1};
static const struct story_request twice = {.id = "2a000000-0000-8000-8000-000000000003",
                                           .approvals = 2};

/* What verifying one log said. */
struct said {
    int status;
    json_t *document;
    char directory[200];
};

static void verify(struct said *v, const char *log_key, const char *since)
{
    char log[300];
    char root[300];
    char *text = NULL;
    size_t size = 0;
    struct cs_err err = {0};
    FILE *f = open_memstream(&text, &size);
    CS_AUTO(audit_report) report = audit_report_new(f, true);
    assert_ok(cs_strf(log, sizeof(log), &err, "%s/log", v->directory), &err);
    assert_ok(cs_strf(root, sizeof(root), &err, "%s/root.pub", v->directory), &err);
    const struct audit_question q = {
        .log = log, .trust_root = root, .log_key = log_key, .since = since};
    if (audit_verify(&q, report, &err) != CS_OK)
        audit_finding(report, AUDIT_CANNOT, NULL, err.code, "%s", err.msg);
    v->status = audit_report_end(report);
    fclose(f);
    json_decref(v->document);
    v->document = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(v->document);
}

static void assert_said(const struct said *v, int status, const char *code)
{
    char *text = json_dumps(v->document, JSON_INDENT(1));
    const json_t *first = json_array_get(json_object_get(v->document, "findings"), 0);
    const char *got = json_string_value(json_object_get(first, "code"));
    if (v->status != status || (code != NULL && (got == NULL || strcmp(got, code) != 0)))
        fail_msg("expected %d %s, got %s", status, code == NULL ? "" : code, text);
    free(text);
}

static json_int_t said_number(const struct said *v, const char *name)
{
    const json_t *first = json_array_get(json_object_get(v->document, "findings"), 0);
    const json_t *n = json_object_get(first, name);
    return n == NULL ? -1 : json_integer_value(n);
}

static void begin(struct said *v)
{
    *v = (struct said){.status = -1};
    harness_tmpdir(v->directory, sizeof(v->directory));
}

static void end(struct said *v)
{
    json_decref(v->document);
    harness_tmpdir_remove(v->directory);
}

/* Two good requests under a policy of quorum 1; what most tests tamper with. */
static struct story *good_story(void)
{
    static const struct story_request second = {.id = "3a000000-0000-8000-8000-000000000004",
                                                .approvals = 1};
    struct story *s = story_new(1);
    story_sign(s, &approved);
    story_wait(s, 10000);
    story_sign(s, &twice);
    story_wait(s, 120000);
    story_sign(s, &second);
    story_publish_registry(s);
    return s;
}

static void told(const struct story *s, int status, const char *code)
{
    struct said v;
    begin(&v);
    story_write(s, v.directory, 5);
    verify(&v, NULL, NULL);
    assert_said(&v, status, code);
    end(&v);
}

static void stories_that_pass(void **state)
{
    (void)state;
    for (unsigned quorum = 0; quorum <= 1; quorum++) {
        CS_AUTO(story) s = story_new(quorum);
        if (quorum == 0)
            story_sign(s, &plain);
        story_sign(s, &approved);
        story_sign(s, &twice);
        told(s, AUDIT_PASS, NULL);
    }
    CS_AUTO(story) s = good_story();
    story_garbage(s, true);
    story_publish_registry(s);
    told(s, AUDIT_PASS, NULL);
}

static void an_empty_log_passes_and_an_unknown_root_cannot(void **state)
{
    CS_AUTO(story) s = good_story();
    CS_AUTO(story) other = good_story();
    struct said v;
    (void)state;
    begin(&v);
    story_write(s, v.directory, 0);
    memcpy(s->root_text, other->root_text, sizeof(s->root_text));
    story_write(s, v.directory, 0);
    verify(&v, NULL, NULL);
    assert_said(&v, AUDIT_CANNOT, "audit.no_registry");
    end(&v);
}

/* Flips one bit at 'at' (from the end when negative) of a file of the log. */
static void flip(const struct said *v, const char *name, long at)
{
    char path[300];
    struct cs_err err = {0};
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/log/%s", v->directory, name), &err);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    const long where = ftell(f);
    const int c = fgetc(f);
    fseek(f, where, SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void a_flipped_bit_anywhere_is_integrity(void **state)
{
    CS_AUTO(story) s = good_story();
    char entries[64];
    char hashes[64];
    struct cs_err err = {0};
    (void)state;
    assert_ok(cs_strf(entries, sizeof(entries), &err, "tile/entries/000.p/%zu", s->n), &err);
    assert_ok(cs_strf(hashes, sizeof(hashes), &err, "tile/0/000.p/%zu", s->n), &err);
    const struct {
        const char *file;
        long at;
    } rows[] = {{entries, 200},    {entries, -3},      {hashes, 40},       {hashes, -1},
                {"checkpoint", 2}, {"checkpoint", 30}, {"checkpoint", -20}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct said v;
        begin(&v);
        story_write(s, v.directory, 0);
        flip(&v, rows[i].file, rows[i].at);
        verify(&v, NULL, NULL);
        assert_said(&v, AUDIT_INTEGRITY, NULL);
        if (rows[i].at == 40) {
            assert_int_equal(said_number(&v, "leaf"), 1);
            assert_int_equal(said_number(&v, "offset"), (int)s->records[1].offset);
        }
        end(&v);
    }
}

static void flipped_evidence_is_integrity(void **state)
{
    CS_AUTO(story) s = good_story();
    struct said v;
    (void)state;
    begin(&v);
    story_write(s, v.directory, 0);
    flip(&v, s->blobs[1].name, 50);
    verify(&v, NULL, NULL);
    assert_said(&v, AUDIT_INTEGRITY, "audit.blob_differs");
    end(&v);
}

static void missing_files(void **state)
{
    CS_AUTO(story) s = good_story();
    const struct {
        const char *file;
        int status;
        const char *code;
    } rows[] = {{s->blobs[1].name, AUDIT_INCOMPLETE, "audit.evidence_missing"},
                {"checkpoint", AUDIT_CANNOT, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[400];
        struct said v;
        struct cs_err err = {0};
        begin(&v);
        story_write(s, v.directory, 0);
        assert_ok(cs_strf(path, sizeof(path), &err, "%s/log/%s", v.directory, rows[i].file), &err);
        assert_int_equal(unlink(path), 0);
        verify(&v, NULL, NULL);
        assert_said(&v, rows[i].status, rows[i].code);
        end(&v);
    }
}

static void each_dropped_record_is_missed(void **state)
{
    CS_AUTO(story) whole = good_story();
    size_t tails = 0;
    (void)state;
    for (size_t i = 0; i < whole->n; i++) {
        CS_AUTO(story) s = good_story();
        bool last = true;
        const struct cs_record gone = s->records[i];
        for (size_t k = i + 1; k < s->n; k++)
            last = last && (s->records[k].partition != gone.partition ||
                            strcmp(s->records[k].topic, gone.topic) != 0);
        tails += last ? 1 : 0;
        if (last)
            continue; /* a cut tail: only an earlier checkpoint can tell */
        story_drop(s, i);
        told(s, AUDIT_INCOMPLETE, NULL);
    }
    assert_true(whole->n - tails > 25);
}

static void a_record_that_kafka_never_had_is_missed(void **state)
{
    CS_AUTO(story) s = good_story();
    (void)state;
    story_remove(s, story_find(s, "cs.events.RequestStateChanged", 0));
    told(s, AUDIT_INCOMPLETE, "audit.sequence_gap");
}

static void swapped_records_are_noticed(void **state)
{
    CS_AUTO(story) s = good_story();
    const size_t i = story_find(s, "cs.results.SigningStarted", 0);
    const struct cs_record r = s->records[i];
    (void)state;
    s->records[i] = s->records[i + 1];
    s->records[i + 1] = r;
    told(s, AUDIT_INCOMPLETE, "audit.offset_gap");
}

static void an_edited_event_is_not_believed(void **state)
{
    CS_AUTO(story) s = good_story();
    const size_t i = story_find(s, "cs.events.RequestAuthorized", 0);
    uint8_t *value = cs_arena_memdup(s->a, s->records[i].value.ptr, s->records[i].value.len);
    (void)state;
    value[s->records[i].value.len / 2] ^= 1;
    s->records[i].value.ptr = value;
    told(s, AUDIT_UNAUTHORIZED, NULL);
}

static void an_inserted_record_is_not_believed(void **state)
{
    CS_AUTO(story) s = good_story();
    (void)state;
    story_garbage(s, false);
    told(s, AUDIT_UNAUTHORIZED, "envelope.malformed");
}

static void a_false_registry_is_noticed(void **state)
{
    CS_AUTO(story) s = good_story();
    (void)state;
    story_publish_false_registry(s);
    told(s, AUDIT_UNAUTHORIZED, "audit.registry_refused");
}

static void stories_that_fail(void **state)
{
    static const struct {
        const char *what;
        struct story_request r;
        unsigned quorum;
        int status;
        const char *code;
    } rows[] = {
        {"no vote", {.id = "4a000000-0000-8000-8000-000000000005"}, 1, 3, "evidence.quorum"},
        {"vote left out of the evidence",
         {.id = "4a000000-0000-8000-8000-000000000005", .approvals = 1, .leave_out_votes = true},
         1,
         3,
         "evidence.quorum"},
        {"one vote of two",
         {.id = "4a000000-0000-8000-8000-000000000005", .approvals = 1},
         2,
         3,
         "evidence.quorum"},
        {"wrong role",
         {.id = "4a000000-0000-8000-8000-000000000005", .authorizer = STORY_NOTIFIER},
         0,
         3,
         NULL},
        {"no SigningStarted",
         {.id = "4a000000-0000-8000-8000-000000000005", .forget_announcement = true},
         0,
         2,
         "audit.use_not_announced"},
        {"no use of a key at all",
         {.id = "4a000000-0000-8000-8000-000000000005", .forget_use = true},
         0,
         2,
         "audit.job_without_use"},
        {"authorization not logged",
         {.id = "4a000000-0000-8000-8000-000000000005", .forget_authorization = true},
         0,
         2,
         "audit.event_not_logged"},
        {"use numbers skipped",
         {.id = "4a000000-0000-8000-8000-000000000005", .skip_uses = 2},
         0,
         2,
         "audit.use_numbers"},
        {"a use for another item",
         {.id = "4a000000-0000-8000-8000-000000000005", .other_item = true},
         0,
         3,
         "audit.use_differs"},
        {"use number for two jobs",
         {.id = "4a000000-0000-8000-8000-000000000005", .use_twice = true},
         0,
         3,
         "audit.use_reused"},
        {"two final states",
         {.id = "4a000000-0000-8000-8000-000000000005", .second_final = true},
         0,
         3,
         "audit.two_finals"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const struct story_request later = {.id = "5a000000-0000-8000-8000-000000000006",
                                                   .approvals = 3};
        CS_AUTO(story) s = story_new(rows[i].quorum);
        story_sign(s, &rows[i].r);
        story_wait(s, 120000); /* nothing can still be arriving */
        story_sign(s, &later);
        print_message("  %s\n", rows[i].what);
        told(s, rows[i].status, rows[i].code);
    }
}

static void a_superseded_policy_is_noticed(void **state)
{
    CS_AUTO(story) s = story_new(0);
    const struct cs_bytes old_body = s->policy_body;
    const struct cs_bytes old_envelope = s->policy_envelope;
    (void)state;
    story_sign(s, &plain);
    story_wait(s, 1000);
    story_new_policy(s, 2);
    story_wait(s, 3600000);
    /* An insider lets the old revision, which asked nobody, live on. */
    s->policy_body = old_body;
    s->policy_envelope = old_envelope;
    s->policy_revision = 1;
    story_sign(s, &approved);
    told(s, AUDIT_UNAUTHORIZED, "audit.policy_superseded");
}

static void keep_checkpoint(const struct said *v, char path[300])
{
    char from[300];
    struct cs_err err = {0};
    CS_AUTO_BUF bytes = CS_BUF_INIT(4096);
    assert_ok(cs_strf(from, sizeof(from), &err, "%s/log/checkpoint", v->directory), &err);
    assert_ok(cs_strf(path, 300, &err, "%s/kept", v->directory), &err);
    assert_ok(cs_file_read(from, &bytes, &err), &err);
    assert_ok(cs_file_write_atomic(path, bytes.ptr, bytes.len, 0644, &err), &err);
}

static void remove_log(const struct said *v)
{
    char path[300];
    struct cs_err err = {0};
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/log", v->directory), &err);
    const char *const rm[] = {"rm", "-rf", path, NULL};
    assert_int_equal(harness_run(rm, NULL), 0);
}

static void forks_rollbacks_and_cut_tails_against_an_earlier_checkpoint(void **state)
{
    CS_AUTO(story) s = good_story();
    struct said v;
    char kept[300];
    (void)state;
    begin(&v);
    story_write(s, v.directory, 0);
    keep_checkpoint(&v, kept);
    /* The log grows: fine. */
    story_sign(
        s, &(struct story_request){.id = "6a000000-0000-8000-8000-000000000007", .approvals = 1});
    story_write(s, v.directory, 0);
    verify(&v, NULL, kept);
    assert_said(&v, AUDIT_PASS, NULL);
    /* Rewritten with the auditor's own key: the order of two partitions changed, nothing missing.
     */
    remove_log(&v);
    const struct cs_record r = s->records[5];
    s->records[5] = s->records[4];
    s->records[4] = r;
    story_write(s, v.directory, 0);
    verify(&v, NULL, kept);
    assert_said(&v, AUDIT_INTEGRITY, "audit.forked");
    /* Cut. */
    remove_log(&v);
    s->n = 20;
    story_write(s, v.directory, 0);
    verify(&v, NULL, kept);
    assert_said(&v, AUDIT_INTEGRITY, "audit.rolled_back");
    end(&v);
}

static void a_checkpoint_of_another_tree_does_not_fit(void **state)
{
    CS_AUTO(story) s = good_story();
    struct said v;
    char kept[300];
    char back[300];
    struct cs_err err = {0};
    (void)state;
    begin(&v);
    story_write(s, v.directory, 0);
    keep_checkpoint(&v, kept);
    remove_log(&v);
    const struct cs_record r = s->records[5];
    s->records[5] = s->records[4];
    s->records[4] = r;
    story_write(s, v.directory, 0);
    assert_ok(cs_strf(back, sizeof(back), &err, "%s/log/checkpoint", v.directory), &err);
    assert_int_equal(rename(kept, back), 0);
    verify(&v, NULL, NULL);
    assert_said(&v, AUDIT_INTEGRITY, "audit.root_differs");
    end(&v);
}

static void another_key_cannot_sign_the_log(void **state)
{
    CS_AUTO(story) s = good_story();
    CS_AUTO(cs_signing_key) registered = s->keys[STORY_AUDITOR];
    struct said v;
    (void)state;
    assert_non_null(registered);
    begin(&v);
    s->keys[STORY_AUDITOR] = cs_signing_key_generate();
    story_write(s, v.directory, 0);
    verify(&v, NULL, NULL);
    assert_said(&v, AUDIT_INTEGRITY, "note.unsigned");
    end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_that_pass),
        cmocka_unit_test(an_empty_log_passes_and_an_unknown_root_cannot),
        cmocka_unit_test(a_flipped_bit_anywhere_is_integrity),
        cmocka_unit_test(flipped_evidence_is_integrity),
        cmocka_unit_test(missing_files),
        cmocka_unit_test(each_dropped_record_is_missed),
        cmocka_unit_test(a_record_that_kafka_never_had_is_missed),
        cmocka_unit_test(swapped_records_are_noticed),
        cmocka_unit_test(an_edited_event_is_not_believed),
        cmocka_unit_test(an_inserted_record_is_not_believed),
        cmocka_unit_test(a_false_registry_is_noticed),
        cmocka_unit_test(stories_that_fail),
        cmocka_unit_test(a_superseded_policy_is_noticed),
        cmocka_unit_test(forks_rollbacks_and_cut_tails_against_an_earlier_checkpoint),
        cmocka_unit_test(a_checkpoint_of_another_tree_does_not_fit),
        cmocka_unit_test(another_key_cannot_sign_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
