/* Signed notes, verifier keys and checkpoints: the specification's example, and what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "tlog/checkpoint.h"

#include <cmocka.h>
#include <string.h>

static const char example_key[] =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char example_note[] = "This is an example message.\n\n\xe2\x80\x94 example.com/foo "
                                   "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsY"
                                   "jOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static enum cs_rc open_note(const char *text, const struct cs_note_key *k, struct cs_err *err)
{
    struct cs_bytes out;
    return cs_note_open(cs_bytes_str(text), k, &out, err);
}

static void the_specifications_example_verifies(void **state)
{
    struct cs_note_key k;
    struct cs_bytes text;
    struct cs_err err = {0};
    CS_AUTO_BUF again = CS_BUF_INIT(512);
    (void)state;
    assert_ok(cs_note_key_parse(example_key, &k, &err), &err);
    assert_ok(cs_note_open(cs_bytes_str(example_note), &k, &text, &err), &err);
    assert_true(cs_bytes_eq(text, cs_bytes_str("This is an example message.\n")));
    assert_ok(cs_note_key_format(&k, &again, &err), &err);
    assert_string_equal(example_key, cs_buf_cstr(&again));
}

static void a_changed_text_or_key_is_refused(void **state)
{
    struct cs_note_key k;
    struct cs_err err = {0};
    char note[sizeof(example_note)];
    (void)state;
    memcpy(note, example_note, sizeof(note));
    assert_ok(cs_note_key_parse(example_key, &k, &err), &err);
    note[0] = 't';
    assert_rc(CS_DENIED, open_note(note, &k, &err));
    assert_string_equal("note.bad_signature", err.code);
    k.id[0] ^= 1;
    assert_rc(CS_DENIED, open_note(example_note, &k, &err));
    assert_string_equal("note.unsigned", err.code);
}

static void forms_that_are_no_notes(void **state)
{
    static const char *const notes[] = {"",
                                        "\n\n",
                                        "text\n",
                                        "text\n\n",
                                        "text\n\nnot a signature\n",
                                        "text\n\n\xe2\x80\x94 name\n",
                                        "text\n\n\xe2\x80\x94 name ====\n",
                                        "text\n\n\xe2\x80\x94 name AAAAAAA=",
                                        "text\n\n\xe2\x80\x94 na+me AAAAAAA=\n",
                                        "te\rxt\n\n\xe2\x80\x94 name AAAAAAA=\n",
                                        "te\xff\n\n\xe2\x80\x94 name AAAAAAA=\n"};
    struct cs_err err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        if (open_note(notes[i], NULL, &err) != CS_INVALID)
            fail_msg("note %zu was taken", i);
    }
    assert_ok(open_note("text\n\n\xe2\x80\x94 name AAAAAAA=\n", NULL, &err), &err);
}

static void verifier_keys_that_do_not_fit_themselves(void **state)
{
    static const char *const keys[] = {
        "",
        "name",
        "name+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "exam ple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\nx"};
    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct cs_note_key k;
        struct cs_err err = {0};
        if (cs_note_key_parse(keys[i], &k, &err) == CS_OK)
            fail_msg("key %zu was taken", i);
    }
}

static void checkpoints_come_back(void **state)
{
    static const uint8_t seed[32] = {7};
    CS_AUTO(cs_signing_key) key = cs_signing_key_from_seed(seed);
    CS_AUTO_BUF note = CS_BUF_INIT(4096);
    struct cs_checkpoint c = {.origin = "countersign/test", .head = {.size = 20852163}};
    struct cs_checkpoint got;
    struct cs_note_key k;
    struct cs_err err = {0};
    (void)state;
    memset(c.head.root.b, 0x5a, sizeof(c.head.root.b));
    assert_ok(cs_checkpoint_sign(&c, key, &note, &err), &err);
    assert_ok(cs_note_key_make(c.origin, cs_signing_key_public(key), &k, &err), &err);
    assert_ok(cs_checkpoint_open(cs_buf_view(&note), &k, &got, &err), &err);
    assert_string_equal(c.origin, got.origin);
    assert_int_equal(c.head.size, got.head.size);
    assert_memory_equal(c.head.root.b, got.head.root.b, 32);
    assert_ok(cs_note_key_make("countersign/other", cs_signing_key_public(key), &k, &err), &err);
    assert_rc(CS_DENIED, cs_checkpoint_open(cs_buf_view(&note), &k, &got, &err));
}

static void the_specifications_checkpoint_is_read(void **state)
{
    static const char note[] =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\xe2\x80\x94 example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    struct cs_checkpoint c;
    struct cs_err err = {0};
    (void)state;
    assert_ok(cs_checkpoint_open(cs_bytes_str(note), NULL, &c, &err), &err);
    assert_string_equal("example.com/behind-the-sofa", c.origin);
    assert_int_equal(20852163, c.head.size);
}

static void texts_that_are_no_checkpoints(void **state)
{
#define SIG "\n\xe2\x80\x94 a AAAAAAA=\n"
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    static const char *const notes[] = {
        "a\n" SIG,          "a\n1\n" SIG,       "a\n01\n" ROOT SIG,
        "a\n-1\n" ROOT SIG, "a\n1 \n" ROOT SIG, "a\n18446744073709551616\n" ROOT SIG,
        "\n1\n" ROOT SIG,   "a\n1\nAAAA\n" SIG, "a\n1\n" ROOT "\nx\n" SIG,
        "a\n\n" ROOT SIG};
    (void)state;
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        struct cs_checkpoint c;
        struct cs_err err = {0};
        if (cs_checkpoint_open(cs_bytes_str(notes[i]), NULL, &c, &err) == CS_OK)
            fail_msg("checkpoint %zu was taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_specifications_example_verifies),
        cmocka_unit_test(a_changed_text_or_key_is_refused),
        cmocka_unit_test(forms_that_are_no_notes),
        cmocka_unit_test(verifier_keys_that_do_not_fit_themselves),
        cmocka_unit_test(checkpoints_come_back),
        cmocka_unit_test(the_specifications_checkpoint_is_read),
        cmocka_unit_test(texts_that_are_no_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
