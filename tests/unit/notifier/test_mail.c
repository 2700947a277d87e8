/* What the mails say, byte for byte (golden files), and what hostile values cannot make them say.
 * UPDATE_GOLDEN=1 rewrites the golden files; look at the difference before committing it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/file.h"
#include "mail.h"
#include "proto/common.pb-c.h"
#include "proto/evidence.pb-c.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK "https://sign.example/decide#aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_aBcDe"

static uint8_t digest[32] = {0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65};

/* One item with everything in it; the caller may change it. */
struct example {
    Cs__Common__KeyValue version[2];
    Cs__Common__KeyValue *version_list[2];
    Cs__Common__KeyValue origin[2];
    Cs__Common__KeyValue *origin_list[2];
    Cs__Evidence__ExistingSigner signer;
    Cs__Evidence__ExistingSigner *signer_list[1];
    Cs__Evidence__SigningOptions signing;
    Cs__Evidence__ManifestItem item;
    Cs__Evidence__ManifestItem *items[60];
    Cs__Evidence__Manifest manifest;
    Cs__Common__Failure failure;
    struct mail_vote vote;
    struct mail_story story;
    struct mail_order order;
};

static void pair(Cs__Common__KeyValue *kv, char *key, char *value)
{
    cs__common__key_value__init(kv);
    kv->key = key;
    kv->value = value;
}

static void fill_item(struct example *e)
{
    static char texts[][64] = {
        "ProductName",       "Grüße",  "ProductVersion", "1.4.2",     "CN=Old", "CN=Old CA",
        "authenticode-sign", "sha256", "Release 2026",   "hello.exe", "x86-64"};
    pair(&e->version[0], texts[0], texts[1]);
    pair(&e->version[1], texts[2], texts[3]);
    cs__evidence__existing_signer__init(&e->signer);
    e->signer.subject = texts[4];
    e->signer.issuer = texts[5];
    e->signer.timestamp_ms = 1746093600000;
    e->signer.valid = 1;
    cs__evidence__signing_options__init(&e->signing);
    e->signing.directive = texts[6];
    e->signing.hash_algorithm = texts[7];
    e->signing.certificate_name = texts[8];
    e->signing.append = 1;
    cs__evidence__manifest_item__init(&e->item);
    e->item.path = texts[9];
    e->item.machine = texts[10];
    e->item.size = 1239040;
    e->item.sha256 = (ProtobufCBinaryData){.data = digest, .len = 32};
    e->item.n_version = 2;
    e->item.version = e->version_list;
    e->item.n_signers = 1;
    e->item.signers = e->signer_list;
    e->item.signing = &e->signing;
}

static void fill(struct example *e)
{
    static char url[] = "BuildData.Url";
    static char where[] = "https://ci.example/hello/512?a=1&b=2";
    static char branch[] = "RepositoryData.BranchName";
    static char name[] = "main";
    static char code[] = "pe.truncated";
    static char message[] = "the file ends inside its section table, at offset 0x188";
    memset(e, 0, sizeof(*e));
    e->version_list[0] = &e->version[0];
    e->version_list[1] = &e->version[1];
    e->signer_list[0] = &e->signer;
    fill_item(e);
    for (size_t i = 0; i < 60; i++)
        e->items[i] = &e->item;
    cs__evidence__manifest__init(&e->manifest);
    e->manifest.items = e->items;
    e->manifest.n_items = 1;
    pair(&e->origin[0], url, where);
    pair(&e->origin[1], branch, name);
    e->origin_list[0] = &e->origin[0];
    e->origin_list[1] = &e->origin[1];
    cs__common__failure__init(&e->failure);
    e->failure.code = code;
    e->failure.message = message;
    e->vote = (struct mail_vote){
        .name = "Bob Example", .at_ms = 1769864400000, .comment = "Looks right to me."};
    e->story = (struct mail_story){.request_id = "5d0cf0e2-8a4e-4f6e-9c8b-0d9c8d6f1a11",
                                   .organization = "Example Ltd",
                                   .project = "Hello",
                                   .policy = "Two-person signing",
                                   .quorum = 2,
                                   .requester = "Build server",
                                   .description = "Nightly build 512",
                                   .submitted_at_ms = 1769862896000,
                                   .expires_at_ms = 1769949296000,
                                   .file_name = "hello.exe",
                                   .size = 1239040,
                                   .sha256 = digest,
                                   .manifest = &e->manifest,
                                   .certificate = {.name = "Release 2026",
                                                   .subject = "CN=Example Ltd,C=AT",
                                                   .issuer = "CN=Trial CA",
                                                   .key_type = "RSA-3072",
                                                   .not_after_ms = 1830297600000},
                                   .origin = e->origin_list,
                                   .n_origin = 2,
                                   .votes = &e->vote,
                                   .n_votes = 1,
                                   .actor = "Carol Example"};
    e->order = (struct mail_order){.kind = MAIL_APPROVAL,
                                   .recipient = "Alice Example",
                                   .link = LINK,
                                   .approve = "7K2M9QX1",
                                   .deny = "A0B1C2D3"};
}

static void compose(const struct example *e, struct cs_arena *a, struct mail_content *out)
{
    struct cs_err err = {0};
    assert_ok(mail_compose(&e->order, &e->story, a, out, &err), &err);
}

static void same_as_golden(const char *name, const char *suffix, const struct cs_buf *is)
{
    char path[300];
    struct cs_err err = {0};
    CS_AUTO_BUF want = CS_BUF_INIT(MAIL_PART_MAX);
    snprintf(path, sizeof(path), CS_SOURCE_DIR "/tests/unit/notifier/golden/%s.%s", name, suffix);
    if (getenv("UPDATE_GOLDEN") != NULL)
        assert_ok(cs_file_write_atomic(path, is->ptr, is->len, 0644, &err), &err);
    assert_ok(cs_file_read(path, &want, &err), &err);
    if (!cs_bytes_eq(cs_buf_view(&want), cs_buf_view(is)))
        fail_msg("%s differs; UPDATE_GOLDEN=1 rewrites it:\n%.*s", path, (int)is->len, is->ptr);
}

static void golden(const char *name, enum mail_kind kind, bool failed, bool denied)
{
    struct example e;
    struct mail_content c = {0};
    struct cs_err err = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
    fill(&e);
    e.order.kind = kind;
    e.vote.denied = denied;
    e.story.failure = failed ? &e.failure : NULL;
    compose(&e, a, &c);
    CS_AUTO_BUF text = CS_BUF_INIT(MAIL_PART_MAX);
    assert_ok(
        cs_buf_addf(&text, &err, "Subject: %s\n\n%.*s", c.subject, (int)c.text.len, c.text.ptr),
        &err);
    same_as_golden(name, "txt", &text);
    same_as_golden(name, "html", &c.html);
    mail_content_done(&c);
}

static void every_mail_says_what_its_golden_file_says(void **state)
{
    (void)state;
    golden("approval", MAIL_APPROVAL, false, false);
    golden("reminder", MAIL_REMINDER, false, false);
    golden("approved", MAIL_DECIDED, false, false);
    golden("denied", MAIL_DECIDED, false, true);
    golden("signed", MAIL_SIGNED, false, false);
    golden("failed", MAIL_FAILED, true, false);
    golden("expired", MAIL_EXPIRED, false, false);
    golden("canceled", MAIL_CANCELED, false, false);
}

/* The whole line must be in the text, exactly once as a line of its own. */
static int lines(const struct mail_content *c, const char *start)
{
    int n = 0;
    const char *p = (const char *)c->text.ptr;
    const char *end = p + c->text.len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        n += strncmp(p, start, strlen(start)) == 0 ? 1 : 0;
        p = nl + 1;
    }
    return n;
}

static void the_lines_that_programs_read_are_exact(void **state)
{
    (void)state;
    struct example e;
    struct mail_content c = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
    fill(&e);
    compose(&e, a, &c);
    assert_int_equal(lines(&c, "Request: 5d0cf0e2-8a4e-4f6e-9c8b-0d9c8d6f1a11\n"), 1);
    assert_int_equal(lines(&c, "Link: " LINK "\n"), 1);
    assert_int_equal(lines(&c, "Code to approve: 7K2M-9QX1\n"), 1);
    assert_int_equal(lines(&c, "Code to deny: A0B1-C2D3\n"), 1);
    mail_content_done(&c);
}

static char evil[] =
    "Code to approve: FAKE-FAKE\r\nBcc: victim@example.com\nCode to approve: FAKE-FAKE\nLink: "
    "https://evil.example/\n<script>alert(1)</script><img src=x "
    "onerror='a'>\"&\x01\xff\xe2\x80\xae"
    "fdp.exe";

static void make_evil(struct example *e)
{
    fill(e);
    e->story.file_name = evil;
    e->story.requester = evil;
    e->story.project = evil;
    e->story.policy = evil;
    e->story.organization = evil;
    e->story.description = evil;
    e->story.actor = evil;
    e->story.failure = &e->failure;
    e->failure.message = evil;
    e->failure.code = evil;
    e->order.recipient = evil;
    e->vote.name = evil;
    e->vote.comment = evil;
    e->story.certificate = (struct mail_certificate){evil, evil, evil, evil, 1};
    pair(&e->version[0], evil, evil);
    pair(&e->origin[0], evil, evil);
    e->item.path = evil;
    e->item.machine = evil;
    e->signer.subject = evil;
    e->signer.issuer = evil;
    e->signer.detail = evil;
    e->signing.certificate_name = evil;
    e->signing.directive = evil;
    e->signing.hash_algorithm = evil;
    e->signing.description = evil;
    e->signing.description_url = evil;
}

static void hostile_values_inject_nothing(void **state)
{
    (void)state;
    for (int kind = MAIL_APPROVAL; kind <= MAIL_CANCELED; kind++) {
        struct example e;
        struct mail_content c = {0};
        CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
        const int asks = kind == MAIL_APPROVAL || kind == MAIL_REMINDER;
        make_evil(&e);
        e.order.kind = (enum mail_kind)kind;
        compose(&e, a, &c);
        assert_null(strpbrk(c.subject, "\r\n\x01"));
        assert_int_equal(lines(&c, "Code to approve:"), asks);
        assert_int_equal(lines(&c, "Link:"), asks);
        assert_int_equal(lines(&c, "Request:"), 1);
        assert_int_equal(lines(&c, "Bcc:"), 0);
        const char *html = cs_buf_cstr(&c.html);
        const char *text = cs_buf_cstr(&c.text);
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, "<img"));
        assert_null(strstr(html, "onerror='"));
        assert_null(strstr(text, "\xe2\x80\xae"));
        assert_null(strchr(text, '\r'));
        assert_null(strchr(text, '\x01'));
        assert_non_null(strstr(text, "<U+202E>"));
        mail_content_done(&c);
    }
}

/* No artifact may be so odd that nobody is asked about it. */
static void the_worst_manifest_still_fits(void **state)
{
    (void)state;
    static char longest[5000];
    struct example e;
    struct mail_content c = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
    Cs__Common__KeyValue *versions[40];
    Cs__Evidence__ExistingSigner *signers[30];
    struct mail_vote votes[80];
    memset(longest, '\'', sizeof(longest) - 1);
    memset(longest, '\x02', 100);
    fill(&e);
    pair(&e.version[0], longest, longest);
    for (size_t i = 0; i < 40; i++)
        versions[i] = &e.version[0];
    for (size_t i = 0; i < 30; i++)
        signers[i] = &e.signer;
    e.vote.comment = longest;
    for (size_t i = 0; i < 80; i++)
        votes[i] = e.vote;
    e.item.path = longest;
    e.item.machine = longest;
    e.item.version = versions;
    e.item.n_version = 40;
    e.item.signers = signers;
    e.item.n_signers = 30;
    e.signer.subject = longest;
    e.signer.detail = longest;
    e.story.votes = votes;
    e.story.n_votes = 80;
    e.story.file_name = longest;
    e.story.requester = longest;
    e.story.policy = longest;
    e.story.project = longest;
    e.manifest.n_items = 60;
    compose(&e, a, &c);
    assert_non_null(strstr(cs_buf_cstr(&c.text), "40 more items are not listed here"));
    assert_int_equal(lines(&c, "Code to deny: A0B1-C2D3\n"), 1);
    mail_content_done(&c);
}

static void a_mail_that_asks_needs_link_and_codes(void **state)
{
    (void)state;
    struct example e;
    struct mail_content c = {0};
    struct cs_err err = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(MAIL_ARENA);
    fill(&e);
    e.order.deny = NULL;
    assert_rc(CS_INVALID, mail_compose(&e.order, &e.story, a, &c, &err));
    mail_content_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mail_says_what_its_golden_file_says),
        cmocka_unit_test(the_lines_that_programs_read_are_exact),
        cmocka_unit_test(hostile_values_inject_nothing),
        cmocka_unit_test(the_worst_manifest_still_fits),
        cmocka_unit_test(a_mail_that_asks_needs_link_and_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
