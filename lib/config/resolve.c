/* Parameters and patterns of artifact configurations: pure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/artifact.h"

#include <ctype.h>
#include <string.h>

enum { MAX_TEXT = 4096 };

struct values {
    const struct cs_artifact *c;
    const struct cs_parameter *given;
    size_t n;
    const char *file_name;
};

static const struct cs_parameter *declared(const struct cs_artifact *c, const char *name,
                                           size_t len)
{
    for (size_t i = 0; i < c->n_parameters; i++) {
        if (strlen(c->parameters[i].name) == len && memcmp(c->parameters[i].name, name, len) == 0)
            return &c->parameters[i];
    }
    return NULL;
}

static const char *value_of(const struct values *v, const char *name, size_t len)
{
    if (len == strlen("file.name") && memcmp(name, "file.name", len) == 0)
        return v->file_name;
    const struct cs_parameter *p = declared(v->c, name, len);
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->given[i].name, p->name) == 0)
            return v->given[i].value;
    }
    return p->value == NULL ? "" : p->value;
}

static enum cs_rc add(char *out, size_t *n, const char *s, size_t len, struct cs_err *err)
{
    if (*n + len >= MAX_TEXT)
        return cs_err_code(err, CS_LIMIT, "artifact_configuration.parameter",
                           "a text grows beyond %d characters", MAX_TEXT);
    memcpy(out + *n, s, len);
    *n += len;
    return CS_OK;
}

static enum cs_rc substitute(const struct values *v, const char **text, struct cs_arena *a,
                             struct cs_err *err)
{
    char out[MAX_TEXT];
    size_t n = 0;
    if (*text == NULL || strstr(*text, "${") == NULL)
        return CS_OK;
    for (const char *s = *text; *s != '\0';) {
        const char *end = strchr(s, '}');
        if (strncmp(s, "${", 2) != 0 || end == NULL) {
            CS_TRY(add(out, &n, s, 1, err));
            s++;
            continue;
        }
        const char *value = value_of(v, s + 2, (size_t)(end - s) - 2);
        if (value == NULL)
            return cs_err_code(err, CS_INVALID, "artifact_configuration.parameter",
                               "'%.*s' is not declared in <parameters>", (int)(end - s) + 1, s);
        CS_TRY(add(out, &n, value, strlen(value), err));
        s = end + 1;
    }
    *text = cs_arena_strndup(a, out, n);
    return *text != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc check_given(const struct values *v, struct cs_err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        if (declared(v->c, v->given[i].name, strlen(v->given[i].name)) == NULL)
            return cs_err_code(err, CS_INVALID, "artifact_configuration.parameter",
                               "the request gives parameter '%.50s', which the artifact "
                               "configuration does not declare",
                               v->given[i].name);
    }
    for (size_t i = 0; i < v->c->n_parameters; i++) {
        const struct cs_parameter *p = &v->c->parameters[i];
        const char *value = value_of(v, p->name, strlen(p->name));
        if (p->required && value[0] == '\0')
            return cs_err_code(err, CS_INVALID, "artifact_configuration.parameter",
                               "the artifact configuration requires parameter '%.50s'", p->name);
    }
    return CS_OK;
}

enum cs_rc cs_artifact_resolve(struct cs_artifact *c, const struct cs_parameter *given, size_t n,
                               const char *file_name, struct cs_arena *a, struct cs_err *err)
{
    const struct values v = {.c = c, .given = given, .n = n, .file_name = file_name};
    struct cs_restrictions *x = &c->restrictions;
    const char **texts[] = {&c->path,         &c->description,     &c->description_url,
                            &x->product_name, &x->product_version, &x->file_version,
                            &x->company_name, &x->copyright,       &x->original_filename};
    CS_TRY(check_given(&v, err));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CS_TRY(substitute(&v, texts[i], a, err));
    return CS_OK;
}

/* One [...] at p (after the bracket); *end is set past it. */
static bool in_class(const char *p, char c, const char **end)
{
    const bool negate = *p == '!';
    bool hit = false;
    if (negate)
        p++;
    for (bool first = true; *p != '\0' && (*p != ']' || first); first = false) {
        const char lo = (char)tolower((unsigned char)*p);
        char hi = lo;
        if (p[1] == '-' && p[2] != '\0' && p[2] != ']') {
            hi = (char)tolower((unsigned char)p[2]);
            p += 2;
        }
        hit = hit || (c >= lo && c <= hi);
        p++;
    }
    *end = *p == ']' ? p + 1 : p;
    return hit != negate;
}

bool cs_artifact_matches(const char *pattern, const char *name)
{
    const char *star = NULL; /* after the last '*' */
    const char *retry = NULL;
    while (*name != '\0') {
        const char c = (char)tolower((unsigned char)*name);
        const char *next = pattern + 1;
        bool one = *pattern == '?' || tolower((unsigned char)*pattern) == c;
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
            continue;
        }
        if (*pattern == '[')
            one = in_class(pattern + 1, c, &next);
        if (*pattern != '\0' && one) {
            pattern = next;
            name++;
        } else if (star != NULL) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
