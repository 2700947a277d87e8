/* GET and POST Configuration: configuration as code for administrators.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "config/artifact.h"
#include "config/schema.h"
#include "config_writer.h"
#include "core/authorize.h"
#include "requests.h"

#include <string.h>

enum {
    MAX_SIGNATURE = 128,
    MAX_CHANGES = 2000,
    MAX_BODY = 48 * 1024,
    MAX_SIGNATURES = 8,
    VIEW_MS = 5000
};

/* --- GET -------------------------------------------------------------------------------------- */

static void send_all(struct call *c)
{
    struct view_entity *all = NULL;
    struct cs_err err = {0};
    size_t n = 0;
    json_t *list = json_array();
    err.rc = view_list(c->g->view, c->route.organization,
                       CS__CONFIG__ENTITY_KIND__ENTITY_UNSPECIFIED, c->a, &all, &n, &err);
    if (err.rc != CS_OK) {
        json_decref(list);
        answer_error(c, &err);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        CS_AUTO_STR body = cs_base64_encode(all[i].body.ptr, all[i].body.len);
        if (body == NULL)
            continue;
        json_array_append_new(list, json_pack("{s:i,s:s,s:s,s:I,s:b,s:s}", "kind", (int)all[i].kind,
                                              "id", all[i].id, "slug", all[i].slug, "revision",
                                              (json_int_t)all[i].revision, "deleted",
                                              all[i].deleted, "body", body));
    }
    answer_json(
        c, 200,
        json_pack("{s:s,s:o}", "environment", cs_trust_environment(c->g->trust), "entities", list));
}

/* --- POST ------------------------------------------------------------------------------------- */

struct changes {
    Cs__Config__ConfigChanged *list[MAX_CHANGES];
    size_t n;
    struct config_person people[MAX_CHANGES];
    size_t n_people;
    json_t *errors; /* each bad entity, by name */
};

static void bad(struct changes *ch, const char *what, const char *why)
{
    json_t *list = json_object_get(ch->errors, what);
    if (list == NULL) {
        list = json_array();
        json_object_set_new(ch->errors, what, list);
    }
    json_array_append_new(list, json_string(why));
}

static bool decode(struct call *c, const char *text, size_t max, ProtobufCBinaryData *out)
{
    CS_AUTO_BUF b = CS_BUF_INIT(max);
    if (text == NULL || cs_base64_decode(text, strlen(text), &b, NULL) != CS_OK)
        return false;
    out->data = cs_arena_memdup(c->a, b.ptr, b.len);
    out->len = b.len;
    return out->data != NULL || b.len == 0;
}

static void read_signatures(struct call *c, json_t *from, Cs__Config__ConfigChanged *m)
{
    size_t i = 0;
    json_t *s = NULL;
    m->signatures = cs_arena_alloc(c->a, MAX_SIGNATURES * sizeof(*m->signatures));
    json_array_foreach(json_object_get(from, "signatures"), i, s)
    {
        Cs__Config__AdministratorSignature *sig = cs_arena_alloc(c->a, sizeof(*sig));
        const char *key_id = json_string_value(json_object_get(s, "keyId"));
        if (m->signatures == NULL || sig == NULL || key_id == NULL ||
            m->n_signatures == MAX_SIGNATURES)
            return;
        cs__config__administrator_signature__init(sig);
        sig->key_id = cs_arena_strdup(c->a, key_id);
        if (sig->key_id != NULL &&
            decode(c, json_string_value(json_object_get(s, "sig")), MAX_SIGNATURE, &sig->sig))
            m->signatures[m->n_signatures++] = sig;
    }
}

/* Checks what the body says of itself against the change around it. */
static const char *check_body(struct call *c, const struct view_entity *e, struct cs_err *err)
{
    if (strcmp(view_slug(e), "") == 0)
        return "it has no slug";
    if (e->kind == CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION) {
        struct cs_artifact parsed = {0};
        const Cs__Config__ArtifactConfiguration *m =
            (const Cs__Config__ArtifactConfiguration *)e->message;
        if (cs_artifact_validate(gw_bytes(&m->xml), err) != CS_OK ||
            cs_artifact_parse(gw_bytes(&m->xml), c->a, &parsed, err) != CS_OK)
            return err->msg;
    }
    if (e->kind == CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY) {
        const Cs__Config__SigningPolicy *p = (const Cs__Config__SigningPolicy *)e->message;
        if (p->quorum > p->n_approvers)
            return "the quorum is larger than the number of approvers";
        if (p->revision != e->revision)
            return "the revision in the body is not the one of the change";
        if (p->signing_ttl_s == 0 || (p->quorum > 0 && p->approval_ttl_s == 0))
            return "its times must be longer than 0 seconds";
    }
    return NULL;
}

static bool same_organization(const struct call *c, const struct view_entity *e)
{
    const char *organization = c->route.organization;
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(e->message->descriptor, 2);
    const char *const *have = NULL;
    if (e->kind == CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION)
        return strcmp(e->id, organization) == 0;
    const uint8_t *base = (const uint8_t *)e->message;
    have = (const char *const *)(const void *)(base + f->offset);
    return strcmp(*have, organization) == 0;
}

static const char *entity_id_of(const struct view_entity *e)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(e->message->descriptor, 1);
    const uint8_t *base = (const uint8_t *)e->message;
    return *(const char *const *)(const void *)(base + f->offset);
}

static void read_change(struct call *c, json_t *from, struct changes *ch)
{
    struct cs_err err = {0};
    struct view_entity e = {0};
    ProtobufCMessage *body = NULL;
    Cs__Config__ConfigChanged *m = cs_arena_alloc(c->a, sizeof(*m));
    const char *id = json_string_value(json_object_get(from, "id"));
    if (m == NULL || id == NULL || !cs_uuid_valid(id)) {
        bad(ch, "changes", "a change without a valid id");
        return;
    }
    cs__config__config_changed__init(m);
    m->kind = (Cs__Config__EntityKind)json_integer_value(json_object_get(from, "kind"));
    m->entity_id = cs_arena_strdup(c->a, id);
    m->organization_id = c->route.organization;
    m->revision = (uint64_t)json_integer_value(json_object_get(from, "revision"));
    m->deleted = json_is_true(json_object_get(from, "deleted"));
    m->changed_by = &c->who.id;
    if (view_descriptor(m->kind) == NULL || m->revision == 0 ||
        !decode(c, json_string_value(json_object_get(from, "body")), MAX_BODY, &m->body) ||
        cs_message_unpack(view_descriptor(m->kind), gw_bytes(&m->body), c->a, &body, &err) !=
            CS_OK) {
        bad(ch, id, "its kind, revision or body cannot be read");
        return;
    }
    e = (struct view_entity){.kind = m->kind, .revision = m->revision, .message = body};
    memcpy(e.id, id, CS_UUID_TEXT);
    const char *why = !same_organization(c, &e)           ? "it is of another organisation"
                      : strcmp(entity_id_of(&e), id) != 0 ? "the id in its body is another one"
                      : m->deleted                        ? NULL
                                                          : check_body(c, &e, &err);
    if (why != NULL) {
        bad(ch, view_slug(&e), why);
        return;
    }
    read_signatures(c, from, m);
    ch->list[ch->n++] = m;
}

static void read_person(json_t *from, struct changes *ch)
{
    const struct config_person p = {.user_id = json_string_value(json_object_get(from, "userId")),
                                    .name = json_string_value(json_object_get(from, "name")),
                                    .email = json_string_value(json_object_get(from, "email"))};
    if (p.user_id == NULL || !cs_uuid_valid(p.user_id) || p.name == NULL || p.email == NULL)
        bad(ch, "people", "a person needs userId, name and email");
    else
        ch->people[ch->n_people++] = p;
}

static bool read_all(struct call *c, json_t *body, struct changes *ch)
{
    size_t i = 0;
    json_t *j = NULL;
    if (json_array_size(json_object_get(body, "changes")) > MAX_CHANGES ||
        json_array_size(json_object_get(body, "people")) > MAX_CHANGES) {
        answer_problem(c, 413, "config.too_many", "changes", "at most %d changes in one call",
                       MAX_CHANGES);
        return false;
    }
    json_array_foreach(json_object_get(body, "changes"), i, j) read_change(c, j, ch);
    json_array_foreach(json_object_get(body, "people"), i, j) read_person(j, ch);
    if (json_object_size(ch->errors) == 0)
        return true;
    answer_problem_with(c, 400, "config.invalid", "errors", json_incref(ch->errors),
                        "nothing was changed: some entities are not valid");
    return false;
}

static void answer_applied(struct call *c, const struct changes *ch)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ch->n; i++) {
        view_wait(c->g->view, ch->list[i]->entity_id, ch->list[i]->revision, VIEW_MS);
        json_array_append_new(list, json_pack("{s:s,s:I}", "id", ch->list[i]->entity_id, "revision",
                                              (json_int_t)ch->list[i]->revision));
    }
    answer_json(c, 200, json_pack("{s:o}", "applied", list));
}

static void change(struct call *c, json_t *body)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    struct changes *ch = cs_arena_alloc(c->a, sizeof(*ch));
    if (ch == NULL) {
        answer_later(c, "no memory");
        return;
    }
    ch->errors = json_object();
    if (read_all(c, body, ch)) {
        err.rc = dbpool_take(c->g->db, &db, &err);
        if (err.rc == CS_OK)
            err.rc = config_writer_apply(c->g->writer, db, ch->list, ch->n, ch->people,
                                         ch->n_people, &err);
        dbpool_give(c->g->db, db);
        if (err.rc == CS_OK)
            answer_applied(c, ch);
        else
            answer_error(c, &err);
    }
    json_decref(ch->errors);
}

void configuration_end(struct call *c)
{
    const struct subject none = {0};
    const bool get = strcmp(http_method(c->http), "POST") != 0;
    if (!authorize(c->who.user, get ? ACTION_READ_CONFIGURATION : ACTION_CONFIGURE, &none)) {
        answer_problem(c, 403, "not_allowed", NULL,
                       "the configuration is for global administrators");
        return;
    }
    if (get) {
        send_all(c);
        return;
    }
    json_t *body = answer_body(c);
    if (body != NULL)
        change(c, body);
    json_decref(body);
}
