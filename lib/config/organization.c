/* Reads organization.yaml by field tables; see organization.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/organization.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_FILE = 1 << 20, MAX_NAME = 64 };

enum kind { TEXT, SLUG, BOOLEAN, NUMBER, DURATION, TEXTS, OBJECTS };

struct field {
    const char *name;
    enum kind kind;
    size_t at; /* offset of the value */
    bool required;
    size_t count_at; /* OBJECTS: offset of the count */
    size_t size;     /* OBJECTS: of one */
    const struct field *fields;
};

struct reader {
    yaml_document_t *doc;
    struct cs_arena *a;
    struct cs_buf *problems;
    const char *(*lookup)(const char *name);
    size_t n_problems;
};

#define AT(type, member) offsetof(struct type, member)
#define END                                                                                        \
    {                                                                                              \
        NULL, TEXT, 0, false, 0, 0, NULL                                                           \
    }

static const struct field user_fields[] = {
    {"slug", SLUG, AT(cs_org_user, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_org_user, name), true, 0, 0, NULL},
    {"email", TEXT, AT(cs_org_user, email), false, 0, 0, NULL},
    {"ci", BOOLEAN, AT(cs_org_user, ci), false, 0, 0, NULL},
    {"responsible", TEXT, AT(cs_org_user, responsible), false, 0, 0, NULL},
    {"roles", TEXTS, AT(cs_org_user, roles), false, 0, 0, NULL},
    {"disabled", BOOLEAN, AT(cs_org_user, disabled), false, 0, 0, NULL},
    END};
static const struct field token_fields[] = {
    {"user", TEXT, AT(cs_org_token, user), true, 0, 0, NULL},
    {"name", SLUG, AT(cs_org_token, name), true, 0, 0, NULL},
    {"expires", TEXT, AT(cs_org_token, expires), false, 0, 0, NULL},
    {"revoked", BOOLEAN, AT(cs_org_token, revoked), false, 0, 0, NULL},
    END};
static const struct field certificate_fields[] = {
    {"slug", SLUG, AT(cs_org_certificate, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_org_certificate, name), true, 0, 0, NULL},
    {"pool", SLUG, AT(cs_org_certificate, pool), false, 0, 0, NULL},
    {"key", TEXT, AT(cs_org_certificate, key), true, 0, 0, NULL},
    {"chain", TEXT, AT(cs_org_certificate, chain), true, 0, 0, NULL},
    {"purpose", TEXT, AT(cs_org_certificate, purpose), false, 0, 0, NULL},
    END};
static const struct field configuration_fields[] = {
    {"slug", SLUG, AT(cs_org_configuration, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_org_configuration, name), true, 0, 0, NULL},
    {"xml", TEXT, AT(cs_org_configuration, xml), false, 0, 0, NULL},
    {"file", TEXT, AT(cs_org_configuration, file), false, 0, 0, NULL},
    {"default", BOOLEAN, AT(cs_org_configuration, is_default), false, 0, 0, NULL},
    END};
static const struct field policy_fields[] = {
    {"slug", SLUG, AT(cs_org_policy, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_org_policy, name), true, 0, 0, NULL},
    {"certificate", TEXT, AT(cs_org_policy, certificate), true, 0, 0, NULL},
    {"quorum", NUMBER, AT(cs_org_policy, quorum), true, 0, 0, NULL},
    {"approvers", TEXTS, AT(cs_org_policy, approvers), false, 0, 0, NULL},
    {"submitters", TEXTS, AT(cs_org_policy, submitters), true, 0, 0, NULL},
    {"assurance", TEXT, AT(cs_org_policy, assurance), false, 0, 0, NULL},
    {"hashes", BOOLEAN, AT(cs_org_policy, hashes), false, 0, 0, NULL},
    {"approval-time", DURATION, AT(cs_org_policy, approval_ttl_s), false, 0, 0, NULL},
    {"signing-time", DURATION, AT(cs_org_policy, signing_ttl_s), false, 0, 0, NULL},
    {"retention-days", NUMBER, AT(cs_org_policy, retention_days), false, 0, 0, NULL},
    {"revokes-older", BOOLEAN, AT(cs_org_policy, revokes_older), false, 0, 0, NULL},
    END};
static const struct field project_fields[] = {
    {"slug", SLUG, AT(cs_org_project, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_org_project, name), true, 0, 0, NULL},
    {"description", TEXT, AT(cs_org_project, description), false, 0, 0, NULL},
    {"repository", TEXT, AT(cs_org_project, repository), false, 0, 0, NULL},
    {"readers", TEXTS, AT(cs_org_project, readers), false, 0, 0, NULL},
    {"configurators", TEXTS, AT(cs_org_project, configurators), false, 0, 0, NULL},
    {"artifact-configurations", OBJECTS, AT(cs_org_project, configurations), true,
     AT(cs_org_project, n_configurations), sizeof(struct cs_org_configuration),
     configuration_fields},
    {"signing-policies", OBJECTS, AT(cs_org_project, policies), true,
     AT(cs_org_project, n_policies), sizeof(struct cs_org_policy), policy_fields},
    END};
static const struct field organization_fields[] = {
    {"slug", SLUG, AT(cs_organization, slug), true, 0, 0, NULL},
    {"name", TEXT, AT(cs_organization, name), true, 0, 0, NULL},
    {"users", OBJECTS, AT(cs_organization, users), true, AT(cs_organization, n_users),
     sizeof(struct cs_org_user), user_fields},
    {"tokens", OBJECTS, AT(cs_organization, tokens), false, AT(cs_organization, n_tokens),
     sizeof(struct cs_org_token), token_fields},
    {"certificates", OBJECTS, AT(cs_organization, certificates), true,
     AT(cs_organization, n_certificates), sizeof(struct cs_org_certificate), certificate_fields},
    {"projects", OBJECTS, AT(cs_organization, projects), true, AT(cs_organization, n_projects),
     sizeof(struct cs_org_project), project_fields},
    END};

static void problem(struct reader *r, const yaml_node_t *n, const char *fmt, ...) CS_PRINTF(3, 4);
static void problem(struct reader *r, const yaml_node_t *n, const char *fmt, ...)
{
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(what, sizeof(what), fmt, ap) < 0)
        what[0] = '\0';
    va_end(ap);
    r->n_problems++;
    cs_ignore(cs_buf_addf(r->problems, NULL, "line %zu, column %zu: %s\n", n->start_mark.line + 1,
                          n->start_mark.column + 1, what),
              "the first ones are enough");
}

static const char *scalar(const yaml_node_t *n)
{
    return n != NULL && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

/* "${NAME}" by its value. */
static const char *expand(struct reader *r, const yaml_node_t *n, const char *text)
{
    const char *out = text;
    for (const char *p = strstr(out, "${"); p != NULL; p = strstr(out, "${")) {
        char name[MAX_NAME];
        const char *end = strchr(p, '}');
        const size_t len = end == NULL ? sizeof(name) : (size_t)(end - p - 2);
        if (len >= sizeof(name)) {
            problem(r, n, "'%.60s' is not ${NAME}", p);
            return text;
        }
        memcpy(name, p + 2, len);
        name[len] = '\0';
        const char *value = r->lookup(name);
        if (value == NULL) {
            problem(r, n, "${%s} is not set in the environment", name);
            return text;
        }
        out = cs_arena_printf(r->a, "%.*s%s%s", (int)(p - out), out, value, end + 1);
        if (out == NULL)
            return text;
    }
    return out;
}

static void take_text(struct reader *r, const yaml_node_t *n, const struct field *f,
                      const char **to)
{
    const char *text = scalar(n);
    if (text == NULL || !cs_utf8_valid(text, strlen(text))) {
        problem(r, n, "'%s' must be a text", f->name);
        return;
    }
    text = expand(r, n, text);
    if (f->kind == SLUG && !cs_slug_valid(text))
        problem(r, n, "'%s' must be 1 to 100 of a-z 0-9 . _ -, it is '%.60s'", f->name, text);
    *to = cs_arena_strdup(r->a, text);
}

static void take_boolean(struct reader *r, const yaml_node_t *n, const struct field *f, bool *to)
{
    const char *text = scalar(n);
    *to = text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0);
    if (text == NULL || (!*to && strcmp(text, "false") != 0 && strcmp(text, "no") != 0))
        problem(r, n, "'%s' must be true or false", f->name);
}

static void take_number(struct reader *r, const yaml_node_t *n, const struct field *f, int64_t *to)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *text = scalar(n);
    char *end = NULL;
    const long v = text == NULL ? -1 : strtol(text, &end, 10);
    if (f->kind == NUMBER && v >= 0 && v <= 36500 && text != end && *end == '\0') {
        *to = v;
        return;
    }
    for (size_t i = 0; f->kind == DURATION && v > 0 && i < 4; i++) {
        if (strcmp(end, units[i].unit) == 0 && v * units[i].seconds <= 366L * 86400) {
            *to = v * units[i].seconds;
            return;
        }
    }
    problem(r, n, f->kind == NUMBER ? "'%s' must be a number" : "'%s' must be like 30m, 24h or 7d",
            f->name);
}

static void take_texts(struct reader *r, const yaml_node_t *n, const struct field *f,
                       struct cs_org_texts *to)
{
    if (n->type != YAML_SEQUENCE_NODE) {
        problem(r, n, "'%s' must be a list", f->name);
        return;
    }
    for (const yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
         i++) {
        const yaml_node_t *item = yaml_document_get_node(r->doc, *i);
        if (to->n == CS_ORG_MAX) {
            problem(r, item, "'%s' has more than %d entries", f->name, CS_ORG_MAX);
            return;
        }
        take_text(r, item, f, &to->list[to->n++]);
    }
}

static void take_map(struct reader *r, const yaml_node_t *n, const struct field *fields,
                     const char *what, uint8_t *to);

static void take_objects(struct reader *r, const yaml_node_t *n, const struct field *f, uint8_t *to)
{
    const size_t count = n->type == YAML_SEQUENCE_NODE
                             ? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start)
                             : CS_ORG_MAX + 1;
    if (count > CS_ORG_MAX) {
        problem(r, n, "'%s' must be a list of at most %d entries", f->name, CS_ORG_MAX);
        return;
    }
    uint8_t *all = cs_arena_alloc(r->a, (count + 1) * f->size);
    if (all == NULL) {
        problem(r, n, "no memory");
        return;
    }
    for (size_t i = 0; i < count; i++)
        take_map(r, yaml_document_get_node(r->doc, n->data.sequence.items.start[i]), f->fields,
                 f->name, all + i * f->size);
    *(void **)(void *)(to + f->at) = all;
    *(size_t *)(void *)(to + f->count_at) = count;
}

static void take_field(struct reader *r, const yaml_node_t *n, const struct field *f, uint8_t *to)
{
    void *at = to + f->at;
    switch (f->kind) {
    case TEXT:
    case SLUG:
        take_text(r, n, f, at);
        return;
    case BOOLEAN:
        take_boolean(r, n, f, at);
        return;
    case NUMBER:
    case DURATION:
        take_number(r, n, f, at);
        return;
    case TEXTS:
        take_texts(r, n, f, at);
        return;
    case OBJECTS:
        take_objects(r, n, f, to);
        return;
    default:
        return;
    }
}

static const yaml_node_t *member(const struct reader *r, const yaml_node_t *n, const char *name)
{
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
         p++) {
        const char *key = scalar(yaml_document_get_node(r->doc, p->key));
        if (key != NULL && strcmp(key, name) == 0)
            return yaml_document_get_node(r->doc, p->value);
    }
    return NULL;
}

static void refuse_unknown(struct reader *r, const yaml_node_t *n, const struct field *fields,
                           const char *what)
{
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(r->doc, p->key);
        const char *key = scalar(k);
        const struct field *f = fields;
        while (key != NULL && f->name != NULL && strcmp(f->name, key) != 0)
            f++;
        if (key == NULL || f->name == NULL)
            problem(r, k, "'%s' knows no '%.60s'", what, key == NULL ? "" : key);
    }
}

static void take_map(struct reader *r, const yaml_node_t *n, const struct field *fields,
                     const char *what, uint8_t *to)
{
    if (n->type != YAML_MAPPING_NODE) {
        problem(r, n, "'%s': names and values are expected", what);
        return;
    }
    refuse_unknown(r, n, fields, what);
    for (const struct field *f = fields; f->name != NULL; f++) {
        const yaml_node_t *value = member(r, n, f->name);
        if (value != NULL)
            take_field(r, value, f, to);
        else if (f->required)
            problem(r, n, "'%s' lacks '%s'", what, f->name);
    }
}

/* What a file need not say. */
static void fill_defaults(struct cs_organization *o)
{
    for (size_t i = 0; i < o->n_certificates; i++) {
        struct cs_org_certificate *c = &o->certificates[i];
        c->pool = c->pool == NULL ? "default" : c->pool;
        c->purpose = c->purpose == NULL ? "test" : c->purpose;
    }
    for (size_t i = 0; i < o->n_projects; i++) {
        for (size_t k = 0; k < o->projects[i].n_policies; k++) {
            struct cs_org_policy *p = &o->projects[i].policies[k];
            p->approval_ttl_s = p->approval_ttl_s == 0 ? 86400 : p->approval_ttl_s;
            p->signing_ttl_s = p->signing_ttl_s == 0 ? 86400 : p->signing_ttl_s;
            if (p->assurance == NULL)
                p->assurance = p->quorum == 0 ? "none" : "email-token";
        }
    }
}

static void read_root(struct reader *r, struct cs_organization *out)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->doc);
    const yaml_node_t *top =
        root != NULL && root->type == YAML_MAPPING_NODE ? member(r, root, "organization") : NULL;
    if (top == NULL) {
        r->n_problems++;
        cs_ignore(cs_buf_add_str(r->problems,
                                 "line 1, column 1: the file must hold 'organization:'\n", NULL),
                  "nothing else can be said");
        return;
    }
    take_map(r, top, organization_fields, "organization", (uint8_t *)out);
    fill_defaults(out);
}

enum cs_rc cs_organization_parse(struct cs_bytes yaml, const char *(*lookup)(const char *name),
                                 struct cs_arena *a, struct cs_organization *out,
                                 struct cs_buf *problems)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    struct cs_organization o = {0};
    struct reader r = {.doc = &doc, .a = a, .problems = problems, .lookup = lookup};
    if (yaml.len > MAX_FILE || yaml_parser_initialize(&parser) == 0)
        return CS_LIMIT;
    yaml_parser_set_input_string(&parser, yaml.ptr, yaml.len);
    if (yaml_parser_load(&parser, &doc) == 0) {
        cs_ignore(cs_buf_addf(problems, NULL, "line %zu, column %zu: %s\n",
                              parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                              parser.problem == NULL ? "not YAML" : parser.problem),
                  "it fits");
        yaml_parser_delete(&parser);
        return CS_INVALID;
    }
    read_root(&r, &o);
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    if (r.n_problems > 0)
        return CS_INVALID;
    *out = o;
    return CS_OK;
}
