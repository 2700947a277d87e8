/* Artifact configurations and organization.yaml: what is understood, and how mistakes are told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "config/artifact.h"
#include "config/organization.h"
#include "config/schema.h"

#include <cmocka.h>
#include <string.h>

#define NS "xmlns=\"http://signpath.io/artifact-configuration/v1\""
#define WRAP(inner) "<artifact-configuration " NS ">" inner "</artifact-configuration>"

static enum cs_rc parse(const char *xml, struct cs_artifact *out, struct cs_arena *a,
                        struct cs_err *err)
{
    *out = (struct cs_artifact){0};
    return cs_artifact_parse(cs_bytes_str(xml), a, out, err);
}

static void a_configuration_is_understood(void **state)
{
    struct cs_artifact c;
    struct cs_err err = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    (void)state;
    assert_ok(
        parse(
            "<?xml version=\"1.0\"?>" WRAP(
                "<parameters><parameter name=\"version\" default-value=\"1.0\"/></parameters>"
                "<pe-file path=\"my-*.exe\" product-name=\"Hello\" product-version=\"${version}\">"
                "<authenticode-verify/>"
                "<authenticode-sign hash-algorithm=\"sha384\" description=\"Hello ${version}\" "
                "description-url=\"https://example.com\" append=\"true\"/></pe-file>"),
            &c, a, &err),
        &err);
    const struct cs_parameter given[] = {{.name = "version", .value = "2.5"}};
    assert_ok(cs_artifact_resolve(&c, given, 1, "my-hello.exe", a, &err), &err);
    assert_string_equal(c.element, "pe-file");
    assert_true(c.verify && c.sign && c.append);
    assert_string_equal(c.hash_algorithm, "sha384");
    assert_string_equal(c.description, "Hello 2.5");
    assert_string_equal(c.restrictions.product_version, "2.5");
    assert_true(cs_artifact_matches(c.path, "MY-hello.EXE"));
    assert_false(cs_artifact_matches(c.path, "your-hello.exe"));
}

static void mistakes_are_told_with_their_place(void **state)
{
    static const struct {
        const char *xml;
        enum cs_rc rc;
        const char *says;
    } rows[] = {
        {"", CS_INVALID, "line 1"},
        {"<artifact-configuration>", CS_INVALID, "line 1"},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]>" WRAP("<pe-file/>"), CS_INVALID, "DOCTYPE"},
        {WRAP("\n<msi-file><authenticode-sign/></msi-file>"), CS_UNSUPPORTED,
         "not supported yet: <msi-file>"},
        {WRAP("<pe-file><jar-sign/></pe-file>"), CS_UNSUPPORTED, "not supported yet: <jar-sign>"},
        {WRAP("<pe-file hello=\"1\"><authenticode-sign/></pe-file>"), CS_INVALID, "hello"},
        {WRAP("<pe-file><authenticode-sign hash-algorithm=\"md5\"/></pe-file>"), CS_INVALID,
         "hash-algorithm"},
        {WRAP("<pe-file/><pe-file/>"), CS_INVALID, ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_artifact c;
        struct cs_err err = {0};
        CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
        const enum cs_rc rc = parse(rows[i].xml, &c, a, &err);
        if (rc != rows[i].rc || strstr(err.msg, rows[i].says) == NULL)
            fail_msg("%s\n%s: %s", rows[i].xml, cs_rc_name(rc), err.msg);
    }
}

/* The whole language is in the schema, also what is not supported yet. */
static void the_schema_knows_the_language(void **state)
{
    static const struct {
        const char *xml;
        const char *says; /* NULL: it is valid */
    } rows[] = {
        {WRAP("<pe-file><authenticode-verify/><authenticode-sign append=\"${x}\"/></pe-file>"),
         NULL},
        {WRAP("<parameters><parameter name=\"v\"/></parameters><msi-file path=\"a-${v}.msi\" "
              "subject=\"S\">"
              "<directory path=\"d\"><pe-file-set product-name=\"P\"><include path=\"*.dll\" "
              "min-matches=\"0\" "
              "max-matches=\"unbounded\"/><for-each><authenticode-sign/></for-each>"
              "</pe-file-set></directory><authenticode-sign/></msi-file>"),
         NULL},
        {WRAP("<zip-file ui-multifile-upload=\"on\"><file path=\"a\"><create-gpg-signature "
              "output-file-name=\"${file.name}.asc\"/></file></zip-file>"),
         NULL},
        {WRAP("<pe-file/><pe-file/>"), "line 1: Element 'pe-file': This element is not expected"},
        {WRAP("<pe-file>\n<jar-sign/></pe-file>"), "line 2: Element 'jar-sign'"},
        {WRAP("<pe-file><authenticode-sign append=\"maybe\"/></pe-file>"), "'append'"},
        {WRAP("<zip-file><file path=\"a\"><dsse-sign/></file></zip-file>"), "output-file-name"},
        {"<hello/>", "No matching global declaration"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_err err = {0};
        const enum cs_rc rc = cs_artifact_validate(cs_bytes_str(rows[i].xml), &err);
        if ((rc == CS_OK) != (rows[i].says == NULL) ||
            (rows[i].says != NULL && strstr(err.msg, rows[i].says) == NULL))
            fail_msg("%s\n%s: %s", rows[i].xml, cs_rc_name(rc), err.msg);
    }
}

static void parameters_must_fit(void **state)
{
    struct cs_artifact c;
    struct cs_err err = {0};
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    const struct cs_parameter unknown[] = {{.name = "other", .value = "x"}};
    (void)state;
    const char *xml =
        WRAP("<parameters><parameter name=\"version\" required=\"true\"/></parameters>"
             "<pe-file><authenticode-sign description=\"${version}\"/></pe-file>");
    assert_ok(parse(xml, &c, a, &err), &err);
    assert_rc(CS_INVALID, cs_artifact_resolve(&c, NULL, 0, "a.exe", a, &err));
    assert_non_null(strstr(err.msg, "version"));
    assert_ok(parse(xml, &c, a, &err), &err);
    assert_rc(CS_INVALID, cs_artifact_resolve(&c, unknown, 1, "a.exe", a, &err));
    assert_non_null(strstr(err.msg, "other"));
}

static const char *lookup(const char *name)
{
    return strcmp(name, "CERTS") == 0 ? "/certificates" : NULL;
}

static const char good[] =
    "organization:\n"
    "  slug: acme\n"
    "  name: Acme\n"
    "  users:\n"
    "    - {slug: ada, name: Ada, email: ada@example.com, roles: [global-administrator]}\n"
    "    - {slug: ci, name: CI, ci: true, responsible: ada}\n"
    "  certificates:\n"
    "    - {slug: c, name: C, key: c, chain: \"${CERTS}/c.pem\"}\n"
    "  projects:\n"
    "    - slug: p\n"
    "      name: P\n"
    "      artifact-configurations:\n"
    "        - {slug: d, name: D, default: true, xml: \"<x/>\"}\n"
    "      signing-policies:\n"
    "        - {slug: s, name: S, certificate: c, quorum: 1, approvers: [ada], submitters: [ci], "
    "approval-time: 90m}\n";

static void an_organization_is_read(void **state)
{
    struct cs_organization *o = NULL;
    CS_AUTO_BUF problems = CS_BUF_INIT(4096);
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 22);
    (void)state;
    o = cs_arena_alloc(a, sizeof(*o));
    assert_rc(CS_OK, cs_organization_parse(cs_bytes_str(good), lookup, a, o, &problems));
    assert_int_equal(o->n_users, 2);
    assert_true(o->users[1].ci);
    assert_string_equal(o->certificates[0].chain, "/certificates/c.pem");
    assert_string_equal(o->certificates[0].pool, "default");
    const struct cs_org_policy *p = &o->projects[0].policies[0];
    assert_int_equal(p->approval_ttl_s, 5400);
    assert_int_equal(p->signing_ttl_s, 86400);
    assert_string_equal(p->assurance, "email-token");
    assert_string_equal(p->approvers.list[0], "ada");
}

static void all_problems_are_told_at_once(void **state)
{
    static const char bad[] = "organization:\n"
                              "  slug: Not A Slug\n"
                              "  name: ${NOPE}\n"
                              "  colour: red\n"
                              "  users:\n"
                              "    - {slug: ada, email: [1]}\n"
                              "  certificates: nonsense\n";
    struct cs_organization *o = NULL;
    CS_AUTO_BUF problems = CS_BUF_INIT(4096);
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 22);
    (void)state;
    o = cs_arena_alloc(a, sizeof(*o));
    assert_rc(CS_INVALID, cs_organization_parse(cs_bytes_str(bad), lookup, a, o, &problems));
    const char *text = cs_buf_cstr(&problems);
    static const char *const wanted[] = {"line 2, column 9: 'slug'",
                                         "line 3, column 9: ${NOPE} is not set",
                                         "line 4, column 3: 'organization' knows no 'colour'",
                                         "line 6, column 7: 'users' lacks 'name'",
                                         "line 6, column 26: 'email' must be a text",
                                         "line 7, column 17: 'certificates' must be a list",
                                         "'organization' lacks 'projects'"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strstr(text, wanted[i]) == NULL)
            fail_msg("'%s' is not in:\n%s", wanted[i], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_configuration_is_understood),
                                       cmocka_unit_test(mistakes_are_told_with_their_place),
                                       cmocka_unit_test(the_schema_knows_the_language),
                                       cmocka_unit_test(parameters_must_fit),
                                       cmocka_unit_test(an_organization_is_read),
                                       cmocka_unit_test(all_problems_are_told_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
