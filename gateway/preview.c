/* POST Decisions/Preview: what would be decided, for the page. Changes nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/str.h"
#include "codec/message.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "invitation.h"
#include "status.h"

#include "proto/evidence.pb-c.h"

#include <ctype.h>
#include <string.h>

enum { MAX_MANIFEST = 4 << 20 };

static const char *person_name(struct call *c, struct cs_db *db, const char *user_id)
{
    struct cs_rows rows;
    struct view_entity user;
    const struct cs_value v[] = {CS_VT(user_id)};
    if (cs_db_query(db, "SELECT name FROM users_private WHERE user_id=?", v, 1, c->a, &rows,
                    NULL) == CS_OK &&
        rows.rows == 1)
        return cs_cell_text(&rows, 0, 0);
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_USER, user_id, true, c->a, &user,
                 NULL) != CS_OK)
        return "";
    const char *slug = cs_arena_strdup(c->a, user.slug);
    return slug == NULL ? "" : slug;
}

static json_t *version_of(const Cs__Evidence__ManifestItem *it)
{
    json_t *j = json_object();
    for (size_t i = 0; i < it->n_version; i++) {
        char key[64];
        if (cs_strf(key, sizeof(key), NULL, "%s", it->version[i]->key) != CS_OK)
            continue;
        key[0] = (char)tolower((unsigned char)key[0]);
        answer_set(j, key, it->version[i]->value);
    }
    return j;
}

static json_t *signers_of(const Cs__Evidence__ManifestItem *it)
{
    json_t *list = json_array();
    for (size_t i = 0; i < it->n_signers; i++) {
        const Cs__Evidence__ExistingSigner *s = it->signers[i];
        json_t *j = json_pack("{s:s,s:s,s:b,s:s}", "subject", s->subject, "issuer", s->issuer,
                              "valid", s->valid, "detail", s->detail);
        if (s->timestamp_ms != 0)
            json_object_set_new(j, "timestamp", answer_time(s->timestamp_ms));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *item_of(const Cs__Evidence__ManifestItem *it)
{
    json_t *j = json_pack("{s:s,s:I,s:o,s:o,s:o}", "path", it->path, "size", (json_int_t)it->size,
                          "sha256", answer_hex(&it->sha256), "version", version_of(it),
                          "existingSigners", signers_of(it));
    answer_set(j, "machine", it->machine);
    if (it->signing != NULL) {
        json_t *s = json_pack("{s:s,s:s,s:s,s:b}", "directive", it->signing->directive,
                              "hashAlgorithm", it->signing->hash_algorithm, "certificate",
                              it->signing->certificate_name, "append", it->signing->append);
        answer_set(s, "description", it->signing->description);
        answer_set(s, "descriptionUrl", it->signing->description_url);
        json_object_set_new(j, "willBeSigned", s);
    }
    return j;
}

static json_t *items_of(struct call *c, const struct invitation *i)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(MAX_MANIFEST);
    ProtobufCMessage *m = NULL;
    char hex[2 * CS_SHA256_SIZE + 1];
    json_t *list = json_array();
    if (i->r->manifest_sha256.len != CS_SHA256_SIZE)
        return list;
    cs_hex_encode(i->r->manifest_sha256.data, CS_SHA256_SIZE, hex);
    const char *name = cs_arena_printf(c->a, "manifests/%s", hex);
    if (name == NULL || cs_blob_get(c->g->blobs, name, &bytes, NULL) != CS_OK ||
        cs_message_unpack(&cs__evidence__manifest__descriptor, cs_buf_view(&bytes), c->a, &m,
                          NULL) != CS_OK)
        return list;
    const Cs__Evidence__Manifest *manifest = (const Cs__Evidence__Manifest *)m;
    for (size_t k = 0; k < manifest->n_items; k++)
        json_array_append_new(list, item_of(manifest->items[k]));
    return list;
}

static void put_certificate(struct call *c, json_t *j, const struct invitation *i)
{
    struct view_entity e;
    struct cs_certificate_facts facts;
    char hex[2 * CS_SHA256_SIZE + 1];
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE, i->r->certificate_id,
                 true, c->a, &e, NULL) != CS_OK)
        return;
    const Cs__Config__Certificate *m = (const Cs__Config__Certificate *)e.message;
    if (m->n_chain == 0 || cs_certificate_describe(gw_bytes(&m->chain[0]), &facts, NULL) != CS_OK)
        return;
    cs_hex_encode(facts.sha256, sizeof(facts.sha256), hex);
    json_object_set_new(j, "certificate",
                        json_pack("{s:s,s:s,s:s,s:s,s:o,s:s,s:s}", "name", m->name, "subject",
                                  facts.subject, "issuer", facts.issuer, "serialNumber",
                                  facts.serial, "notAfter", answer_time(facts.not_after_ms),
                                  "sha256", hex, "keyType", facts.key_type));
}

static void put_names(struct call *c, json_t *j, const struct invitation *i)
{
    struct view_entity e;
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_ORGANIZATION, i->r->organization_id,
                 true, c->a, &e, NULL) == CS_OK)
        json_object_set_new(
            j, "organization",
            json_pack("{s:s}", "name", ((const Cs__Config__Organization *)e.message)->name));
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, i->r->project_id, true, c->a,
                 &e, NULL) == CS_OK)
        json_object_set_new(j, "project",
                            json_pack("{s:s,s:s}", "slug", e.slug, "name",
                                      ((const Cs__Config__Project *)e.message)->name));
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, i->r->policy_id, true,
                 c->a, &e, NULL) == CS_OK)
        json_object_set_new(j, "signingPolicy",
                            json_pack("{s:s,s:s,s:i}", "slug", e.slug, "name",
                                      ((const Cs__Config__SigningPolicy *)e.message)->name,
                                      "quorum", (int)i->r->quorum));
}

static json_t *decisions_of(struct call *c, struct cs_db *db, const struct invitation *i)
{
    json_t *list = json_array();
    for (size_t k = 0; k < i->r->n_votes; k++) {
        const Cs__Store__Vote *v = i->r->votes[k];
        json_t *j =
            json_pack("{s:s,s:s,s:o}", "name", person_name(c, db, v->approver_id), "decision",
                      v->decision == CS__COMMANDS__DECISION__DECISION_DENY ? "deny" : "approve",
                      "at", answer_time(v->at_ms));
        answer_set(j, "comment", status_open_text(c, db, v->comment));
        json_array_append_new(list, j);
    }
    return list;
}

static const char *state_of(const struct invitation *i)
{
    if (strcmp(i->state, "open") == 0 && cs_now_ms() >= i->expires_at_ms)
        return "expired";
    if (strcmp(i->state, "voided") == 0 &&
        i->r->state != CS__EVENTS__STATE__STATE_AWAITING_APPROVAL)
        return "decided";
    return i->state;
}

static json_t *document(struct call *c, struct cs_db *db, const struct invitation *i)
{
    const Cs__Commands__RequestSubmitted *s = i->request;
    json_t *j = json_pack("{s:s,s:s,s:s,s:o,s:{s:s,s:b},s:o,s:o,s:o,s:o,s:{s:s},s:o}",
                          "signingRequestId", i->request_id, "invitation", state_of(i), "state",
                          request_status(i->r->state), "items", items_of(c, i), "requester", "name",
                          person_name(c, db, s->submitter->user_id), "isCi", s->submitter->is_ci,
                          "origin", status_origin(s), "parameters", status_parameters(s),
                          "submittedAt", answer_time(i->r->submitted_at_ms), "expiresAt",
                          answer_time(i->expires_at_ms), "approver", "name",
                          person_name(c, db, i->approver_id), "decisions", decisions_of(c, db, i));
    if (s->artifact != NULL)
        json_object_set_new(j, "artifact",
                            json_pack("{s:s,s:I,s:o}", "fileName", s->artifact->file_name, "size",
                                      (json_int_t)s->artifact->size, "sha256",
                                      answer_hex(&s->artifact->sha256)));
    answer_set(j, "description", status_open_text(c, db, s->description));
    put_names(c, j, i);
    put_certificate(c, j, i);
    return j;
}

static void preview(struct call *c, struct cs_db *db, json_t *body)
{
    struct invitation i;
    if (invitation_load(c, db, json_string_value(json_object_get(body, "token")), &i))
        answer_json(c, 200, document(c, db, &i));
}

void preview_end(struct call *c)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    json_t *body = answer_body(c);
    if (body == NULL)
        return;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc == CS_OK)
        preview(c, db, body);
    else
        answer_error(c, &err);
    dbpool_give(c->g->db, db);
    json_decref(body);
}
