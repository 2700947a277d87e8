/* Makes the manifest of one artifact; see manifest.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

#include "base/str.h"
#include "codec/message.h"
#include "config/artifact.h"
#include "format/format.h"

#include "proto/evidence.pb-c.h"

#include <string.h>

typedef Cs__Evidence__ManifestItem Item;

/* Message fields are char *, and nothing writes through them. */
static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s == NULL ? "" : s};
    return u.out;
}

static enum cs_rc nomem(struct cs_err *err)
{
    return cs_err_code(err, CS_LIMIT, "parser.memory", "the artifact needs too much memory");
}

static const char *version_value(const struct cs_inspected *in, const char *name)
{
    for (size_t i = 0; i < in->n_version; i++) {
        if (cs_str_eq_nocase(in->version[i].name, name))
            return in->version[i].value;
    }
    return NULL;
}

static enum cs_rc check_restrictions(const struct cs_artifact *c, const struct cs_inspected *in,
                                     struct cs_err *err)
{
    const struct {
        const char *attribute;
        const char *name;
        const char *want;
    } rows[] = {{"product-name", "ProductName", c->restrictions.product_name},
                {"product-version", "ProductVersion", c->restrictions.product_version},
                {"file-version", "FileVersion", c->restrictions.file_version},
                {"company-name", "CompanyName", c->restrictions.company_name},
                {"copyright", "LegalCopyright", c->restrictions.copyright},
                {"original-filename", "OriginalFilename", c->restrictions.original_filename}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].want == NULL)
            continue;
        const char *have = version_value(in, rows[i].name);
        if (have == NULL || strcmp(have, rows[i].want) != 0)
            return cs_err_code(err, CS_INVALID, "restriction.mismatch",
                               "the artifact configuration asks for %s=\"%s\", the file has %s%s%s",
                               rows[i].attribute, rows[i].want, have == NULL ? "none" : "\"",
                               have == NULL ? "" : have, have == NULL ? "" : "\"");
    }
    return CS_OK;
}

/* authenticode-verify: there is a signature, and each one is right. */
static enum cs_rc check_incoming(const struct cs_artifact *c, const struct cs_inspected *in,
                                 struct cs_err *err)
{
    if (!c->verify)
        return CS_OK;
    if (in->n_signers == 0)
        return cs_err_code(err, CS_INVALID, "signature.missing",
                           "authenticode-verify: the file is not signed");
    for (size_t i = 0; i < in->n_signers; i++) {
        if (!in->signers[i].valid)
            return cs_err_code(err, CS_INVALID, "signature.invalid",
                               "authenticode-verify: the signature by %s is not valid: %s",
                               in->signers[i].subject, in->signers[i].detail);
    }
    return CS_OK;
}

static enum cs_rc put_digests(Item *it, const struct cs_inspected *in, struct cs_arena *a,
                              struct cs_err *err)
{
    it->digests = cs_arena_alloc(a, in->n_digests * sizeof(*it->digests));
    for (size_t i = 0; it->digests != NULL && i < in->n_digests; i++) {
        Cs__Evidence__FormatDigest *d = cs_arena_alloc(a, sizeof(*d));
        if (d == NULL)
            return nomem(err);
        cs__evidence__format_digest__init(d);
        d->algorithm = text(in->digests[i].algorithm);
        d->digest.data = cs_arena_memdup(a, in->digests[i].bytes, in->digests[i].len);
        d->digest.len = in->digests[i].len;
        it->digests[it->n_digests++] = d;
    }
    return it->n_digests == in->n_digests ? CS_OK : nomem(err);
}

static enum cs_rc put_version(Item *it, const struct cs_inspected *in, struct cs_arena *a,
                              struct cs_err *err)
{
    it->version = cs_arena_alloc(a, (in->n_version + 1) * sizeof(*it->version));
    for (size_t i = 0; it->version != NULL && i < in->n_version; i++) {
        Cs__Common__KeyValue *kv = cs_arena_alloc(a, sizeof(*kv));
        if (kv == NULL)
            return nomem(err);
        cs__common__key_value__init(kv);
        kv->key = text(in->version[i].name);
        kv->value = text(in->version[i].value);
        it->version[it->n_version++] = kv;
    }
    return it->n_version == in->n_version ? CS_OK : nomem(err);
}

static enum cs_rc put_signers(Item *it, const struct cs_inspected *in, struct cs_arena *a,
                              struct cs_err *err)
{
    it->signers = cs_arena_alloc(a, (in->n_signers + 1) * sizeof(*it->signers));
    for (size_t i = 0; it->signers != NULL && i < in->n_signers; i++) {
        Cs__Evidence__ExistingSigner *s = cs_arena_alloc(a, sizeof(*s));
        if (s == NULL)
            return nomem(err);
        cs__evidence__existing_signer__init(s);
        s->subject = text(in->signers[i].subject);
        s->issuer = text(in->signers[i].issuer);
        s->timestamp_ms = in->signers[i].timestamp_ms;
        s->valid = in->signers[i].valid;
        s->detail = text(in->signers[i].detail);
        it->signers[it->n_signers++] = s;
    }
    return it->n_signers == in->n_signers ? CS_OK : nomem(err);
}

static enum cs_rc put_signing(Item *it, const struct cs_artifact *c, const struct cs_inspected *in,
                              const Cs__Jobs__InspectionJob *job, struct cs_arena *a,
                              struct cs_err *err)
{
    if (!c->sign)
        return cs_err_code(err, CS_INVALID, "artifact_configuration.nothing_to_sign",
                           "the artifact configuration names nothing to sign: "
                           "it needs <authenticode-sign/>");
    Cs__Evidence__SigningOptions *s = cs_arena_alloc(a, sizeof(*s));
    if (s == NULL)
        return nomem(err);
    cs__evidence__signing_options__init(s);
    const char *described = version_value(in, "FileDescription");
    s->directive = text("authenticode-sign");
    s->hash_algorithm = text(c->hash_algorithm);
    s->description = text(c->description != NULL                      ? c->description
                          : described != NULL && described[0] != '\0' ? described
                                                                      : job->artifact->file_name);
    s->description_url = text(c->description_url);
    s->append = c->append;
    s->certificate_id = job->certificate_id;
    s->certificate_name = job->certificate_name;
    it->signing = s;
    return CS_OK;
}

static enum cs_rc put_item(Item *it, const struct cs_artifact *c, const struct cs_inspected *in,
                           const Cs__Jobs__InspectionJob *job, struct cs_arena *a,
                           struct cs_err *err)
{
    it->item_id = text("0");
    it->path = job->artifact->file_name;
    it->size = in->size;
    it->sha256.data = cs_arena_memdup(a, in->sha256, sizeof(in->sha256));
    it->sha256.len = sizeof(in->sha256);
    it->format = text(c->element);
    it->machine = text(in->machine);
    if (it->sha256.data == NULL)
        return nomem(err);
    CS_TRY(put_digests(it, in, a, err));
    CS_TRY(put_version(it, in, a, err));
    CS_TRY(put_signers(it, in, a, err));
    return put_signing(it, c, in, job, a, err);
}

static enum cs_rc resolve(const Cs__Jobs__InspectionJob *job, struct cs_arena *a,
                          struct cs_artifact *c, struct cs_err *err)
{
    struct cs_parameter given[CS_ARTIFACT_MAX_PARAMETERS];
    const struct cs_bytes xml = cs_bytes(job->configuration_xml.data, job->configuration_xml.len);
    if (job->n_parameters > CS_ARTIFACT_MAX_PARAMETERS)
        return cs_err_code(err, CS_LIMIT, "artifact_configuration.parameter",
                           "%zu parameters, at most %d are accepted", job->n_parameters,
                           CS_ARTIFACT_MAX_PARAMETERS);
    for (size_t i = 0; i < job->n_parameters; i++)
        given[i] = (struct cs_parameter){.name = job->parameters[i]->key,
                                         .value = job->parameters[i]->value};
    CS_TRY(cs_artifact_parse(xml, a, c, err));
    CS_TRY(cs_artifact_resolve(c, given, job->n_parameters, job->artifact->file_name, a, err));
    if (c->path != NULL && !cs_artifact_matches(c->path, job->artifact->file_name))
        return cs_err_code(err, CS_INVALID, "artifact_configuration.no_match",
                           "the artifact configuration asks for a file like \"%s\", the artifact "
                           "is \"%s\"",
                           c->path, job->artifact->file_name);
    return CS_OK;
}

enum cs_rc manifest_make(int fd, const Cs__Jobs__InspectionJob *job, struct cs_arena *a,
                         struct cs_bytes *out, struct cs_err *err)
{
    struct cs_artifact c = {0};
    struct cs_inspected in = {0};
    Item item = CS__EVIDENCE__MANIFEST_ITEM__INIT;
    Item *items[] = {&item};
    Cs__Evidence__Manifest m = CS__EVIDENCE__MANIFEST__INIT;
    if (job->artifact == NULL)
        return cs_err_code(err, CS_INVALID, "job.artifact", "the job names no artifact");
    CS_TRY(resolve(job, a, &c, err));
    const struct cs_format *format = cs_format_find(c.element);
    if (format == NULL)
        return cs_err_code(err, CS_UNSUPPORTED, "artifact_configuration.not_supported",
                           "not supported yet: <%s>", c.element);
    CS_TRY(format->inspect(fd, &c.hash_algorithm, 1, a, &in, err));
    CS_TRY(check_restrictions(&c, &in, err));
    CS_TRY(check_incoming(&c, &in, err));
    CS_TRY(put_item(&item, &c, &in, job, a, err));
    m.request_id = job->request_id;
    m.artifact_sha256 = item.sha256;
    m.artifact_size = in.size;
    m.configuration_id = job->configuration_id;
    m.configuration_revision = job->configuration_revision;
    m.items = items;
    m.n_items = 1;
    return cs_message_pack(&m.base, a, out, err);
}
