/* Reads and writes a trust directory; see trust_store.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "trust_store.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "trust/trust.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ARENA = 4 << 20, PATH_ROOM = 600 };

void trust_store_done(struct trust_store *s)
{
    cs_signing_key_free(s->root);
    cs_arena_free(s->arena);
    *s = (struct trust_store){0};
}

static enum cs_rc begin(struct trust_store *s, const char *directory, struct cs_err *err)
{
    *s = (struct trust_store){.directory = directory, .arena = cs_arena_new(ARENA)};
    cs__trust__registry__init(&s->registry);
    return s->arena != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc path_in(const struct trust_store *s, const char *name, char out[PATH_ROOM],
                          struct cs_err *err)
{
    return cs_strf(out, PATH_ROOM, err, "%s/%s", s->directory, name);
}

enum cs_rc trust_store_create(struct trust_store *s, const char *directory, const char *environment,
                              struct cs_err *err)
{
    CS_AUTO_BUF line = CS_BUF_INIT(512);
    char path[PATH_ROOM];
    struct stat st;
    CS_TRY(begin(s, directory, err));
    CS_TRY(cs_mkdir_p(directory, 0755, err));
    CS_TRY(path_in(s, "root.pub", path, err));
    if (stat(path, &st) == 0)
        return cs_err_set(err, CS_EXISTS, "%s is there already: one directory, one trust root",
                          path);
    s->root = cs_signing_key_generate();
    s->registry.environment = cs_arena_strdup(s->arena, environment);
    if (s->root == NULL || s->registry.environment == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_trust_root_format(environment, cs_signing_key_public(s->root), &line, err));
    CS_TRY(path_in(s, "root.key", path, err));
    CS_TRY(cs_signing_key_save(s->root, path, getenv("COUNTERSIGN_ROOT_PASSPHRASE"), err));
    CS_TRY(path_in(s, "root.pub", path, err));
    return cs_file_write_atomic(path, line.ptr, line.len, 0644, err);
}

/* The registry's payload, once its signature was checked. */
static enum cs_rc read_registry(struct trust_store *s, const struct cs_trust *t, struct cs_err *err)
{
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    const struct cs_bytes e = cs_trust_registry_envelope(t);
    const void *copy = cs_arena_memdup(s->arena, e.ptr, e.len);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_envelope_parse(cs_bytes(copy, e.len), 0, s->arena, &raw, err));
    CS_TRY(cs_message_unpack(&cs__trust__registry__descriptor, raw.payload, s->arena, &m, err));
    s->registry = *(const Cs__Trust__Registry *)m;
    return CS_OK;
}

enum cs_rc trust_store_open(struct trust_store *s, const char *directory, struct cs_err *err)
{
    CS_AUTO(cs_trust) t = NULL;
    char root[PATH_ROOM];
    char registry[PATH_ROOM];
    char key[PATH_ROOM];
    CS_TRY(begin(s, directory, err));
    CS_TRY(path_in(s, "root.pub", root, err));
    CS_TRY(path_in(s, "registry.bin", registry, err));
    CS_TRY(path_in(s, "root.key", key, err));
    CS_TRY(cs_trust_load(root, registry, &t, err));
    CS_TRY(cs_signing_key_load(key, getenv("COUNTERSIGN_ROOT_PASSPHRASE"), &s->root, err));
    return read_registry(s, t, err);
}

enum cs_rc trust_store_save(struct trust_store *s, struct cs_err *err)
{
    struct cs_bytes bytes;
    struct cs_bytes envelope;
    char path[PATH_ROOM];
    s->registry.version++;
    s->registry.created_at_ms = cs_now_ms();
    CS_TRY(cs_message_pack(&s->registry.base, s->arena, &bytes, err));
    const struct cs_payload payload = {.type = "cs.trust.Registry", .bytes = bytes};
    CS_TRY(cs_envelope_seal(s->root, &payload, 1, s->arena, &envelope, err));
    CS_TRY(path_in(s, "registry.bin", path, err));
    return cs_file_write_atomic(path, envelope.ptr, envelope.len, 0644, err);
}

/* A list of pointers with one more entry; NULL without memory or past the limit. */
static void *grown(struct trust_store *s, void *list, size_t n, void *entry)
{
    void **bigger = n >= TRUST_MAX_KEYS || entry == NULL
                        ? NULL
                        : cs_arena_alloc(s->arena, (n + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return NULL;
    if (n > 0)
        memcpy(bigger, list, n * sizeof(*bigger));
    bigger[n] = entry;
    return bigger;
}

static enum cs_rc full(struct cs_err *err)
{
    return cs_err_set(err, CS_LIMIT, "the registry holds at most %d entries of a kind",
                      TRUST_MAX_KEYS);
}

static char *key_id(struct trust_store *s, const uint8_t public_key[32])
{
    char id[CS_KEY_ID];
    cs_key_id(public_key, id);
    return cs_arena_strdup(s->arena, id);
}

enum cs_rc trust_store_add_service(struct trust_store *s, const uint8_t public_key[32],
                                   const char *role, const char *pool, struct cs_err *err)
{
    Cs__Trust__ServiceKey *k = cs_arena_alloc(s->arena, sizeof(*k));
    void *list = grown(s, s->registry.service_keys, s->registry.n_service_keys, k);
    if (list == NULL)
        return full(err);
    cs__trust__service_key__init(k);
    k->key_id = key_id(s, public_key);
    k->public_key.data = cs_arena_memdup(s->arena, public_key, 32);
    k->public_key.len = 32;
    k->role = cs_arena_strdup(s->arena, role);
    k->pool = cs_arena_strdup(s->arena, pool);
    k->not_before_ms = cs_now_ms();
    if (k->key_id == NULL || k->public_key.data == NULL || k->role == NULL || k->pool == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->registry.service_keys = list;
    s->registry.n_service_keys++;
    return CS_OK;
}

enum cs_rc trust_store_add_administrator(struct trust_store *s, const uint8_t public_key[32],
                                         const char *name, const char *organization_id,
                                         struct cs_err *err)
{
    Cs__Trust__AdministratorKey *k = cs_arena_alloc(s->arena, sizeof(*k));
    void *list = grown(s, s->registry.administrator_keys, s->registry.n_administrator_keys, k);
    if (list == NULL)
        return full(err);
    cs__trust__administrator_key__init(k);
    k->key_id = key_id(s, public_key);
    k->public_key.data = cs_arena_memdup(s->arena, public_key, 32);
    k->public_key.len = 32;
    k->name = cs_arena_strdup(s->arena, name);
    k->organization_id = cs_arena_strdup(s->arena, organization_id);
    k->not_before_ms = cs_now_ms();
    if (k->key_id == NULL || k->public_key.data == NULL || k->name == NULL ||
        k->organization_id == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->registry.administrator_keys = list;
    s->registry.n_administrator_keys++;
    return CS_OK;
}

static Cs__Trust__Floor *floor_copy(struct trust_store *s, const Cs__Trust__Floor *floor)
{
    return cs_arena_memdup(s->arena, floor, sizeof(*floor));
}

enum cs_rc trust_store_set_pool_floor(struct trust_store *s, const char *pool,
                                      const Cs__Trust__Floor *floor, struct cs_err *err)
{
    Cs__Trust__Registry *r = &s->registry;
    for (size_t i = 0; i < r->n_pool_floors; i++) {
        if (strcmp(r->pool_floors[i]->pool, pool) == 0) {
            r->pool_floors[i]->floor = floor_copy(s, floor);
            return CS_OK;
        }
    }
    Cs__Trust__PoolFloor *f = cs_arena_alloc(s->arena, sizeof(*f));
    void *list = grown(s, r->pool_floors, r->n_pool_floors, f);
    if (list == NULL)
        return full(err);
    cs__trust__pool_floor__init(f);
    f->pool = cs_arena_strdup(s->arena, pool);
    f->floor = floor_copy(s, floor);
    r->pool_floors = list;
    r->n_pool_floors++;
    return CS_OK;
}

static Cs__Trust__KeyFloor *key_floor(struct trust_store *s, const uint8_t spki_sha256[32])
{
    Cs__Trust__Registry *r = &s->registry;
    for (size_t i = 0; i < r->n_key_floors; i++) {
        const ProtobufCBinaryData *have = &r->key_floors[i]->spki_sha256;
        if (have->len == 32 && memcmp(have->data, spki_sha256, 32) == 0)
            return r->key_floors[i];
    }
    return NULL;
}

enum cs_rc trust_store_set_key_floor(struct trust_store *s, const uint8_t spki_sha256[32],
                                     const char *organization_id, const char *label,
                                     const Cs__Trust__Floor *floor, struct cs_err *err)
{
    Cs__Trust__Registry *r = &s->registry;
    Cs__Trust__KeyFloor *f = key_floor(s, spki_sha256);
    if (f == NULL) {
        f = cs_arena_alloc(s->arena, sizeof(*f));
        void *list = grown(s, r->key_floors, r->n_key_floors, f);
        if (list == NULL)
            return full(err);
        cs__trust__key_floor__init(f);
        f->spki_sha256.data = cs_arena_memdup(s->arena, spki_sha256, 32);
        f->spki_sha256.len = 32;
        r->key_floors = list;
        r->n_key_floors++;
    }
    f->organization_id = cs_arena_strdup(s->arena, organization_id);
    f->label = cs_arena_strdup(s->arena, label);
    f->floor = floor_copy(s, floor);
    if (f->spki_sha256.data == NULL || f->organization_id == NULL || f->label == NULL ||
        f->floor == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return CS_OK;
}
