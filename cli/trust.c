/* countersign trust ...: the root key, the registry of service keys, administrators and floors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "model/ids.h"
#include "trust_store.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 600, SECRET = 32 };

#define DIRECTORY_FLAG                                                                             \
    {                                                                                              \
        "directory", CLI_VALUE, "COUNTERSIGN_TRUST_DIRECTORY", NULL,                               \
            "The trust directory: root.pub, root.key, registry.bin, services/."                    \
    }

static enum cs_rc write_verifier_key(const struct trust_store *s, const uint8_t *public_key,
                                     struct cs_err *err)
{
    char path[PATH_ROOM];
    char origin[140];
    uint8_t typed[1 + CS_ED25519_PUBLIC] = {1}; /* signature type Ed25519 */
    uint8_t hash[CS_SHA256_SIZE];
    CS_AUTO_BUF line = CS_BUF_INIT(512);
    memcpy(typed + 1, public_key, CS_ED25519_PUBLIC);
    CS_TRY(cs_strf(origin, sizeof(origin), err, "countersign/%s", s->registry.environment));
    const struct cs_bytes parts[] = {cs_bytes_str(origin), cs_bytes("\n", 1),
                                     cs_bytes(typed, sizeof(typed))};
    cs_sha256_parts(parts, 3, hash);
    CS_AUTO_STR key = cs_base64_encode(typed, sizeof(typed));
    if (key == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_buf_addf(&line, err, "%s+%02x%02x%02x%02x+%s\n", origin, hash[0], hash[1], hash[2],
                       hash[3], key));
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/log.vkey", s->directory));
    return cs_file_write_atomic(path, line.ptr, line.len, 0644, err);
}

static enum cs_rc make_service(struct trust_store *s, const char *role, const char *pool,
                               struct cs_err *err)
{
    char path[PATH_ROOM];
    CS_AUTO(cs_signing_key) key = cs_signing_key_generate();
    if (key == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/services/%s%s%s.key", s->directory, role,
                   *pool != '\0' ? "-" : "", pool));
    CS_TRY(cs_signing_key_save(key, path, NULL, err));
    CS_TRY(trust_store_add_service(s, cs_signing_key_public(key), role, pool, err));
    if (strcmp(role, "auditor") == 0)
        return write_verifier_key(s, cs_signing_key_public(key), err);
    return CS_OK;
}

static enum cs_rc make_services(struct trust_store *s, const char *pool, struct cs_err *err)
{
    static const char *const roles[] = {"gateway", "scheduler", "notifier", "auditor"};
    char path[PATH_ROOM];
    uint8_t secret[SECRET];
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/services", s->directory));
    CS_TRY(cs_mkdir_p(path, 0700, err));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        CS_TRY(make_service(s, roles[i], "", err));
    CS_TRY(make_service(s, "signer", pool, err));
    CS_TRY(make_service(s, "keyd", pool, err));
    cs_random(secret, sizeof(secret));
    CS_TRY(cs_strf(path, sizeof(path), err, "%s/notifier.secret", s->directory));
    return cs_file_write_atomic(path, secret, sizeof(secret), 0600, err);
}

static enum cs_rc init(const struct cli_args *args, struct trust_store *s, struct cs_err *err)
{
    const char *directory = NULL;
    const char *environment = NULL;
    const char *pool = cli_value(args, "pool");
    Cs__Trust__Floor strict = CS__TRUST__FLOOR__INIT;
    CS_TRY(cli_need(args, "directory", &directory, err));
    CS_TRY(cli_need(args, "environment", &environment, err));
    if (!cs_slug_valid(pool))
        return cs_err_set(err, CS_INVALID, "pool '%s': a-z 0-9 . _ - expected", pool);
    CS_TRY(trust_store_create(s, directory, environment, err));
    CS_TRY(make_services(s, pool, err));
    /* A key that nobody spoke about is a release key. */
    strict.min_quorum = 1;
    strict.min_assurance = CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN;
    strict.administrator_signatures = 1;
    CS_TRY(trust_store_set_pool_floor(s, pool, &strict, err));
    CS_TRY(trust_store_save(s, err));
    printf("%s: trust root and registry of environment '%s', keys of six services\n", directory,
           environment);
    puts("Keep root.key offline once everything is set up; services need only their own key,\n"
         "root.pub and registry.bin.");
    return CS_OK;
}

static int run_with(const struct cli_args *args,
                    enum cs_rc (*what)(const struct cli_args *, struct trust_store *,
                                       struct cs_err *))
{
    struct trust_store s = {0};
    struct cs_err err = {0};
    err.rc = what(args, &s, &err);
    trust_store_done(&s);
    return err.rc == CS_OK ? CLI_DONE : cli_fail(&err);
}

static int run_init(const struct cli_args *args)
{
    return run_with(args, init);
}

static enum cs_rc open_store(const struct cli_args *args, struct trust_store *s, struct cs_err *err)
{
    const char *directory = NULL;
    CS_TRY(cli_need(args, "directory", &directory, err));
    return trust_store_open(s, directory, err);
}

/* The id of --organization, "" when it is not given. */
static void organization_id(const struct cli_args *args, const struct trust_store *s,
                            char out[CS_UUID_TEXT])
{
    const char *slug = cli_value(args, "organization");
    out[0] = '\0';
    if (slug != NULL)
        cs_entity_id(s->registry.environment, "organization", "", slug, out);
}

static enum cs_rc administrator_add(const struct cli_args *args, struct trust_store *s,
                                    struct cs_err *err)
{
    CS_AUTO(cs_signing_key) key = NULL;
    char organization[CS_UUID_TEXT];
    const char *name = NULL;
    const char *file = NULL;
    const char *passphrase = getenv("COUNTERSIGN_KEY_PASSPHRASE");
    CS_TRY(cli_need(args, "name", &name, err));
    CS_TRY(cli_need(args, "key", &file, err));
    CS_TRY(open_store(args, s, err));
    organization_id(args, s, organization);
    if (access(file, F_OK) == 0) {
        CS_TRY(cs_signing_key_load(file, passphrase, &key, err));
    } else {
        key = cs_signing_key_generate();
        if (key == NULL)
            return cs_err_set(err, CS_NOMEM, "no memory");
        CS_TRY(cs_signing_key_save(key, file, passphrase, err));
        printf("%s: a new key for %s\n", file, name);
    }
    CS_TRY(trust_store_add_administrator(s, cs_signing_key_public(key), name, organization, err));
    CS_TRY(trust_store_save(s, err));
    printf("registry version %llu: %s may sign policy revisions with key %s\n",
           (unsigned long long)s->registry.version, name, cs_signing_key_id(key));
    return CS_OK;
}

static int run_administrator_add(const struct cli_args *args)
{
    return run_with(args, administrator_add);
}

static const char *const assurances[] = {"none", "session", "email-token", "session+email-token",
                                         "passkey"};
enum { N_ASSURANCES = sizeof(assurances) / sizeof(assurances[0]) };

static enum cs_rc number(const struct cli_args *args, const char *name, uint32_t *out,
                         struct cs_err *err)
{
    char *end = NULL;
    const char *text = cli_value(args, name);
    const unsigned long v = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v > 100)
        return cs_err_set(err, CS_INVALID, "--%s %s: a number from 0 to 100 expected", name, text);
    *out = (uint32_t)v;
    return CS_OK;
}

static enum cs_rc read_floor(const struct cli_args *args, Cs__Trust__Floor *f, struct cs_err *err)
{
    const char *assurance = cli_value(args, "assurance");
    const char *hashes = cli_value(args, "hashes");
    unsigned i = 0;
    cs__trust__floor__init(f);
    CS_TRY(number(args, "quorum", &f->min_quorum, err));
    CS_TRY(number(args, "administrator-signatures", &f->administrator_signatures, err));
    while (i < N_ASSURANCES && strcmp(assurances[i], assurance) != 0)
        i++;
    if (i == N_ASSURANCES)
        return cs_err_set(err, CS_INVALID,
                          "--assurance %s: none, session, email-token, session+email-token or "
                          "passkey expected",
                          assurance);
    f->min_assurance = (Cs__Trust__Assurance)i;
    f->hash_signing_allowed = strcmp(hashes, "allow") == 0;
    if (!f->hash_signing_allowed && strcmp(hashes, "refuse") != 0)
        return cs_err_set(err, CS_INVALID, "--hashes %s: allow or refuse expected", hashes);
    return CS_OK;
}

static enum cs_rc read_certificate(const char *path, struct cs_certificate_facts *out,
                                   struct cs_err *err)
{
    unsigned char *der = NULL;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return cs_err_set(err, CS_NOT_FOUND, "%s cannot be read", path);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    const int n = x == NULL ? -1 : i2d_X509(x, &der);
    X509_free(x);
    if (n <= 0)
        return cs_err_set(err, CS_INVALID, "%s: no PEM certificate in it", path);
    const enum cs_rc rc = cs_certificate_describe(cs_bytes(der, (size_t)n), out, err);
    OPENSSL_free(der);
    return rc;
}

static enum cs_rc set_floor(const struct cli_args *args, struct trust_store *s, struct cs_err *err)
{
    Cs__Trust__Floor floor;
    struct cs_certificate_facts facts;
    char organization[CS_UUID_TEXT];
    const char *pool = cli_value(args, "pool");
    const char *certificate = cli_value(args, "certificate");
    if ((pool == NULL) == (certificate == NULL))
        return cs_err_set(err, CS_INVALID, "say either --pool or --certificate");
    CS_TRY(read_floor(args, &floor, err));
    CS_TRY(open_store(args, s, err));
    organization_id(args, s, organization);
    if (pool != NULL) {
        CS_TRY(trust_store_set_pool_floor(s, pool, &floor, err));
    } else {
        if (organization[0] == '\0')
            return cs_err_set(err, CS_INVALID, "say --organization: whose key is it?");
        CS_TRY(read_certificate(certificate, &facts, err));
        CS_TRY(trust_store_set_key_floor(s, facts.spki_sha256, organization, facts.subject, &floor,
                                         err));
    }
    CS_TRY(trust_store_save(s, err));
    printf("registry version %llu: floor of %s: quorum %u, %s, hashes %s, %u administrator "
           "signatures\n",
           (unsigned long long)s->registry.version, pool != NULL ? pool : facts.subject,
           floor.min_quorum, assurances[floor.min_assurance],
           floor.hash_signing_allowed ? "allowed" : "refused", floor.administrator_signatures);
    return CS_OK;
}

static int run_floor(const struct cli_args *args)
{
    return run_with(args, set_floor);
}

static void show_floor(const Cs__Trust__Floor *f)
{
    printf("quorum %u, %s, hashes %s, %u administrator signatures\n", f->min_quorum,
           (unsigned)f->min_assurance < N_ASSURANCES ? assurances[f->min_assurance] : "?",
           f->hash_signing_allowed ? "allowed" : "refused", f->administrator_signatures);
}

static enum cs_rc show(const struct cli_args *args, struct trust_store *s, struct cs_err *err)
{
    CS_TRY(open_store(args, s, err));
    const Cs__Trust__Registry *r = &s->registry;
    printf("environment %s, registry version %llu\n", r->environment,
           (unsigned long long)r->version);
    for (size_t i = 0; i < r->n_service_keys; i++)
        printf("service        %s  %s%s%s%s\n", r->service_keys[i]->key_id,
               r->service_keys[i]->role, *r->service_keys[i]->pool != '\0' ? " of pool " : "",
               r->service_keys[i]->pool,
               r->service_keys[i]->revoked_at_ms != 0 ? "  (revoked)" : "");
    for (size_t i = 0; i < r->n_administrator_keys; i++)
        printf("administrator  %s  %s%s%s\n", r->administrator_keys[i]->key_id,
               r->administrator_keys[i]->name,
               *r->administrator_keys[i]->organization_id != '\0' ? " of organisation " : "",
               r->administrator_keys[i]->organization_id);
    for (size_t i = 0; i < r->n_pool_floors; i++) {
        printf("floor of pool  %s: ", r->pool_floors[i]->pool);
        show_floor(r->pool_floors[i]->floor);
    }
    for (size_t i = 0; i < r->n_key_floors; i++) {
        printf("floor of key   %s: ", r->key_floors[i]->label);
        show_floor(r->key_floors[i]->floor);
    }
    return CS_OK;
}

static int run_show(const struct cli_args *args)
{
    return run_with(args, show);
}

static const struct cli_flag init_flags[] = {
    DIRECTORY_FLAG,
    {"environment", CLI_VALUE, NULL, NULL, "Name of the installation; no event crosses it."},
    {"pool", CLI_VALUE, NULL, "default", "The first signer pool."},
    CLI_FLAGS_END};
static const struct cli_flag administrator_flags[] = {
    DIRECTORY_FLAG,
    {"name", CLI_VALUE, NULL, NULL, "Whose key it is, for people."},
    {"key", CLI_VALUE, "COUNTERSIGN_ADMIN_KEY", NULL, "Key file; made when it is not there."},
    {"organization", CLI_VALUE, NULL, NULL, "Slug; without it the key counts everywhere."},
    CLI_FLAGS_END};
static const struct cli_flag floor_flags[] = {
    DIRECTORY_FLAG,
    {"pool", CLI_VALUE, NULL, NULL, "Floor of every key of this pool that has none of its own."},
    {"certificate", CLI_VALUE, NULL, NULL, "PEM file: floor of this certificate's key."},
    {"organization", CLI_VALUE, NULL, NULL, "Slug of the only organisation that may use the key."},
    {"quorum", CLI_VALUE, NULL, "1", "Least number of approvals."},
    {"assurance", CLI_VALUE, NULL, "email-token",
     "Least assurance: none, session, email-token, session+email-token, passkey."},
    {"hashes", CLI_VALUE, NULL, "refuse", "allow or refuse: signing of bare hashes."},
    {"administrator-signatures", CLI_VALUE, NULL, "1",
     "How many administrators' keys must have signed a policy revision."},
    CLI_FLAGS_END};
static const struct cli_flag show_flags[] = {DIRECTORY_FLAG, CLI_FLAGS_END};

const struct cli_command cli_trust[] = {
    {"trust init", "Makes a root key, the services' keys and the registry that names them.", "",
     init_flags, run_init},
    {"trust administrator add", "Lets an administrator's key sign policy revisions.", "",
     administrator_flags, run_administrator_add},
    {"trust floor", "Sets the least that a key, or every key of a pool, asks for.", "", floor_flags,
     run_floor},
    {"trust show", "Shows who is trusted with what.", "", show_flags, run_show},
    {NULL, NULL, NULL, NULL, NULL}};
