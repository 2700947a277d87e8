/* The configuration in memory; see config_view.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config_view.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 1024, PARSE_ARENA = 4 << 20 };

struct node {
    struct node *next;
    struct view_entity e; /* body owned, message NULL */
    uint8_t token_sha256[32];
};

struct view {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct node *buckets[BUCKETS];
    bool complete;
};

struct view *view_new(void)
{
    pthread_condattr_t attr;
    struct view *v = cs_calloc(1, sizeof(*v));
    if (v == NULL)
        return NULL;
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &attr);
    pthread_condattr_destroy(&attr);
    return v;
}

static void free_body(struct view_entity *e)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = e->body.ptr};
    cs_free(u.out);
    e->body = (struct cs_bytes){0};
}

void view_free(struct view *v)
{
    for (size_t i = 0; v != NULL && i < BUCKETS; i++) {
        while (v->buckets[i] != NULL) {
            struct node *n = v->buckets[i];
            v->buckets[i] = n->next;
            free_body(&n->e);
            cs_free(n);
        }
    }
    if (v != NULL) {
        pthread_cond_destroy(&v->changed);
        pthread_mutex_destroy(&v->lock);
    }
    cs_free(v);
}

static size_t bucket_of(const char *id)
{
    uint32_t h = 2166136261U;
    for (; *id != '\0'; id++)
        h = (h ^ (uint8_t)*id) * 16777619U;
    return h % BUCKETS;
}

static struct node *find_node(const struct view *v, const char *id)
{
    struct node *n = v->buckets[bucket_of(id)];
    while (n != NULL && strcmp(n->e.id, id) != 0)
        n = n->next;
    return n;
}

const ProtobufCMessageDescriptor *view_descriptor(Cs__Config__EntityKind kind)
{
    static const ProtobufCMessageDescriptor *const all[] = {
        NULL,
        &cs__config__organization__descriptor,
        &cs__config__user__descriptor,
        &cs__config__token__descriptor,
        &cs__config__certificate__descriptor,
        &cs__config__project__descriptor,
        &cs__config__artifact_configuration__descriptor,
        &cs__config__signing_policy__descriptor};
    const size_t i = (size_t)kind;
    return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

const char *view_slug(const struct view_entity *e)
{
    switch ((int)e->kind) {
    case CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION:
        return ((const Cs__Config__Organization *)e->message)->slug;
    case CS__CONFIG__ENTITY_KIND__ENTITY_USER:
        return ((const Cs__Config__User *)e->message)->slug;
    case CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN:
        return ((const Cs__Config__Token *)e->message)->name;
    case CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE:
        return ((const Cs__Config__Certificate *)e->message)->slug;
    case CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT:
        return ((const Cs__Config__Project *)e->message)->slug;
    case CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION:
        return ((const Cs__Config__ArtifactConfiguration *)e->message)->slug;
    case CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY:
        return ((const Cs__Config__SigningPolicy *)e->message)->slug;
    default:
        return "";
    }
}

const char *view_parent(const struct view_entity *e)
{
    switch ((int)e->kind) {
    case CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION:
        return "";
    case CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN:
        return ((const Cs__Config__Token *)e->message)->user_id;
    case CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION:
        return ((const Cs__Config__ArtifactConfiguration *)e->message)->project_id;
    case CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY:
        return ((const Cs__Config__SigningPolicy *)e->message)->project_id;
    default:
        return e->organization;
    }
}

static void store_locked(struct view *v, struct node *n)
{
    struct node *old = find_node(v, n->e.id);
    const size_t b = bucket_of(n->e.id);
    if (old == NULL) {
        n->next = v->buckets[b];
        v->buckets[b] = n;
    } else if (n->e.revision > old->e.revision) {
        free_body(&old->e);
        n->next = old->next;
        *old = *n;
        cs_free(n);
    } else {
        free_body(&n->e);
        cs_free(n);
    }
    pthread_cond_broadcast(&v->changed);
}

static enum cs_rc fill(struct node *n, const Cs__Config__ConfigChanged *m, struct cs_arena *a,
                       struct cs_err *err)
{
    ProtobufCMessage *parsed = NULL;
    const ProtobufCMessageDescriptor *d = view_descriptor(m->kind);
    if (d == NULL || !cs_uuid_valid(m->entity_id) || !cs_uuid_valid(m->organization_id))
        return cs_err_code(err, CS_INVALID, "config.malformed", "an entity of unknown kind or id");
    CS_TRY(cs_message_unpack(d, cs_bytes(m->body.data, m->body.len), a, &parsed, err));
    n->e.kind = m->kind;
    n->e.revision = m->revision;
    n->e.deleted = m->deleted;
    memcpy(n->e.id, m->entity_id, sizeof(n->e.id));
    memcpy(n->e.organization, m->organization_id, sizeof(n->e.organization));
    n->e.message = parsed;
    CS_TRY(cs_strf(n->e.slug, sizeof(n->e.slug), err, "%s", view_slug(&n->e)));
    CS_TRY(cs_strf(n->e.parent, sizeof(n->e.parent), err, "%s", view_parent(&n->e)));
    if (m->kind == CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN) {
        const ProtobufCBinaryData *sha = &((const Cs__Config__Token *)parsed)->sha256;
        if (sha->len == sizeof(n->token_sha256))
            memcpy(n->token_sha256, sha->data, sha->len);
    }
    n->e.message = NULL;
    const void *copy = cs_memdup(m->body.data, m->body.len);
    if (copy == NULL && m->body.len > 0)
        return cs_err_set(err, CS_NOMEM, "no memory");
    n->e.body = cs_bytes(copy, m->body.len);
    return CS_OK;
}

enum cs_rc view_apply(struct view *v, const Cs__Config__ConfigChanged *m, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(PARSE_ARENA);
    struct node *n = cs_calloc(1, sizeof(*n));
    if (a == NULL || n == NULL) {
        cs_free(n);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    const enum cs_rc rc = fill(n, m, a, err);
    if (rc != CS_OK) {
        cs_free(n);
        return rc;
    }
    pthread_mutex_lock(&v->lock);
    store_locked(v, n);
    pthread_mutex_unlock(&v->lock);
    return CS_OK;
}

void view_set_complete(struct view *v)
{
    pthread_mutex_lock(&v->lock);
    v->complete = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

bool view_complete(struct view *v)
{
    pthread_mutex_lock(&v->lock);
    const bool complete = v->complete;
    pthread_mutex_unlock(&v->lock);
    return complete;
}

bool view_wait(struct view *v, const char *entity_id, uint64_t revision, int timeout_ms)
{
    struct timespec until;
    bool there = false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    pthread_mutex_lock(&v->lock);
    for (int rc = 0; rc == 0;) {
        const struct node *n = find_node(v, entity_id);
        there = n != NULL && n->e.revision >= revision;
        if (there)
            break;
        rc = pthread_cond_timedwait(&v->changed, &v->lock, &until);
    }
    pthread_mutex_unlock(&v->lock);
    return there;
}

/* Under the lock: a copy of bytes; parsed by the caller after it. */
static enum cs_rc copy_out(const struct node *n, struct cs_arena *a, struct view_entity *out)
{
    *out = n->e;
    const void *copy = cs_arena_memdup(a, n->e.body.ptr, n->e.body.len);
    out->body = cs_bytes(copy, n->e.body.len);
    return copy == NULL && n->e.body.len > 0 ? CS_NOMEM : CS_OK;
}

static enum cs_rc parse(struct view_entity *e, struct cs_arena *a, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(view_descriptor(e->kind), e->body, a, &m, err));
    e->message = m;
    return CS_OK;
}

static enum cs_rc answer(enum cs_rc rc, struct cs_arena *a, struct view_entity *out,
                         struct cs_err *err)
{
    if (rc == CS_NOT_FOUND)
        return cs_err_set(err, rc, "no such entity");
    if (rc != CS_OK)
        return cs_err_set(err, rc, "no memory");
    return parse(out, a, err);
}

enum cs_rc view_get(struct view *v, Cs__Config__EntityKind kind, const char *id, bool deleted_too,
                    struct cs_arena *a, struct view_entity *out, struct cs_err *err)
{
    enum cs_rc rc = CS_NOT_FOUND;
    pthread_mutex_lock(&v->lock);
    const struct node *n = find_node(v, id);
    if (n != NULL && n->e.kind == kind && (deleted_too || !n->e.deleted))
        rc = copy_out(n, a, out);
    pthread_mutex_unlock(&v->lock);
    return answer(rc, a, out, err);
}

enum cs_rc view_find(struct view *v, Cs__Config__EntityKind kind, const char *parent,
                     const char *slug, struct cs_arena *a, struct view_entity *out,
                     struct cs_err *err)
{
    enum cs_rc rc = CS_NOT_FOUND;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < BUCKETS && rc == CS_NOT_FOUND; i++) {
        for (const struct node *n = v->buckets[i]; n != NULL && rc == CS_NOT_FOUND; n = n->next) {
            if (n->e.kind == kind && !n->e.deleted && strcmp(n->e.parent, parent) == 0 &&
                strcmp(n->e.slug, slug) == 0)
                rc = copy_out(n, a, out);
        }
    }
    pthread_mutex_unlock(&v->lock);
    return answer(rc, a, out, err);
}

enum cs_rc view_token(struct view *v, struct cs_bytes sha256, struct cs_arena *a,
                      struct view_entity *out, struct cs_err *err)
{
    enum cs_rc rc = CS_NOT_FOUND;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < BUCKETS && rc == CS_NOT_FOUND; i++) {
        for (const struct node *n = v->buckets[i]; n != NULL && rc == CS_NOT_FOUND; n = n->next) {
            if (n->e.kind == CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN && !n->e.deleted &&
                cs_bytes_eq(cs_bytes(n->token_sha256, sizeof(n->token_sha256)), sha256))
                rc = copy_out(n, a, out);
        }
    }
    pthread_mutex_unlock(&v->lock);
    return answer(rc, a, out, err);
}

static bool listed(const struct node *n, const char *organization, Cs__Config__EntityKind kind)
{
    return strcmp(n->e.organization, organization) == 0 &&
           (kind == CS__CONFIG__ENTITY_KIND__ENTITY_UNSPECIFIED || kind == n->e.kind);
}

enum cs_rc view_list(struct view *v, const char *organization, Cs__Config__EntityKind kind,
                     struct cs_arena *a, struct view_entity **out, size_t *n, struct cs_err *err)
{
    enum cs_rc rc = CS_OK;
    size_t count = 0;
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct node *k = v->buckets[i]; k != NULL; k = k->next)
            count += listed(k, organization, kind);
    *out = cs_arena_alloc(a, (count + 1) * sizeof(**out));
    *n = 0;
    rc = *out == NULL ? CS_NOMEM : CS_OK;
    for (size_t i = 0; i < BUCKETS && rc == CS_OK; i++) {
        for (const struct node *k = v->buckets[i]; k != NULL && rc == CS_OK; k = k->next) {
            if (listed(k, organization, kind))
                rc = copy_out(k, a, &(*out)[(*n)++]);
        }
    }
    pthread_mutex_unlock(&v->lock);
    if (rc != CS_OK)
        return cs_err_set(err, rc, "no memory");
    for (size_t i = 0; i < *n; i++)
        CS_TRY(parse(&(*out)[i], a, err));
    return CS_OK;
}
