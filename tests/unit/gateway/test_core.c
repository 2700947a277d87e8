/* The gateway's pure rules: routes, multipart as real clients send it, ranges, permissions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "core/authorize.h"
#include "core/multipart.h"
#include "core/range.h"
#include "core/route.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define ORG "11111111-1111-4111-8111-111111111111"
#define REQ "22222222-2222-4222-8222-222222222222"

static void paths_find_their_routes(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        enum route_id id;
        bool wrong_method;
        bool bad_id;
    } rows[] = {
        {"GET", "/Api/healthz", ROUTE_HEALTHZ, false, false},
        {"GET", "/api/HEALTHZ/", ROUTE_HEALTHZ, false, false},
        {"POST", "/API/v1/" ORG "/SigningRequests", ROUTE_SUBMIT, false, false},
        {"POST", "/Api/v1/" ORG "/signingrequests/SubmitWithArtifact/", ROUTE_SUBMIT, false, false},
        {"GET", "/Api/v1/" ORG "/SigningRequests", ROUTE_LIST, false, false},
        {"POST", "/Api/v1/" ORG "/SigningRequests/SignHash", ROUTE_SIGN_HASH, false, false},
        {"GET", "/Api/v1/" ORG "/SigningRequests/" REQ, ROUTE_REQUEST, false, false},
        {"HEAD", "/Api/v1/" ORG "/SigningRequests/" REQ "/SignedArtifact", ROUTE_SIGNED, false,
         false},
        {"GET", "/Api/v1/" ORG "/SigningRequests/" REQ "/Approve", ROUTE_APPROVE, true, false},
        {"GET", "/Api/v1/" ORG "/SigningRequests/nonsense", ROUTE_REQUEST, false, true},
        {"GET", "/Api/v1/nonsense/SigningRequests/" REQ, ROUTE_REQUEST, false, true},
        {"POST", "/Api/v1/Decisions", ROUTE_DECIDE, false, false},
        {"GET", "/Api/v1/Decisions", ROUTE_DECIDE, true, false},
        {"POST", "/Api/v1/Decisions/Preview", ROUTE_PREVIEW, false, false},
        {"GET", "/decide", ROUTE_FILE, false, false},
        {"POST", "/decide", ROUTE_NONE, false, false},
        {"GET", "/Api/v1/" ORG "/Nothing", ROUTE_NONE, false, false},
        {"GET", "/Api/a/b/c/d/e/f/g/h/i/j", ROUTE_NONE, false, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route r = route_find(rows[i].method, rows[i].path);
        if (r.id != rows[i].id || r.wrong_method != rows[i].wrong_method ||
            r.bad_id != rows[i].bad_id)
            fail_msg("%s %s: route %d, wrong method %d, bad id %d", rows[i].method, rows[i].path,
                     (int)r.id, r.wrong_method, r.bad_id);
    }
    assert_string_equal(
        route_find("GET", "/Api/v1/AAAAAAAA-1111-4111-8111-111111111111/SigningRequests")
            .organization,
        "aaaaaaaa-1111-4111-8111-111111111111");
}

static void ranges_are_read_or_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t size;
        enum range_answer answer;
        uint64_t first;
        uint64_t length;
    } rows[] = {{NULL, 100, RANGE_WHOLE, 0, 100},
                {"bytes=0-9", 100, RANGE_PART, 0, 10},
                {"bytes=90-", 100, RANGE_PART, 90, 10},
                {"bytes=-10", 100, RANGE_PART, 90, 10},
                {"bytes=-1000", 100, RANGE_PART, 0, 100},
                {"bytes=50-1000", 100, RANGE_PART, 50, 50},
                {"bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0},
                {"bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 0},
                {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
                {"bytes=9-3", 100, RANGE_WHOLE, 0, 100},
                {"bytes=0-1,5-6", 100, RANGE_WHOLE, 0, 100},
                {"bytes=99999999999999999999-", 100, RANGE_WHOLE, 0, 100},
                {"lines=1-2", 100, RANGE_WHOLE, 0, 100}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t first = 0;
        uint64_t length = 0;
        const enum range_answer a = range_parse(rows[i].header, rows[i].size, &first, &length);
        if (a != rows[i].answer ||
            (a != RANGE_UNSATISFIABLE && (first != rows[i].first || length != rows[i].length)))
            fail_msg("%s: %d, %llu+%llu", rows[i].header, (int)a, (unsigned long long)first,
                     (unsigned long long)length);
    }
}

/* --- multipart ----------------------------------------------------------------------------------
 */

struct collected {
    char out[4096];
    size_t n;
};

static void say(struct collected *c, const void *p, size_t n)
{
    assert_true(c->n + n < sizeof(c->out));
    memcpy(c->out + c->n, p, n);
    c->n += n;
    c->out[c->n] = '\0';
}

static enum cs_rc part_begin(void *ctx, const struct multipart_part *p, struct cs_err *err)
{
    (void)err;
    say(ctx, p->name, strlen(p->name));
    say(ctx, p->is_file ? "@" : "=", 1);
    say(ctx, p->file_name, strlen(p->file_name));
    say(ctx, ":", 1);
    return CS_OK;
}
static enum cs_rc part_data(void *ctx, struct cs_bytes piece, struct cs_err *err)
{
    (void)err;
    say(ctx, piece.ptr, piece.len);
    return CS_OK;
}
static enum cs_rc part_end(void *ctx, struct cs_err *err)
{
    (void)err;
    say(ctx, ";", 1);
    return CS_OK;
}

static enum cs_rc parse(const char *type, const char *body, size_t len, size_t step,
                        struct collected *c)
{
    struct multipart m;
    struct cs_err err = {0};
    const struct multipart_sink sink = {c, part_begin, part_data, part_end};
    c->n = 0;
    c->out[0] = '\0';
    CS_TRY(multipart_init(&m, type, &sink, &err));
    for (size_t at = 0; at < len; at += step)
        CS_TRY(multipart_feed(&m, cs_bytes(body + at, len - at < step ? len - at : step), &err));
    return multipart_finish(&m, &err);
}

static void bodies_are_read_whatever_the_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *body;
        const char *want;
    } rows[] = {{"multipart/form-data; boundary=x",
                 "--x\r\nContent-Disposition: form-data; name=\"A\"\r\n\r\nvalue\r\n--x--\r\n",
                 "A=:value;"},
                /* .NET: unquoted names, filename and filename* */
                {"multipart/form-data; boundary=\"a b\"",
                 "--a b\r\nContent-Disposition: form-data; name=Artifact; filename=x.exe; "
                 "filename*=utf-8''x%20y.exe\r\n\r\nMZ\r\n--a b--",
                 "Artifact@x y.exe:MZ;"},
                /* jsign: Content-Type first, no line end after the last boundary */
                {"multipart/form-data; boundary=----j",
                 "------j\r\nContent-Type: application/json\r\nContent-Disposition: form-data; "
                 "name=\"Artifact\"; filename=\"payload.json\"\r\n\r\n{}\r\n------j--",
                 "Artifact@payload.json:{};"},
                {"multipart/form-data;boundary=x; charset=utf-8",
                 "preamble\r\n--x\r\ncontent-disposition: form-data; name=\"e\"\r\n\r\n\r\n--x\r\n"
                 "Content-Disposition: form-data; name=\"f\"; "
                 "filename=\"a\\\"b\"\r\n\r\n\r\n-\r\n--\r\n--y\r\n--x--epilogue",
                 "e=:;f@a\"b:\r\n-\r\n--\r\n--y;"},
                {"multipart/form-data; boundary=x", "--x--", ""}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step < 40; step++) {
            struct collected c;
            assert_rc(CS_OK, parse(rows[i].type, rows[i].body, strlen(rows[i].body), step, &c));
            assert_string_equal(c.out, rows[i].want);
        }
    }
}

static void broken_bodies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *body;
    } rows[] = {
        {"application/json", "{}"},
        {"multipart/form-data", "--x--"},
        {"multipart/form-data; boundary=", "--x--"},
        {"multipart/form-data; boundary=x", ""},
        {"multipart/form-data; boundary=x",
         "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nva"},
        {"multipart/form-data; boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\nv\r\n--x--"},
        {"multipart/form-data; boundary=x",
         "--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--"},
        {"multipart/form-data; boundary=x", "--xy\r\n"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct collected c;
        assert_rc(CS_INVALID, parse(rows[i].type, rows[i].body, strlen(rows[i].body), 7, &c));
    }
}

/* --- permissions --------------------------------------------------------------------------------
 */

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static void everybody_may_do_exactly_this(void **state)
{
    (void)state;
    /* R read, S submit, D decide, C cancel, E resend, W configure, V view the configuration */
    static const struct {
        const char *who;
        const char *role;
        bool ci;
        bool disabled;
        const char *may;
    } rows[] = {{"stranger", "", false, false, ""},
                {"alice", "", false, false, "RD"}, /* an approver */
                {"alice", "", true, false, "R"},   /* a CI user never decides */
                {"ci", "", true, false, "RSCE"},   /* the submitter */
                {"ci", "", true, true, ""},        /* disabled */
                {"bob", "", false, false, "R"},    /* reads the project */
                {"root", "global-administrator", false, false, "RCEWV"},
                {"eve", "global-reader", false, false, "RV"},
                {"op", "operator", false, false, "RCE"}};
    Cs__Config__Approver approver = CS__CONFIG__APPROVER__INIT;
    Cs__Config__Approver *approvers[] = {&approver};
    Cs__Config__SigningPolicy policy = CS__CONFIG__SIGNING_POLICY__INIT;
    Cs__Config__Project project = CS__CONFIG__PROJECT__INIT;
    char *submitters[] = {text("ci")};
    char *readers[] = {text("bob")};
    approver.user_id = text("alice");
    policy.approvers = approvers;
    policy.n_approvers = 1;
    policy.submitter_ids = submitters;
    policy.n_submitter_ids = 1;
    project.reader_ids = readers;
    project.n_reader_ids = 1;
    const struct subject s = {.policy = &policy, .project = &project, .submitter_id = "ci"};
    static const char letters[] = "RSDCEWV";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Cs__Config__User u = CS__CONFIG__USER__INIT;
        char *roles[] = {text(rows[i].role)};
        u.id = text(rows[i].who);
        u.is_ci = rows[i].ci;
        u.disabled = rows[i].disabled;
        u.roles = roles;
        u.n_roles = rows[i].role[0] != '\0';
        for (int a = 0; letters[a] != '\0'; a++) {
            const bool want = strchr(rows[i].may, letters[a]) != NULL;
            if (authorize(&u, (enum action)a, &s) != want)
                fail_msg("%s (%s), action %c: expected %d", rows[i].who, rows[i].role, letters[a],
                         want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_find_their_routes),
                                       cmocka_unit_test(ranges_are_read_or_ignored),
                                       cmocka_unit_test(bodies_are_read_whatever_the_pieces),
                                       cmocka_unit_test(broken_bodies_are_refused),
                                       cmocka_unit_test(everybody_may_do_exactly_this)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
