/* Revisions into the database and onto cs.config; see config_writer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config_writer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "config_view.h"
#include "crypto/hash.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ARENA = 64 << 20, ACK_MS = 10000, PERSON_KEY = 32 };

struct config_writer {
    struct config_writer_options o;
    pthread_mutex_t lock; /* one writer at a time: numbers and records in one order */
    char boot_id[CS_UUID_TEXT];
    uint64_t sequence; /* of cs.config, last committed */
};

struct config_writer *config_writer_new(const struct config_writer_options *o)
{
    struct config_writer *w = cs_calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->o = *o;
    pthread_mutex_init(&w->lock, NULL);
    cs_uuid_random(w->boot_id);
    return w;
}

void config_writer_free(struct config_writer *w)
{
    if (w != NULL)
        pthread_mutex_destroy(&w->lock);
    cs_free(w);
}

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

/* One change, or the registry, on its way. */
struct sealed {
    struct cs_bytes envelope;
    const char *key;
    const char *event_id;
};

static enum cs_rc seal(struct config_writer *w, ProtobufCMessage *m, Cs__Common__Header *h,
                       const char *key, uint64_t revision, uint64_t sequence, struct cs_arena *a,
                       struct sealed *out, struct cs_err *err)
{
    struct cs_bytes bytes;
    char *event_id = cs_arena_alloc(a, CS_UUID_TEXT);
    if (event_id == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_event_id_derive(key, m->descriptor->name, revision, event_id);
    cs__common__header__init(h);
    h->event_id = event_id;
    h->event_type = text(m->descriptor->name);
    h->environment = text(cs_trust_environment(w->o.trust));
    h->aggregate_id = text(key);
    h->aggregate_sequence = revision;
    h->producer_id = text("gateway");
    h->instance_id = text(w->o.instance);
    h->boot_id = w->boot_id;
    h->boot_sequence = sequence;
    h->topic = text("cs.config");
    h->occurred_at_ms = cs_now_ms();
    h->schema_version = CS_SCHEMA_VERSION;
    h->min_reader_version = 1;
    CS_TRY(cs_message_pack(m, a, &bytes, err));
    const struct cs_payload payload = {.type = m->descriptor->name, .bytes = bytes};
    out->key = key;
    out->event_id = event_id;
    return cs_envelope_seal(w->o.key, &payload, 1, a, &out->envelope, err);
}

static enum cs_rc enqueue(struct cs_db *db, const struct sealed *s, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT("cs.config"), CS_VT(s->key), CS_VB(s->envelope)};
    return cs_db_exec(db, "INSERT INTO config_outbox(topic, record_key, envelope) VALUES(?,?,?)", v,
                      3, NULL, err);
}

static enum cs_rc insert_revision(struct cs_db *db, const Cs__Config__ConfigChanged *m,
                                  const struct sealed *s, struct cs_arena *a, struct cs_err *err)
{
    struct view_entity e = {.kind = m->kind};
    ProtobufCMessage *body = NULL;
    const struct cs_value id[] = {CS_VT(m->entity_id), CS_VI(m->revision - 1)};
    const struct cs_bytes bytes = cs_bytes(m->body.data, m->body.len);
    uint64_t affected = 0;
    CS_TRY(cs_message_unpack(view_descriptor(m->kind), bytes, a, &body, err));
    e.message = body;
    memcpy(e.organization, m->organization_id, CS_UUID_TEXT);
    if (m->revision > 1) {
        CS_TRY(cs_db_exec(db,
                          "UPDATE config_revisions SET is_head=NULL WHERE entity_id=? AND "
                          "revision=? AND is_head",
                          id, 2, &affected, err));
        if (affected != 1)
            return cs_err_code(err, CS_CONFLICT, "config.revision",
                               "revision %llu of %s is not the next one: somebody else changed it",
                               (unsigned long long)m->revision, view_slug(&e));
    }
    const struct cs_value v[] = {
        CS_VT(m->entity_id), CS_VI(m->revision),   CS_VT(m->organization_id),
        CS_VI(m->kind),      CS_VT(view_slug(&e)), CS_VT(view_parent(&e)),
        CS_VB(bytes),        CS_VB(s->envelope),   CS_VT(s->event_id),
        CS_VI(m->deleted),   CS_VI(cs_now_ms())};
    const enum cs_rc rc = cs_db_exec(
        db,
        "INSERT INTO config_revisions(entity_id, revision, organization_id, kind, slug, parent_id, "
        "body, envelope, event_id, deleted, is_head, created_at_ms) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,TRUE,?)",
        v, sizeof(v) / sizeof(v[0]), NULL, err);
    if (rc == CS_EXISTS)
        return cs_err_code(err, CS_CONFLICT, "config.revision",
                           "revision %llu of %s exists already: somebody else changed it",
                           (unsigned long long)m->revision, view_slug(&e));
    return rc;
}

static enum cs_rc upsert_person(struct cs_db *db, const struct config_person *p, struct cs_err *err)
{
    uint8_t key[PERSON_KEY];
    cs_random(key, sizeof(key));
    const struct cs_value v[] = {CS_VT(p->user_id), CS_VT(p->name), CS_VT(p->email),
                                 CS_VB(cs_bytes(key, sizeof(key)))};
    return cs_db_exec(db,
                      "INSERT INTO users_private(user_id, name, email, person_key) VALUES(?,?,?,?) "
                      "ON DUPLICATE KEY UPDATE name=VALUES(name), email=VALUES(email)",
                      v, 4, NULL, err);
}

/* The outbox, oldest first; what was acknowledged goes. */
static enum cs_rc relay_locked(struct config_writer *w, struct cs_db *db, struct cs_arena *a,
                               struct cs_err *err)
{
    struct cs_rows rows;
    CS_TRY(cs_db_query(db, "SELECT id, topic, record_key, envelope FROM config_outbox ORDER BY id",
                       NULL, 0, a, &rows, err));
    for (size_t i = 0; i < rows.rows; i++) {
        const struct cs_publication e = {.topic = cs_cell_text(&rows, i, 1),
                                         .key = cs_cell_text(&rows, i, 2),
                                         .sealed_type = "cs.config",
                                         .sealed = cs_cell(&rows, i, 3),
                                         .sealed_partition = 0};
        const struct cs_value v[] = {CS_VI(cs_cell_int(&rows, i, 0))};
        CS_TRY(cs_publish_wait(w->o.publisher, &e, ACK_MS, err));
        CS_TRY(cs_db_exec(db, "DELETE FROM config_outbox WHERE id=?", v, 1, NULL, err));
    }
    return CS_OK;
}

static enum cs_rc write_all(struct config_writer *w, struct cs_db *db,
                            Cs__Config__ConfigChanged **changes, size_t n,
                            const struct config_person *people, size_t n_people, struct cs_arena *a,
                            struct cs_err *err)
{
    for (size_t i = 0; i < n_people; i++)
        CS_TRY(upsert_person(db, &people[i], err));
    for (size_t i = 0; i < n; i++) {
        struct sealed s;
        Cs__Common__Header h;
        changes[i]->header = &h;
        CS_TRY(seal(w, &changes[i]->base, &h, changes[i]->entity_id, changes[i]->revision,
                    w->sequence + i + 1, a, &s, err));
        changes[i]->header = NULL;
        CS_TRY(insert_revision(db, changes[i], &s, a, err));
        CS_TRY(enqueue(db, &s, err));
    }
    return CS_OK;
}

enum cs_rc config_writer_apply(struct config_writer *w, struct cs_db *db,
                               Cs__Config__ConfigChanged **changes, size_t n,
                               const struct config_person *people, size_t n_people,
                               struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(ARENA);
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    pthread_mutex_lock(&w->lock);
    enum cs_rc rc = cs_db_begin(db, err);
    if (rc == CS_OK) {
        rc = write_all(w, db, changes, n, people, n_people, a, err);
        if (rc == CS_OK)
            rc = cs_db_commit(db, err);
        if (rc != CS_OK)
            cs_db_rollback(db);
        else
            w->sequence += n;
    }
    if (rc == CS_OK)
        cs_ignore(relay_locked(w, db, a, NULL), "the rows wait for the next one");
    pthread_mutex_unlock(&w->lock);
    return rc;
}

enum cs_rc config_writer_relay(struct config_writer *w, struct cs_db *db, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(ARENA);
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    pthread_mutex_lock(&w->lock);
    const enum cs_rc rc = relay_locked(w, db, a, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

/* The registry's versions are kept like an entity's revisions, under a derived id. */
static enum cs_rc registry_known(struct cs_db *db, const char *id, uint64_t version,
                                 struct cs_arena *a, bool *out, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(id), CS_VI(version)};
    CS_TRY(cs_db_query(db, "SELECT 1 FROM config_revisions WHERE entity_id=? AND revision>=?", v, 2,
                       a, &rows, err));
    *out = rows.rows > 0;
    return CS_OK;
}

static enum cs_rc write_registry(struct config_writer *w, struct cs_db *db, const char *id,
                                 struct cs_arena *a, struct cs_err *err)
{
    Cs__Common__Header h;
    Cs__Config__RegistryPublished m = CS__CONFIG__REGISTRY_PUBLISHED__INIT;
    struct sealed s;
    const uint64_t version = cs_trust_version(w->o.trust);
    const struct cs_bytes e = cs_trust_registry_envelope(w->o.trust);
    m.header = &h;
    m.registry_envelope.data = cs_arena_memdup(a, e.ptr, e.len);
    m.registry_envelope.len = e.len;
    CS_TRY(seal(w, &m.base, &h, id, version, w->sequence + 1, a, &s, err));
    const struct cs_value old[] = {CS_VT(id)};
    CS_TRY(cs_db_exec(db, "UPDATE config_revisions SET is_head=NULL WHERE entity_id=?", old, 1,
                      NULL, err));
    const struct cs_value v[] = {CS_VT(id),         CS_VI(version),    CS_VT(id),         CS_VB(e),
                                 CS_VB(s.envelope), CS_VT(s.event_id), CS_VI(cs_now_ms())};
    CS_TRY(cs_db_exec(db,
                      "INSERT INTO config_revisions(entity_id, revision, organization_id, kind, "
                      "slug, body, envelope, event_id, is_head, created_at_ms) "
                      "VALUES(?,?,?,0,'registry',?,?,?,TRUE,?)",
                      v, 7, NULL, err));
    return enqueue(db, &s, err);
}

enum cs_rc config_writer_registry(struct config_writer *w, struct cs_db *db, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(ARENA);
    char id[CS_UUID_TEXT];
    bool known = false;
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_event_id_derive(cs_trust_environment(w->o.trust), "registry", 0, id);
    pthread_mutex_lock(&w->lock);
    enum cs_rc rc = registry_known(db, id, cs_trust_version(w->o.trust), a, &known, err);
    if (rc == CS_OK && !known)
        rc = cs_db_begin(db, err);
    if (rc == CS_OK && !known) {
        rc = write_registry(w, db, id, a, err);
        if (rc == CS_OK)
            rc = cs_db_commit(db, err);
        if (rc != CS_OK)
            cs_db_rollback(db);
        else
            w->sequence++;
    }
    if (rc == CS_OK)
        rc = relay_locked(w, db, a, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}
