/* countersign-gateway bootstrap: the organisation, its first administrator and a token for it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"
#include "config_writer.h"
#include "crypto/hash.h"
#include "gateway.h"
#include "model/ids.h"
#include "purge.h"

#include <stdio.h>
#include <string.h>

enum { SALT = 16, SECRET = 32 };

/* What is written, with room for its pieces. */
struct setup {
    struct cs_arena *a;
    char organization[CS_UUID_TEXT];
    char user[CS_UUID_TEXT];
    char token[CS_UUID_TEXT];
    const char *secret; /* the token's text */
    Cs__Config__ConfigChanged changes[3];
    Cs__Config__ConfigChanged *list[3];
};

static enum cs_rc need(const struct cs_options *o, const char *name, const char **out,
                       struct cs_err *err)
{
    *out = cs_option_text(o, name);
    return **out != '\0' ? CS_OK : cs_err_set(err, CS_INVALID, "bootstrap: say --%s", name);
}

static enum cs_rc add(struct setup *s, size_t i, Cs__Config__EntityKind kind, const char *id,
                      const ProtobufCMessage *body, struct cs_err *err)
{
    Cs__Config__ConfigChanged *m = &s->changes[i];
    struct cs_bytes bytes;
    CS_TRY(cs_message_pack(body, s->a, &bytes, err));
    cs__config__config_changed__init(m);
    m->organization_id = s->organization;
    m->kind = kind;
    m->entity_id = gw_text(id);
    m->revision = 1;
    m->body = gw_data(bytes);
    s->list[i] = m;
    return CS_OK;
}

static enum cs_rc organization(struct setup *s, const char *slug, const char *name,
                               struct cs_err *err)
{
    Cs__Config__Organization m = CS__CONFIG__ORGANIZATION__INIT;
    if (!cs_slug_valid(slug))
        return cs_err_set(err, CS_INVALID, "organization '%s': a-z 0-9 . _ - expected", slug);
    m.id = s->organization;
    m.slug = gw_text(slug);
    m.name = gw_text(name);
    return add(s, 0, CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION, s->organization, &m.base, err);
}

static void address_hash(const char *email, const uint8_t salt[SALT], uint8_t out[CS_SHA256_SIZE])
{
    char lower[256];
    size_t n = 0;
    for (; email[n] != '\0' && n + 1 < sizeof(lower); n++)
        lower[n] = email[n] >= 'A' && email[n] <= 'Z' ? (char)(email[n] - 'A' + 'a') : email[n];
    const struct cs_bytes parts[] = {cs_bytes(salt, SALT), cs_bytes(lower, n)};
    cs_sha256_parts(parts, 2, out);
}

static enum cs_rc administrator(struct setup *s, const char *slug, const char *email,
                                struct cs_err *err)
{
    Cs__Config__User m = CS__CONFIG__USER__INIT;
    char *roles[] = {gw_text("global-administrator")};
    uint8_t salt[SALT];
    uint8_t hash[CS_SHA256_SIZE];
    cs_random(salt, sizeof(salt));
    address_hash(email, salt, hash);
    m.id = s->user;
    m.organization_id = s->organization;
    m.slug = gw_text(slug);
    m.roles = roles;
    m.n_roles = 1;
    m.address_salt = gw_data(cs_bytes(salt, sizeof(salt)));
    m.address_hash = gw_data(cs_bytes(hash, sizeof(hash)));
    return add(s, 1, CS__CONFIG__ENTITY_KIND__ENTITY_USER, s->user, &m.base, err);
}

static enum cs_rc make_token(struct setup *s, struct cs_err *err)
{
    Cs__Config__Token m = CS__CONFIG__TOKEN__INIT;
    uint8_t secret[SECRET];
    uint8_t sha256[CS_SHA256_SIZE];
    cs_random(secret, sizeof(secret));
    CS_AUTO_STR text = cs_base64url_encode(secret, sizeof(secret));
    s->secret = text == NULL ? NULL : cs_arena_printf(s->a, "cst_%s", text);
    if (s->secret == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_sha256(s->secret, strlen(s->secret), sha256);
    m.id = s->token;
    m.organization_id = s->organization;
    m.user_id = s->user;
    m.name = gw_text("bootstrap");
    m.sha256 = gw_data(cs_bytes(sha256, sizeof(sha256)));
    return add(s, 2, CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN, s->token, &m.base, err);
}

static enum cs_rc write_all(struct gateway *g, struct setup *s, const struct config_person *person,
                            const char *token_file, struct cs_err *err)
{
    struct cs_db *db = NULL;
    const char *line = cs_arena_printf(s->a, "%s\n", s->secret);
    if (line == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    /* First the file: a token that nobody has is worth nothing. */
    CS_TRY(cs_file_write_atomic(token_file, line, strlen(line), 0600, err));
    CS_TRY(dbpool_take(g->db, &db, err));
    enum cs_rc rc = config_writer_registry(g->writer, db, err);
    if (rc == CS_OK)
        rc = config_writer_apply(g->writer, db, s->list, 3, person, 1, err);
    if (rc == CS_OK)
        rc = config_writer_relay(g->writer, db, err);
    dbpool_give(g->db, db);
    if (rc == CS_CONFLICT)
        return cs_err_set(err, rc, "this organisation, administrator or token exists already");
    return rc;
}

static enum cs_rc bootstrap(struct gateway *g, struct setup *s, const struct cs_options *o,
                            struct cs_err *err)
{
    const char *slug = NULL;
    const char *name = NULL;
    const char *email = NULL;
    const char *token_file = NULL;
    const char *admin = cs_option_text(o, "administrator");
    CS_TRY(need(o, "organization", &slug, err));
    CS_TRY(need(o, "name", &name, err));
    CS_TRY(need(o, "administrator_email", &email, err));
    CS_TRY(need(o, "token_file", &token_file, err));
    CS_TRY(wiring_open(g, o, err));
    const char *environment = cs_trust_environment(g->trust);
    cs_entity_id(environment, "organization", "", slug, s->organization);
    cs_entity_id(environment, "user", s->organization, admin, s->user);
    cs_entity_id(environment, "token", s->user, "bootstrap", s->token);
    CS_TRY(organization(s, slug, name, err));
    CS_TRY(administrator(s, admin, email, err));
    CS_TRY(make_token(s, err));
    const struct config_person person = {
        .user_id = s->user, .name = cs_option_text(o, "administrator_name"), .email = email};
    CS_TRY(write_all(g, s, &person, token_file, err));
    printf("organization %s\nadministrator %s\ntoken in %s\n", s->organization, s->user,
           token_file);
    return CS_OK;
}

static int run_purge(const struct cs_options *o)
{
    struct gateway g = {0};
    struct cs_err err = {0};
    enum cs_rc rc = wiring_open(&g, o, &err);
    if (rc == CS_OK)
        rc = purge_run(&g, &err);
    if (rc != CS_OK)
        fprintf(stderr, "countersign-gateway purge: %s\n", err.msg);
    wiring_close(&g);
    return rc == CS_OK ? 0 : 1;
}

static int run_bootstrap(const struct cs_options *o)
{
    struct gateway g = {0};
    struct setup s = {.a = cs_arena_new(1 << 20)};
    struct cs_err err = {0};
    const enum cs_rc rc = s.a == NULL ? CS_NOMEM : bootstrap(&g, &s, o, &err);
    if (rc != CS_OK)
        fprintf(stderr, "countersign-gateway bootstrap: %s\n", err.msg);
    wiring_close(&g);
    cs_arena_free(s.a);
    return rc == CS_OK ? 0 : 1;
}

int gateway_command(const struct cs_options *o, const char *const *words, size_t n)
{
    if (n == 1 && strcmp(words[0], "bootstrap") == 0)
        return run_bootstrap(o);
    if (n == 1 && strcmp(words[0], "purge") == 0)
        return run_purge(o);
    fprintf(stderr, "countersign-gateway: the commands are 'bootstrap' and 'purge'\n");
    return 2;
}
