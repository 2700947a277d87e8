/* Reads artifact configurations with libxml2; see artifact.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/artifact.h"

#include "base/str.h"
#include "config/document.h"

#include <libxml/tree.h>
#include <string.h>

static const char ns_v1[] = "http://signpath.io/artifact-configuration/v1";

/* What reads one element: attributes are taken off the list as they are used. */
struct reader {
    struct cs_arena *a;
    struct cs_artifact *out;
    struct cs_err *err;
};

static bool named(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0 &&
           n->ns != NULL && strcmp((const char *)n->ns->href, ns_v1) == 0;
}

static enum cs_rc wrong(const struct reader *r, const xmlNode *n, const char *what)
{
    return cs_err_code(r->err, CS_INVALID, "artifact_configuration.xml", "line %ld: <%.50s>: %s",
                       xmlGetLineNo(n), (const char *)n->name, what);
}

static enum cs_rc not_yet(const struct reader *r, const xmlNode *n)
{
    return cs_err_code(r->err, CS_UNSUPPORTED, "artifact_configuration.not_supported",
                       "line %ld: not supported yet: <%.50s>", xmlGetLineNo(n),
                       (const char *)n->name);
}

static char *unconst(const char *s)
{
    union {
        const char *in;
        char *out; /* libxml2 declares xmlChar without const here and there */
    } u = {.in = s};
    return u.out;
}

struct attribute {
    const char *name;
    const char **out;
};

/* Reads exactly these attributes; any other is an error. */
static enum cs_rc attributes(const struct reader *r, xmlNode *n, const struct attribute *want,
                             size_t count)
{
    for (const xmlAttr *at = n->properties; at != NULL; at = at->next) {
        size_t i = 0;
        while (i < count && strcmp(want[i].name, (const char *)at->name) != 0)
            i++;
        if (i == count)
            return cs_err_code(r->err, CS_INVALID, "artifact_configuration.xml",
                               "line %ld: <%.50s> has no attribute '%.50s'", xmlGetLineNo(n),
                               (const char *)n->name, (const char *)at->name);
        xmlChar *v = xmlGetProp(n, (const xmlChar *)unconst(want[i].name));
        *want[i].out = v == NULL ? NULL : cs_arena_strdup(r->a, (const char *)v);
        xmlFree(v);
        if (*want[i].out == NULL)
            return cs_err_set(r->err, CS_NOMEM, "no memory");
    }
    return CS_OK;
}

static enum cs_rc read_bool(const struct reader *r, const xmlNode *n, const char *text, bool *out)
{
    *out = text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
    if (text != NULL && !*out && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return wrong(r, n, "true or false expected");
    return CS_OK;
}

static enum cs_rc read_parameters(const struct reader *r, xmlNode *list)
{
    for (xmlNode *n = xmlFirstElementChild(list); n != NULL; n = xmlNextElementSibling(n)) {
        const char *required = NULL;
        struct cs_parameter *p = &r->out->parameters[r->out->n_parameters];
        const struct attribute want[] = {
            {"name", &p->name}, {"default-value", &p->value}, {"required", &required}};
        if (!named(n, "parameter"))
            return wrong(r, n, "only <parameter> may stand here");
        if (r->out->n_parameters == CS_ARTIFACT_MAX_PARAMETERS)
            return wrong(r, n, "more than 64 parameters");
        *p = (struct cs_parameter){0};
        CS_TRY(attributes(r, n, want, 3));
        CS_TRY(read_bool(r, n, required, &p->required));
        if (p->name == NULL || p->name[0] == '\0')
            return wrong(r, n, "a parameter needs a name");
        r->out->n_parameters++;
    }
    return CS_OK;
}

static enum cs_rc read_sign(const struct reader *r, xmlNode *n)
{
    static const char *const known[] = {"sha256", "sha384", "sha512"};
    const char *append = NULL;
    const struct attribute want[] = {{"hash-algorithm", &r->out->hash_algorithm},
                                     {"description", &r->out->description},
                                     {"description-url", &r->out->description_url},
                                     {"append", &append}};
    if (r->out->sign)
        return wrong(r, n, "a file is signed once");
    CS_TRY(attributes(r, n, want, 4));
    CS_TRY(read_bool(r, n, append, &r->out->append));
    r->out->sign = true;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(r->out->hash_algorithm, known[i]) == 0)
            return CS_OK;
    }
    return wrong(r, n, "hash-algorithm: sha256, sha384 or sha512 expected (sha1 is not accepted)");
}

static enum cs_rc read_directives(const struct reader *r, xmlNode *file)
{
    for (xmlNode *n = xmlFirstElementChild(file); n != NULL; n = xmlNextElementSibling(n)) {
        if (named(n, "authenticode-sign")) {
            CS_TRY(read_sign(r, n));
        } else if (named(n, "authenticode-verify")) {
            if (r->out->sign)
                return wrong(r, n, "verify stands before sign");
            CS_TRY(attributes(r, n, NULL, 0));
            r->out->verify = true;
        } else {
            return not_yet(r, n);
        }
    }
    return CS_OK;
}

static enum cs_rc read_root_file(const struct reader *r, xmlNode *n)
{
    struct cs_restrictions *x = &r->out->restrictions;
    const struct attribute want[] = {{"path", &r->out->path},
                                     {"product-name", &x->product_name},
                                     {"product-version", &x->product_version},
                                     {"file-version", &x->file_version},
                                     {"company-name", &x->company_name},
                                     {"copyright", &x->copyright},
                                     {"original-filename", &x->original_filename}};
    if (!named(n, "pe-file"))
        return not_yet(r, n);
    r->out->element = "pe-file";
    CS_TRY(attributes(r, n, want, 7));
    if (r->out->path != NULL && strpbrk(r->out->path, "/\\") != NULL)
        return wrong(r, n, "the root's path names a file, without directories");
    CS_TRY(read_directives(r, n));
    if (!r->out->sign)
        return wrong(r, n, "nothing in it is to be signed: <authenticode-sign/> is missing");
    return CS_OK;
}

static enum cs_rc read_root(const struct reader *r, xmlNode *root)
{
    if (root == NULL || !named(root, "artifact-configuration"))
        return cs_err_code(r->err, CS_INVALID, "artifact_configuration.xml",
                           "line 1: <artifact-configuration xmlns=\"%s\"> expected", ns_v1);
    for (xmlNode *n = xmlFirstElementChild(root); n != NULL; n = xmlNextElementSibling(n)) {
        if (named(n, "parameters") && r->out->element == NULL)
            CS_TRY(read_parameters(r, n));
        else if (r->out->element == NULL)
            CS_TRY(read_root_file(r, n));
        else
            return wrong(r, n, "exactly one root file is allowed");
    }
    return r->out->element != NULL ? CS_OK : wrong(r, root, "it describes no file");
}

enum cs_rc cs_artifact_parse(struct cs_bytes xml, struct cs_arena *a, struct cs_artifact *out,
                             struct cs_err *err)
{
    xmlDocPtr doc = NULL;
    struct cs_artifact c = {.hash_algorithm = "sha256"};
    const struct reader r = {.a = a, .out = &c, .err = err};
    CS_TRY(document_read(xml, &doc, err));
    const enum cs_rc rc = read_root(&r, xmlDocGetRootElement(doc));
    xmlFreeDoc(doc);
    if (rc == CS_OK)
        *out = c;
    return rc;
}
