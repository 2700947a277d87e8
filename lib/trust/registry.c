/* Loads the registry under the root key; see trust.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "trust/trust.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"

#include "proto/trust.pb-c.h"

#include <string.h>

enum { REGISTRY_ARENA = 1 << 20 };
static const char root_head[] = "countersign-trust-root:v1:";

struct cs_trust {
    struct cs_arena *arena;
    struct cs_bytes envelope;
    const Cs__Trust__Registry *registry;
};

void cs_trust_free(struct cs_trust *t)
{
    if (t == NULL)
        return;
    cs_arena_free(t->arena);
    cs_free(t);
}

void cs_trust_freep(struct cs_trust **t)
{
    cs_trust_free(*t);
    *t = NULL;
}

enum cs_rc cs_trust_root_format(const char *environment,
                                const uint8_t public_key[CS_ED25519_PUBLIC], struct cs_buf *out,
                                struct cs_err *err)
{
    if (!cs_slug_valid(environment))
        return cs_err_code(err, CS_INVALID, "trust.malformed",
                           "environment '%s': 1 to 100 of a-z 0-9 . _ - expected", environment);
    CS_AUTO_STR key = cs_base64url_encode(public_key, CS_ED25519_PUBLIC);
    if (key == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return cs_buf_addf(out, err, "%s%s:%s\n", root_head, environment, key);
}

struct root {
    char environment[101];
    uint8_t public_key[CS_ED25519_PUBLIC];
};

static enum cs_rc parse_root(struct cs_bytes text, struct root *out, struct cs_err *err)
{
    char line[512];
    CS_AUTO_BUF raw = CS_BUF_INIT(256);
    if (text.len >= sizeof(line))
        return cs_err_code(err, CS_INVALID, "trust.malformed", "too long to be a trust root file");
    memcpy(line, text.ptr, text.len);
    line[text.len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    const size_t head = sizeof(root_head) - 1;
    char *colon = strrchr(line, ':');
    if (!cs_str_starts(line, root_head) || colon == NULL || colon < line + head)
        return cs_err_code(err, CS_INVALID, "trust.malformed",
                           "not a trust root file (it starts with '%s')", root_head);
    *colon = '\0';
    CS_TRY(cs_strf(out->environment, sizeof(out->environment), err, "%s", line + head));
    CS_TRY(cs_base64url_decode(colon + 1, strlen(colon + 1), &raw, err));
    if (raw.len != sizeof(out->public_key))
        return cs_err_code(err, CS_INVALID, "trust.malformed", "the root key has %zu bytes, not 32",
                           raw.len);
    memcpy(out->public_key, raw.ptr, raw.len);
    return CS_OK;
}

static enum cs_rc check_keys(const Cs__Trust__Registry *r, struct cs_err *err)
{
    for (size_t i = 0; i < r->n_service_keys; i++) {
        const Cs__Trust__ServiceKey *k = r->service_keys[i];
        char id[CS_KEY_ID];
        if (k->public_key.len != CS_ED25519_PUBLIC || cs_role_parse(k->role) == CS_ROLE_NONE)
            return cs_err_code(err, CS_INVALID, "trust.malformed", "service key %zu", i);
        cs_key_id(k->public_key.data, id);
        if (strcmp(id, k->key_id) != 0)
            return cs_err_code(err, CS_INVALID, "trust.malformed", "service key %s: wrong id",
                               k->key_id);
    }
    for (size_t i = 0; i < r->n_administrator_keys; i++) {
        const Cs__Trust__AdministratorKey *k = r->administrator_keys[i];
        if (k->public_key.len != CS_ED25519_PUBLIC)
            return cs_err_code(err, CS_INVALID, "trust.malformed", "administrator key %zu", i);
    }
    return CS_OK;
}

static enum cs_rc open_registry(struct cs_trust *t, const struct root *root, struct cs_err *err)
{
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_envelope_parse(t->envelope, 0, t->arena, &raw, err));
    if (strcmp(raw.type, "cs.trust.Registry") != 0)
        return cs_err_code(err, CS_INVALID, "trust.malformed", "'%s' is not a registry", raw.type);
    if (CS_GUARD("registry-signature") && !cs_envelope_check(&raw, root->public_key))
        return cs_err_code(err, CS_DENIED, "trust.bad_signature",
                           "the registry is not signed by this root key");
    CS_TRY(cs_message_unpack(&cs__trust__registry__descriptor, raw.payload, t->arena, &m, err));
    t->registry = (const Cs__Trust__Registry *)m;
    if (strcmp(t->registry->environment, root->environment) != 0)
        return cs_err_code(err, CS_INVALID, "trust.other_environment",
                           "the registry is for '%s', the root for '%s'", t->registry->environment,
                           root->environment);
    return check_keys(t->registry, err);
}

enum cs_rc cs_trust_parse(struct cs_bytes root_text, struct cs_bytes registry_envelope,
                          struct cs_trust **out, struct cs_err *err)
{
    struct root root;
    CS_AUTO(cs_trust) t = cs_calloc(1, sizeof(*t));
    CS_TRY(parse_root(root_text, &root, err));
    if (t == NULL || (t->arena = cs_arena_new(REGISTRY_ARENA)) == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for the registry");
    void *copy = cs_arena_memdup(t->arena, registry_envelope.ptr, registry_envelope.len);
    if (copy == NULL)
        return cs_err_code(err, CS_LIMIT, "trust.malformed", "the registry is too large");
    t->envelope = cs_bytes(copy, registry_envelope.len);
    CS_TRY(open_registry(t, &root, err));
    *out = CS_STEAL(t);
    return CS_OK;
}

enum cs_rc cs_trust_load(const char *root_path, const char *registry_path, struct cs_trust **out,
                         struct cs_err *err)
{
    CS_AUTO_BUF root = CS_BUF_INIT(4096);
    CS_AUTO_BUF registry = CS_BUF_INIT(CS_ENVELOPE_MAX);
    CS_TRY(cs_file_read(root_path, &root, err));
    CS_TRY(cs_file_read(registry_path, &registry, err));
    if (cs_trust_parse(cs_buf_view(&root), cs_buf_view(&registry), out, err) != CS_OK)
        return cs_err_wrap(err, "%s", registry_path);
    return CS_OK;
}

const char *cs_trust_environment(const struct cs_trust *t)
{
    return t->registry->environment;
}

uint64_t cs_trust_version(const struct cs_trust *t)
{
    return t->registry->version;
}

int64_t cs_trust_created_at_ms(const struct cs_trust *t)
{
    return t->registry->created_at_ms;
}

struct cs_bytes cs_trust_registry_envelope(const struct cs_trust *t)
{
    return t->envelope;
}

struct validity {
    int64_t not_before_ms;
    int64_t not_after_ms;
    int64_t revoked_at_ms;
};

static enum cs_rc check_validity(const char *key_id, const struct validity *v, int64_t at_ms,
                                 struct cs_err *err)
{
    if (v->revoked_at_ms != 0 && at_ms >= v->revoked_at_ms)
        return cs_err_code(err, CS_DENIED, "trust.revoked_key", "key %s was revoked", key_id);
    if (at_ms < v->not_before_ms || (v->not_after_ms != 0 && at_ms >= v->not_after_ms))
        return cs_err_code(err, CS_DENIED, "trust.expired_key",
                           "key %s was not valid at the time of the event", key_id);
    return CS_OK;
}

static void service_key_value(const Cs__Trust__ServiceKey *k, struct cs_trust_key *out)
{
    *out = (struct cs_trust_key){
        .role = cs_role_parse(k->role), .pool = k->pool, .organization = "", .name = k->role};
    memcpy(out->public_key, k->public_key.data, sizeof(out->public_key));
}

bool cs_trust_service_key_at(const struct cs_trust *t, size_t i, struct cs_trust_key *out)
{
    if (i >= t->registry->n_service_keys)
        return false;
    service_key_value(t->registry->service_keys[i], out);
    return true;
}

enum cs_rc cs_trust_service_key(const struct cs_trust *t, const char *key_id, int64_t at_ms,
                                struct cs_trust_key *out, struct cs_err *err)
{
    for (size_t i = 0; i < t->registry->n_service_keys; i++) {
        const Cs__Trust__ServiceKey *k = t->registry->service_keys[i];
        if (strcmp(k->key_id, key_id) != 0)
            continue;
        const struct validity v = {k->not_before_ms, k->not_after_ms, k->revoked_at_ms};
        CS_TRY(check_validity(key_id, &v, at_ms, err));
        service_key_value(k, out);
        return CS_OK;
    }
    return cs_err_code(err, CS_DENIED, "trust.unknown_key", "key %.32s is not in the registry",
                       key_id);
}

enum cs_rc cs_trust_administrator_key(const struct cs_trust *t, const char *key_id, int64_t at_ms,
                                      struct cs_trust_key *out, struct cs_err *err)
{
    for (size_t i = 0; i < t->registry->n_administrator_keys; i++) {
        const Cs__Trust__AdministratorKey *k = t->registry->administrator_keys[i];
        if (strcmp(k->key_id, key_id) != 0)
            continue;
        const struct validity v = {k->not_before_ms, k->not_after_ms, k->revoked_at_ms};
        CS_TRY(check_validity(key_id, &v, at_ms, err));
        *out = (struct cs_trust_key){
            .role = CS_ROLE_NONE, .pool = "", .organization = k->organization_id, .name = k->name};
        memcpy(out->public_key, k->public_key.data, sizeof(out->public_key));
        return CS_OK;
    }
    return cs_err_code(err, CS_DENIED, "trust.unknown_key",
                       "administrator key %.32s is not in the registry", key_id);
}

static struct cs_floor floor_value(const Cs__Trust__Floor *f)
{
    if (f == NULL) /* an absent floor demands everything rather than nothing */
        return (struct cs_floor){.min_quorum = ~0U,
                                 .min_assurance = CS__TRUST__ASSURANCE__ASSURANCE_PASSKEY,
                                 .administrator_signatures = ~0U};
    return (struct cs_floor){.min_quorum = f->min_quorum,
                             .min_assurance = (int)f->min_assurance,
                             .hash_signing_allowed = f->hash_signing_allowed != 0,
                             .administrator_signatures = f->administrator_signatures};
}

enum cs_rc cs_trust_floor(const struct cs_trust *t, const char *organization_id, const char *pool,
                          struct cs_bytes spki_sha256, struct cs_floor *out, struct cs_err *err)
{
    for (size_t i = 0; i < t->registry->n_key_floors; i++) {
        const Cs__Trust__KeyFloor *k = t->registry->key_floors[i];
        if (!cs_bytes_eq(cs_bytes(k->spki_sha256.data, k->spki_sha256.len), spki_sha256))
            continue;
        if (CS_GUARD("floor-organization") && strcmp(k->organization_id, organization_id) != 0)
            return cs_err_code(err, CS_DENIED, "trust.other_organization",
                               "signing key '%s' belongs to another organisation", k->label);
        *out = floor_value(k->floor);
        return CS_OK;
    }
    for (size_t i = 0; i < t->registry->n_pool_floors; i++) {
        if (strcmp(t->registry->pool_floors[i]->pool, pool) == 0) {
            *out = floor_value(t->registry->pool_floors[i]->floor);
            return CS_OK;
        }
    }
    return cs_err_code(err, CS_DENIED, "trust.no_floor",
                       "neither the key nor the pool '%s' has a floor in the registry", pool);
}
