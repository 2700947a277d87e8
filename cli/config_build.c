/* Bodies of entities from the file's words; see config_build.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config_build.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "model/ids.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

enum { SALT = 16, SECRET = 32, MAX_CHAIN = 8, PATH_ROOM = 1024, MAX_SIG = 64 };

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
    return cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc entity_id(struct build *b, const char *kind, const char *parent, const char *slug,
                            const char **out, struct cs_err *err)
{
    char *id = cs_arena_alloc(b->a, CS_UUID_TEXT);
    if (id == NULL)
        return nomem(err);
    cs_entity_id(b->environment, kind, parent, slug, id);
    *out = id;
    return CS_OK;
}

static struct built_head *head_of(struct build *b, const char *id)
{
    for (size_t i = 0; i < b->n_heads; i++) {
        if (strcmp(b->heads[i].id, id) == 0)
            return &b->heads[i];
    }
    return NULL;
}

/* The parsed body that the gateway has; NULL: none, or deleted. */
static const ProtobufCMessage *head_message(struct build *b, const char *id,
                                            const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = NULL;
    const struct built_head *h = head_of(b, id);
    if (h == NULL || h->deleted || cs_message_unpack(d, h->body, b->a, &m, NULL) != CS_OK)
        return NULL;
    return m;
}

static json_t *signature_of(const struct build *b, struct cs_bytes body)
{
    uint8_t sig[CS_ED25519_SIGNATURE];
    cs_revision_sign(b->key, "SigningPolicy", body, sig);
    CS_AUTO_STR encoded = cs_base64_encode(sig, sizeof(sig));
    return json_pack("[{s:s,s:s}]", "keyId", cs_signing_key_id(b->key), "sig", encoded);
}

/* Adds a change unless the gateway has the very same body. 'revision_field' (policies) is in the
 * body too. */
static enum cs_rc put(struct build *b, int kind, const char *id, const char *what,
                      ProtobufCMessage *m, uint64_t *revision_field, struct cs_err *err)
{
    struct cs_bytes bytes;
    struct built_head *h = head_of(b, id);
    const uint64_t have = h == NULL ? 0 : h->revision;
    if (h != NULL)
        h->wanted = true;
    if (revision_field != NULL)
        *revision_field = have;
    CS_TRY(cs_message_pack(m, b->a, &bytes, err));
    if (h != NULL && !h->deleted && cs_bytes_eq(bytes, h->body))
        return CS_OK;
    if (revision_field != NULL) {
        *revision_field = have + 1;
        CS_TRY(cs_message_pack(m, b->a, &bytes, err));
    }
    CS_AUTO_STR encoded = cs_base64_encode(bytes.ptr, bytes.len);
    if (encoded == NULL)
        return nomem(err);
    json_t *change = json_pack("{s:i,s:s,s:I,s:s}", "kind", kind, "id", id, "revision",
                               (json_int_t)(have + 1), "body", encoded);
    if (kind == CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY && b->key != NULL)
        json_object_set_new(change, "signatures", signature_of(b, bytes));
    json_array_append_new(b->changes, change);
    b->n_changed++;
    printf("%s %s (revision %llu)\n", have == 0 ? "new:    " : "changed:", what,
           (unsigned long long)(have + 1));
    return CS_OK;
}

static enum cs_rc name_of(struct build *b, const char *kind, const char *slug, const char **out,
                          struct cs_err *err)
{
    *out = cs_arena_printf(b->a, "%s %s", kind, slug);
    return *out == NULL ? nomem(err) : CS_OK;
}

static enum cs_rc organization(struct build *b, const struct cs_organization *o, struct cs_err *err)
{
    Cs__Config__Organization m = CS__CONFIG__ORGANIZATION__INIT;
    const char *what = NULL;
    CS_TRY(name_of(b, "organization", o->slug, &what, err));
    m.id = text(b->organization_id);
    m.slug = text(o->slug);
    m.name = text(o->name);
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION, b->organization_id, what, &m.base,
               NULL, err);
}

static void address_hash(const char *email, struct cs_bytes salt, uint8_t out[CS_SHA256_SIZE])
{
    char lower[256];
    size_t n = 0;
    for (; email[n] != '\0' && n + 1 < sizeof(lower); n++)
        lower[n] = email[n] >= 'A' && email[n] <= 'Z' ? (char)(email[n] - 'A' + 'a') : email[n];
    const struct cs_bytes parts[] = {salt, cs_bytes(lower, n)};
    cs_sha256_parts(parts, 2, out);
}

/* The salt stays as long as the address does, so that nothing changes when nothing changed. */
static enum cs_rc put_address(struct build *b, const char *id, const char *email,
                              Cs__Config__User *m, struct cs_err *err)
{
    uint8_t hash[CS_SHA256_SIZE];
    uint8_t salt[SALT];
    const Cs__Config__User *old =
        (const Cs__Config__User *)head_message(b, id, &cs__config__user__descriptor);
    if (old != NULL && old->address_salt.len > 0) {
        address_hash(email, cs_bytes(old->address_salt.data, old->address_salt.len), hash);
        if (cs_bytes_eq(cs_bytes(hash, sizeof(hash)),
                        cs_bytes(old->address_hash.data, old->address_hash.len))) {
            m->address_hash = old->address_hash;
            m->address_salt = old->address_salt;
            return CS_OK;
        }
    }
    cs_random(salt, sizeof(salt));
    address_hash(email, cs_bytes(salt, sizeof(salt)), hash);
    m->address_hash.data = cs_arena_memdup(b->a, hash, sizeof(hash));
    m->address_hash.len = sizeof(hash);
    m->address_salt.data = cs_arena_memdup(b->a, salt, sizeof(salt));
    m->address_salt.len = sizeof(salt);
    return m->address_hash.data == NULL || m->address_salt.data == NULL ? nomem(err) : CS_OK;
}

/* Built user bodies are kept for the policies that freeze their addresses. */
struct user_at {
    const char *slug;
    Cs__Config__User m;
};

static struct user_at *find_user(struct user_at *users, size_t n, const char *slug)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(users[i].slug, slug) == 0)
            return &users[i];
    }
    return NULL;
}

static enum cs_rc unknown(const char *where, const char *what, const char *slug, struct cs_err *err)
{
    return cs_err_set(err, CS_INVALID, "%s: there is no %s '%s' in the file", where, what, slug);
}

static enum cs_rc user(struct build *b, const struct cs_org_user *u, struct user_at *users,
                       size_t n_users, struct user_at *out, struct cs_err *err)
{
    const char *id = NULL;
    const char *what = NULL;
    char **roles = cs_arena_alloc(b->a, (u->roles.n + 1) * sizeof(*roles));
    CS_TRY(name_of(b, "user", u->slug, &what, err));
    CS_TRY(entity_id(b, "user", b->organization_id, u->slug, &id, err));
    out->slug = u->slug;
    cs__config__user__init(&out->m);
    out->m.id = text(id);
    out->m.organization_id = text(b->organization_id);
    out->m.slug = text(u->slug);
    out->m.is_ci = u->ci;
    out->m.disabled = u->disabled;
    if (roles == NULL)
        return nomem(err);
    for (size_t i = 0; i < u->roles.n; i++)
        roles[out->m.n_roles++] = text(u->roles.list[i]);
    out->m.roles = roles;
    if (u->responsible != NULL) {
        const struct user_at *r = find_user(users, n_users, u->responsible);
        if (r == NULL)
            return cs_err_set(err, CS_INVALID,
                              "%s: the responsible user '%s' must stand before it in the file",
                              what, u->responsible);
        out->m.responsible_user_id = r->m.id;
    }
    if (u->ci && u->responsible == NULL)
        return cs_err_set(err, CS_INVALID, "%s: a CI user needs 'responsible'", what);
    if (!u->ci && u->email == NULL)
        return cs_err_set(err, CS_INVALID, "%s: a person needs 'email'", what);
    if (u->email != NULL)
        CS_TRY(put_address(b, id, u->email, &out->m, err));
    json_array_append_new(b->people, json_pack("{s:s,s:s,s:s}", "userId", id, "name", u->name,
                                               "email", u->email == NULL ? "" : u->email));
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_USER, id, what, &out->m.base, NULL, err);
}

static enum cs_rc new_secret(struct build *b, const struct cs_org_token *t,
                             ProtobufCBinaryData *sha256, struct cs_err *err)
{
    uint8_t secret[SECRET];
    char path[PATH_ROOM];
    if (b->tokens_directory == NULL)
        return cs_err_set(err, CS_INVALID,
                          "token %s is new: say --tokens-directory, where its secret is written",
                          t->name);
    cs_random(secret, sizeof(secret));
    CS_AUTO_STR encoded = cs_base64url_encode(secret, sizeof(secret));
    const char *full = encoded == NULL ? NULL : cs_arena_printf(b->a, "cst_%s", encoded);
    uint8_t *hash = cs_arena_alloc(b->a, CS_SHA256_SIZE);
    if (full == NULL || hash == NULL)
        return nomem(err);
    cs_sha256(full, strlen(full), hash);
    *sha256 = (ProtobufCBinaryData){.data = hash, .len = CS_SHA256_SIZE};
    if (b->dry_run)
        return CS_OK;
    CS_TRY(cs_mkdir_p(b->tokens_directory, 0700, err));
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/%s.token", b->tokens_directory, t->name));
    const char *line = cs_arena_printf(b->a, "%s\n", full);
    if (line == NULL)
        return nomem(err);
    CS_TRY(cs_file_write_atomic(path, line, strlen(line), 0600, err));
    printf("secret of token %s: %s\n", t->name, path);
    return CS_OK;
}

static enum cs_rc token(struct build *b, const struct cs_org_token *t, struct user_at *users,
                        size_t n_users, struct cs_err *err)
{
    Cs__Config__Token m = CS__CONFIG__TOKEN__INIT;
    const char *id = NULL;
    const char *what = NULL;
    const struct user_at *u = find_user(users, n_users, t->user);
    CS_TRY(name_of(b, "token", t->name, &what, err));
    if (u == NULL)
        return unknown(what, "user", t->user, err);
    CS_TRY(entity_id(b, "token", u->m.id, t->name, &id, err));
    const Cs__Config__Token *old =
        (const Cs__Config__Token *)head_message(b, id, &cs__config__token__descriptor);
    m.id = text(id);
    m.organization_id = text(b->organization_id);
    m.user_id = u->m.id;
    m.name = text(t->name);
    m.revoked = t->revoked;
    if (t->expires != NULL)
        CS_TRY(cs_time_parse(t->expires, &m.expires_at_ms, err));
    if (old != NULL)
        m.sha256 = old->sha256;
    else
        CS_TRY(new_secret(b, t, &m.sha256, err));
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN, id, what, &m.base, NULL, err);
}

static enum cs_rc path_of(const struct build *b, const char *name, char out[PATH_ROOM],
                          struct cs_err *err)
{
    if (name[0] == '/')
        return cs_strf(out, PATH_ROOM, err, "%s", name);
    return cs_strf(out, PATH_ROOM, err, "%s/%s", b->directory, name);
}

/* DER certificates of a PEM file. */
static enum cs_rc read_chain(struct build *b, const char *path, Cs__Config__Certificate *m,
                             struct cs_err *err)
{
    X509 *x = NULL;
    FILE *f = fopen(path, "re");
    m->chain = cs_arena_alloc(b->a, MAX_CHAIN * sizeof(*m->chain));
    if (f == NULL || m->chain == NULL) {
        if (f != NULL)
            fclose(f);
        return cs_err_set(err, CS_NOT_FOUND, "the certificate file %s cannot be read", path);
    }
    while (m->n_chain < MAX_CHAIN && (x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
        unsigned char *der = NULL;
        const int n = i2d_X509(x, &der);
        X509_free(x);
        if (n <= 0)
            break;
        m->chain[m->n_chain].data = cs_arena_memdup(b->a, der, (size_t)n);
        m->chain[m->n_chain].len = (size_t)n;
        m->n_chain++;
        OPENSSL_free(der);
    }
    fclose(f);
    return m->n_chain > 0 ? CS_OK
                          : cs_err_set(err, CS_INVALID, "%s holds no PEM certificate", path);
}

struct certificate_at {
    const char *slug;
    Cs__Config__Certificate m;
    struct cs_certificate_facts facts;
};

static enum cs_rc certificate(struct build *b, const struct cs_org_certificate *c,
                              struct certificate_at *out, struct cs_err *err)
{
    const char *id = NULL;
    const char *what = NULL;
    char path[PATH_ROOM];
    CS_TRY(name_of(b, "certificate", c->slug, &what, err));
    CS_TRY(entity_id(b, "certificate", b->organization_id, c->slug, &id, err));
    CS_TRY(path_of(b, c->chain, path, err));
    out->slug = c->slug;
    cs__config__certificate__init(&out->m);
    CS_TRY(read_chain(b, path, &out->m, err));
    CS_TRY(cs_certificate_describe(cs_bytes(out->m.chain[0].data, out->m.chain[0].len), &out->facts,
                                   err));
    out->m.id = text(id);
    out->m.organization_id = text(b->organization_id);
    out->m.slug = text(c->slug);
    out->m.name = text(c->name);
    out->m.pool = text(c->pool);
    out->m.key_label = text(c->key);
    out->m.spki_sha256 =
        (ProtobufCBinaryData){.data = out->facts.spki_sha256, .len = CS_SHA256_SIZE};
    out->m.key_type = out->facts.key_type;
    out->m.purpose = text(c->purpose);
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE, id, what, &out->m.base, NULL, err);
}

/* --- projects --------------------------------------------------------------------------------- */

struct world {
    struct user_at *users;
    size_t n_users;
    struct certificate_at *certificates;
    size_t n_certificates;
};

static enum cs_rc ids_of(struct build *b, const struct world *w, const struct cs_org_texts *slugs,
                         const char *where, char ***out, size_t *n, struct cs_err *err)
{
    char **ids = cs_arena_alloc(b->a, (slugs->n + 1) * sizeof(*ids));
    if (ids == NULL)
        return nomem(err);
    for (size_t i = 0; i < slugs->n; i++) {
        const struct user_at *u = find_user(w->users, w->n_users, slugs->list[i]);
        if (u == NULL)
            return unknown(where, "user", slugs->list[i], err);
        ids[i] = u->m.id;
    }
    *out = ids;
    *n = slugs->n;
    return CS_OK;
}

static enum cs_rc configuration(struct build *b, const char *project_id,
                                const struct cs_org_configuration *c, struct cs_err *err)
{
    Cs__Config__ArtifactConfiguration m = CS__CONFIG__ARTIFACT_CONFIGURATION__INIT;
    CS_AUTO_BUF file = CS_BUF_INIT(48 * 1024);
    const char *id = NULL;
    const char *what = NULL;
    char path[PATH_ROOM];
    CS_TRY(name_of(b, "artifact configuration", c->slug, &what, err));
    CS_TRY(entity_id(b, "artifact-configuration", project_id, c->slug, &id, err));
    if ((c->xml == NULL) == (c->file == NULL))
        return cs_err_set(err, CS_INVALID, "%s: give either 'xml' or 'file'", what);
    m.id = text(id);
    m.organization_id = text(b->organization_id);
    m.project_id = text(project_id);
    m.slug = text(c->slug);
    m.name = text(c->name);
    m.is_default = c->is_default;
    if (c->file != NULL) {
        CS_TRY(path_of(b, c->file, path, err));
        CS_TRY(cs_file_read(path, &file, err));
        m.xml = (ProtobufCBinaryData){.data = file.ptr, .len = file.len};
    } else {
        m.xml.data = (uint8_t *)text(c->xml);
        m.xml.len = strlen(c->xml);
    }
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION, id, what, &m.base, NULL,
               err);
}

static enum cs_rc approvers(struct build *b, const struct world *w, const struct cs_org_policy *p,
                            const char *what, Cs__Config__SigningPolicy *m, struct cs_err *err)
{
    Cs__Config__Approver *all = cs_arena_alloc(b->a, (p->approvers.n + 1) * sizeof(*all));
    m->approvers = cs_arena_alloc(b->a, (p->approvers.n + 1) * sizeof(*m->approvers));
    if (all == NULL || m->approvers == NULL)
        return nomem(err);
    for (size_t i = 0; i < p->approvers.n; i++) {
        const struct user_at *u = find_user(w->users, w->n_users, p->approvers.list[i]);
        if (u == NULL)
            return unknown(what, "user", p->approvers.list[i], err);
        if (u->m.is_ci)
            return cs_err_set(err, CS_INVALID, "%s: the CI user '%s' cannot approve", what,
                              u->slug);
        cs__config__approver__init(&all[i]);
        all[i].user_id = u->m.id;
        all[i].address_hash = u->m.address_hash;
        all[i].address_salt = u->m.address_salt;
        m->approvers[m->n_approvers++] = &all[i];
    }
    return CS_OK;
}

static enum cs_rc assurance(const char *name, const char *what, Cs__Trust__Assurance *out,
                            struct cs_err *err)
{
    static const char *const names[] = {"none", "session", "email-token", "session+email-token",
                                        "passkey"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (Cs__Trust__Assurance)i;
            return CS_OK;
        }
    }
    return cs_err_set(err, CS_INVALID,
                      "%s: assurance '%s' is none of none, session, email-token, "
                      "session+email-token, passkey",
                      what, name);
}

static enum cs_rc policy(struct build *b, const struct world *w, const char *project_id,
                         const struct cs_org_policy *p, struct cs_err *err)
{
    Cs__Config__SigningPolicy m = CS__CONFIG__SIGNING_POLICY__INIT;
    const char *id = NULL;
    const char *what = NULL;
    struct certificate_at *c = NULL;
    CS_TRY(name_of(b, "signing policy", p->slug, &what, err));
    CS_TRY(entity_id(b, "signing-policy", project_id, p->slug, &id, err));
    for (size_t i = 0; i < w->n_certificates; i++) {
        if (strcmp(w->certificates[i].slug, p->certificate) == 0)
            c = &w->certificates[i];
    }
    if (c == NULL)
        return unknown(what, "certificate", p->certificate, err);
    CS_TRY(approvers(b, w, p, what, &m, err));
    CS_TRY(ids_of(b, w, &p->submitters, what, &m.submitter_ids, &m.n_submitter_ids, err));
    CS_TRY(assurance(p->assurance, what, &m.min_assurance, err));
    m.id = text(id);
    m.organization_id = text(b->organization_id);
    m.project_id = text(project_id);
    m.slug = text(p->slug);
    m.name = text(p->name);
    m.certificate_id = c->m.id;
    m.certificate_sha256 = (ProtobufCBinaryData){.data = c->facts.sha256, .len = CS_SHA256_SIZE};
    m.key_spki_sha256 = c->m.spki_sha256;
    m.quorum = (uint32_t)p->quorum;
    m.hash_signing_allowed = p->hashes;
    m.approval_ttl_s = (uint32_t)p->approval_ttl_s;
    m.signing_ttl_s = (uint32_t)p->signing_ttl_s;
    m.revokes_older = p->revokes_older;
    m.pool = c->m.pool;
    m.timestamp_policy = text("required");
    m.retention_days = (uint32_t)p->retention_days;
    return put(b, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, id, what, &m.base, &m.revision,
               err);
}

static enum cs_rc project(struct build *b, const struct world *w, const struct cs_org_project *p,
                          struct cs_err *err)
{
    Cs__Config__Project m = CS__CONFIG__PROJECT__INIT;
    const char *id = NULL;
    const char *what = NULL;
    CS_TRY(name_of(b, "project", p->slug, &what, err));
    CS_TRY(entity_id(b, "project", b->organization_id, p->slug, &id, err));
    CS_TRY(ids_of(b, w, &p->readers, what, &m.reader_ids, &m.n_reader_ids, err));
    CS_TRY(ids_of(b, w, &p->configurators, what, &m.configurator_ids, &m.n_configurator_ids, err));
    m.id = text(id);
    m.organization_id = text(b->organization_id);
    m.slug = text(p->slug);
    m.name = text(p->name);
    m.description = text(p->description);
    m.repository_url = text(p->repository);
    CS_TRY(put(b, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, id, what, &m.base, NULL, err));
    for (size_t i = 0; i < p->n_configurations; i++)
        CS_TRY(configuration(b, id, &p->configurations[i], err));
    for (size_t i = 0; i < p->n_policies; i++)
        CS_TRY(policy(b, w, id, &p->policies[i], err));
    return CS_OK;
}

enum cs_rc config_build(struct build *b, const struct cs_organization *o, struct cs_err *err)
{
    struct world w = {.users = cs_arena_alloc(b->a, (o->n_users + 1) * sizeof(*w.users)),
                      .certificates =
                          cs_arena_alloc(b->a, (o->n_certificates + 1) * sizeof(*w.certificates))};
    if (w.users == NULL || w.certificates == NULL)
        return nomem(err);
    CS_TRY(organization(b, o, err));
    for (size_t i = 0; i < o->n_users; i++, w.n_users++)
        CS_TRY(user(b, &o->users[i], w.users, i, &w.users[i], err));
    for (size_t i = 0; i < o->n_tokens; i++)
        CS_TRY(token(b, &o->tokens[i], w.users, w.n_users, err));
    for (size_t i = 0; i < o->n_certificates; i++, w.n_certificates++)
        CS_TRY(certificate(b, &o->certificates[i], &w.certificates[i], err));
    for (size_t i = 0; i < o->n_projects; i++)
        CS_TRY(project(b, &w, &o->projects[i], err));
    return CS_OK;
}
