/* Accepts a submission: names to entities, permission, idempotency, blob, event, acknowledgement.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/clock.h"
#include "base/guard.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/message.h"
#include "core/authorize.h"
#include "crypto/hash.h"
#include "crypto/sealed.h"
#include "requests.h"

#include "proto/events.pb-c.h"

#include <string.h>

enum { ACK_MS = 12000, FAST_MS = 60000, MAX_FINGERPRINT = 200, BLOB_NAME = 160 };

/* What the names mean. */
struct resolved {
    struct view_entity project;
    struct view_entity policy;
    struct view_entity configuration; /* of artifact requests */
    uint8_t fingerprint[CS_SHA256_SIZE];
};

static bool find_policy(struct call *c, const struct submission *s, struct resolved *r)
{
    struct view *v = c->g->view;
    const char *org = c->route.organization;
    if (s->policy_id != NULL) {
        if (view_get(v, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, s->policy_id, false, c->a,
                     &r->policy, NULL) != CS_OK ||
            strcmp(r->policy.organization, org) != 0)
            return false;
        return view_get(v, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, r->policy.parent, false, c->a,
                        &r->project, NULL) == CS_OK;
    }
    return view_find(v, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, org, s->project_slug, c->a,
                     &r->project, NULL) == CS_OK &&
           view_find(v, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, r->project.id,
                     s->policy_slug, c->a, &r->policy, NULL) == CS_OK;
}

static bool find_default(struct call *c, struct resolved *r)
{
    struct view_entity *all = NULL;
    size_t n = 0;
    if (view_list(c->g->view, c->route.organization,
                  CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION, c->a, &all, &n,
                  NULL) != CS_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        const Cs__Config__ArtifactConfiguration *m =
            (const Cs__Config__ArtifactConfiguration *)all[i].message;
        if (!all[i].deleted && m->is_default && strcmp(m->project_id, r->project.id) == 0) {
            r->configuration = all[i];
            return true;
        }
    }
    return false;
}

static bool find_configuration(struct call *c, const struct submission *s, struct resolved *r)
{
    struct view *v = c->g->view;
    if (s->configuration_id != NULL)
        return view_get(v, CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION,
                        s->configuration_id, false, c->a, &r->configuration, NULL) == CS_OK &&
               strcmp(r->configuration.parent, r->project.id) == 0;
    if (s->configuration_slug != NULL)
        return view_find(v, CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION, r->project.id,
                         s->configuration_slug, c->a, &r->configuration, NULL) == CS_OK;
    return find_default(c, r);
}

static bool check_names(struct call *c, const struct submission *s)
{
    const bool slugs =
        s->project_slug != NULL || s->policy_slug != NULL || s->configuration_slug != NULL;
    const bool ids = s->policy_id != NULL || s->configuration_id != NULL;
    if (slugs && ids) {
        answer_problem(c, 400, "names.mixed",
                       s->policy_id != NULL ? "SigningPolicyId" : "ArtifactConfigurationId",
                       "name project, policy and artifact configuration either all by slug or all "
                       "by id, not mixed");
        return false;
    }
    if (ids && s->policy_id == NULL) {
        answer_problem(c, 400, "names.missing", "SigningPolicyId", "SigningPolicyId is missing");
        return false;
    }
    if (!ids && (s->project_slug == NULL || s->policy_slug == NULL)) {
        const char *field = s->project_slug == NULL ? "ProjectSlug" : "SigningPolicySlug";
        answer_problem(c, 400, "names.missing", field, "%s is missing", field);
        return false;
    }
    return true;
}

static bool resolve(struct call *c, const struct submission *s, struct resolved *r)
{
    if (!check_names(c, s))
        return false;
    struct subject subject = {0};
    const bool found = find_policy(c, s, r);
    if (found)
        subject.policy = (const Cs__Config__SigningPolicy *)r->policy.message;
    if (!found || !authorize(c->who.user, ACTION_SUBMIT, &subject)) {
        answer_problem(c, 403, "policy.not_allowed",
                       s->policy_id != NULL ? "SigningPolicyId" : "SigningPolicySlug",
                       "there is no such project and signing policy, or this token may not submit "
                       "to it");
        return false;
    }
    if (s->hash == NULL && !find_configuration(c, s, r)) {
        answer_problem(c, 403, "configuration.not_allowed", "ArtifactConfigurationSlug",
                       "the project has no such artifact configuration (or no default one)");
        return false;
    }
    const Cs__Config__SigningPolicy *p = subject.policy;
    if ((s->fast || s->hash != NULL) && p->quorum > 0) {
        answer_problem(c, 400, "policy.needs_approval", "SigningPolicySlug",
                       "this signing policy needs approval: fast and hash requests cannot wait for "
                       "it");
        return false;
    }
    if (s->hash != NULL && !p->hash_signing_allowed) {
        answer_problem(c, 400, "hash.not_allowed", "SigningPolicySlug",
                       "this signing policy does not allow bare hashes to be signed");
        return false;
    }
    return true;
}

static void add_pairs(struct cs_bytes *parts, size_t *n, Cs__Common__KeyValue *const *kv,
                      size_t n_kv)
{
    for (size_t i = 0; i < n_kv && *n + 2 <= MAX_FINGERPRINT; i++) {
        parts[(*n)++] = cs_bytes_str(kv[i]->key);
        parts[(*n)++] = cs_bytes_str(kv[i]->value);
    }
    parts[(*n)++] = cs_bytes_str("");
}

/* How a hash is to be signed: another scheme is another submission. */
static const char *scheme_of(const Cs__Common__HashPayload *h)
{
    static const char *const names[] = {"", "RsaPkcs1", "RsaPss", "Ecdsa"};
    if (h == NULL)
        return "";
    return h->ecdsa_format == CS__COMMON__HASH_PAYLOAD__ECDSA_FORMAT__ASN1
               ? "EcdsaAsn1"
               : names[(unsigned)h->algorithm < 4 ? h->algorithm : 0];
}

/* The same content by the same principal has the same fingerprint. */
static void make_fingerprint(const struct call *c, const struct submission *s, struct resolved *r)
{
    struct cs_bytes parts[MAX_FINGERPRINT + 8];
    size_t n = 0;
    parts[n++] = cs_bytes_str(c->route.organization);
    parts[n++] = cs_bytes_str(c->who.user->id);
    parts[n++] = cs_bytes_str(r->policy.id);
    parts[n++] = cs_bytes_str(r->configuration.id);
    parts[n++] = s->hash != NULL ? gw_bytes(&s->hash->hash) : cs_bytes(s->sha256, 32);
    parts[n++] = cs_bytes_str(scheme_of(s->hash));
    add_pairs(parts, &n, s->parameters, s->n_parameters);
    add_pairs(parts, &n, s->origin, s->n_origin);
    cs_hmac(cs_bytes_str("countersign"), "countersign/fingerprint/v1", parts, n, r->fingerprint);
}

/* --- finding it again ------------------------------------------------------------------------- */

enum known { KNOWN_NOT, KNOWN_DONE, KNOWN_UNSENT, KNOWN_OTHER };

static enum cs_rc find_again(struct call *c, struct cs_db *db, const struct resolved *r,
                             const char *idempotency_key, char request_id[CS_UUID_TEXT],
                             enum known *out, struct cs_err *err)
{
    struct cs_rows rows;
    const int64_t window = cs_option_number(c->g->options, "idempotency.window");
    const struct cs_value by_id[] = {CS_VT(request_id)};
    const struct cs_value by_print[] = {CS_VT(c->route.organization),
                                        CS_VB(cs_bytes(r->fingerprint, CS_SHA256_SIZE)),
                                        CS_VI(cs_now_ms() - window)};
    *out = KNOWN_NOT;
    if (idempotency_key != NULL)
        CS_TRY(cs_db_query(db,
                           "SELECT request_id, acknowledged, fingerprint FROM submissions "
                           "WHERE request_id=?",
                           by_id, 1, c->a, &rows, err));
    else
        CS_TRY(cs_db_query(
            db,
            "SELECT s.request_id, s.acknowledged, s.fingerprint FROM submissions s LEFT JOIN "
            "requests q ON q.request_id=s.request_id WHERE s.organization_id=? AND "
            "s.fingerprint=? AND s.created_at_ms>=? AND (q.state IS NULL OR q.state<8) "
            "ORDER BY s.created_at_ms LIMIT 1",
            by_print, 3, c->a, &rows, err));
    if (rows.rows == 0)
        return CS_OK;
    if (!cs_bytes_eq(cs_cell(&rows, 0, 2), cs_bytes(r->fingerprint, CS_SHA256_SIZE))) {
        *out = KNOWN_OTHER;
        return CS_OK;
    }
    memcpy(request_id, cs_cell_text(&rows, 0, 0), CS_UUID_TEXT - 1);
    request_id[CS_UUID_TEXT - 1] = '\0';
    *out = cs_cell_int(&rows, 0, 1) != 0 ? KNOWN_DONE : KNOWN_UNSENT;
    return CS_OK;
}

static void id_from_key(const struct call *c, const char *key, char out[CS_UUID_TEXT])
{
    uint8_t mac[CS_SHA256_SIZE];
    const struct cs_bytes parts[] = {cs_bytes_str(c->route.organization),
                                     cs_bytes_str(c->who.user->id), cs_bytes_str(key)};
    cs_hmac(cs_bytes_str("countersign"), "countersign/request-id/v1", parts, 3, mac);
    cs_uuid_from_bytes(mac, out);
}

static enum cs_rc remember(struct call *c, struct cs_db *db, const struct resolved *r,
                           const char *request_id, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT(request_id), CS_VT(c->route.organization),
                                 CS_VB(cs_bytes(r->fingerprint, CS_SHA256_SIZE)),
                                 CS_VI(cs_now_ms())};
    const enum cs_rc rc = cs_db_exec(db,
                                     "INSERT INTO submissions(request_id, organization_id, "
                                     "fingerprint, created_at_ms) VALUES(?,?,?,?)",
                                     v, 4, NULL, err);
    return rc == CS_EXISTS ? CS_OK : rc;
}

static void mark_sent(struct cs_db *db, const char *request_id)
{
    const struct cs_value v[] = {CS_VT(request_id)};
    cs_ignore(cs_db_exec(db, "UPDATE submissions SET acknowledged=TRUE WHERE request_id=?", v, 1,
                         NULL, NULL),
              "a repeat sends the event again, and the scheduler drops it");
}

/* --- the event -------------------------------------------------------------------------------- */

/* Sealed under the submitter's own key; without a database there is no key and no description. */
static Cs__Common__SealedText *seal_description(struct call *c, struct cs_db *db, const char *text)
{
    struct cs_rows rows;
    uint8_t nonce[CS_SEAL_NONCE];
    CS_AUTO_BUF sealed = CS_BUF_INIT(8192);
    const struct cs_value v[] = {CS_VT(c->who.user->id)};
    if (db == NULL || text == NULL || text[0] == '\0' ||
        cs_db_query(db, "SELECT person_key FROM users_private WHERE user_id=?", v, 1, c->a, &rows,
                    NULL) != CS_OK ||
        rows.rows != 1 || cs_cell(&rows, 0, 0).len != CS_PERSON_KEY ||
        cs_text_seal(cs_cell(&rows, 0, 0).ptr, text, nonce, &sealed, NULL) != CS_OK)
        return NULL;
    Cs__Common__SealedText *out = cs_arena_alloc(c->a, sizeof(*out));
    if (out == NULL)
        return NULL;
    cs__common__sealed_text__init(out);
    out->person_id = c->who.user->id;
    out->nonce = gw_data(cs_bytes(cs_arena_memdup(c->a, nonce, sizeof(nonce)), sizeof(nonce)));
    out->ciphertext = gw_data(cs_bytes(cs_arena_memdup(c->a, sealed.ptr, sealed.len), sealed.len));
    return out;
}

static enum cs_rc store_artifact(struct call *c, struct submission *s, const char *request_id,
                                 Cs__Common__Artifact *out, struct cs_err *err)
{
    char hex[2 * CS_SHA256_SIZE + 1];
    cs__common__artifact__init(out);
    cs_hex_encode(s->sha256, sizeof(s->sha256), hex);
    out->sha256 = gw_data(cs_bytes(s->sha256, sizeof(s->sha256)));
    out->size = s->size;
    out->file_name = s->file_name;
    out->blob = cs_arena_printf(c->a, "%s/%s/%s", c->route.organization, request_id, hex);
    if (out->blob == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    const enum cs_rc rc = cs_blob_commit(c->g->blobs, s->draft, out->blob, NULL, err);
    s->draft->fd = -1;
    return rc;
}

static enum cs_rc publish(struct call *c, struct cs_db *db, struct submission *s,
                          const struct resolved *r, const char *request_id, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Common__Artifact artifact;
    Cs__Commands__RequestSubmitted m = CS__COMMANDS__REQUEST_SUBMITTED__INIT;
    if (s->has_artifact) {
        CS_TRY(store_artifact(c, s, request_id, &artifact, err));
        m.artifact = &artifact;
        m.configuration_id = gw_text(r->configuration.id);
        m.configuration_revision = r->configuration.revision;
    }
    union {
        const Cs__Common__HashPayload *in;
        Cs__Common__HashPayload *out;
    } hash = {.in = s->hash};
    m.header = &h;
    m.organization_id = c->route.organization;
    m.request_id = gw_text(request_id);
    m.submitter = &c->who.id;
    m.project_id = gw_text(r->project.id);
    m.policy_id = gw_text(r->policy.id);
    m.policy_revision = r->policy.revision;
    m.hash = hash.out;
    m.description = seal_description(c, db, s->description);
    m.parameters = s->parameters;
    m.n_parameters = s->n_parameters;
    m.origin = s->origin;
    m.n_origin = s->n_origin;
    m.fast = s->fast;
    m.cancellation_timeout_s = s->cancellation_timeout_s;
    m.fingerprint = gw_data(cs_bytes(r->fingerprint, CS_SHA256_SIZE));
    return request_command(c->g, request_id, &m.base, &h, err);
}

enum cs_rc request_command(struct gateway *g, const char *request_id, ProtobufCMessage *m,
                           Cs__Common__Header *h, struct cs_err *err)
{
    char event_id[CS_UUID_TEXT];
    if (strcmp(m->descriptor->name, "cs.commands.RequestSubmitted") == 0)
        cs_event_id_derive(request_id, m->descriptor->name, 0, event_id);
    else
        cs_uuid_random(event_id);
    if (h->event_id == NULL || h->event_id[0] == '\0')
        h->event_id = event_id;
    h->aggregate_id = gw_text(request_id);
    const struct cs_publication e = {.topic = "cs.commands", .key = request_id, .message = m};
    return cs_publish_wait(g->publisher, &e, ACK_MS, err);
}

/* A visible duplicate beats a loss: what the database cannot say is not waited for. */
static struct cs_db *without_database(const struct cs_err *err)
{
    cs_log_warn("submit.without_database", CS_KERR(err));
    return NULL;
}

/* With the database when there is one: it finds repeats. Intake goes on without it. */
static enum cs_rc accept(struct call *c, struct cs_db *db, struct submission *s,
                         const struct resolved *r, struct submitted *out, enum known *known,
                         bool wait, struct cs_err *err)
{
    const char *key = http_header(c->http, "Idempotency-Key");
    *known = KNOWN_NOT;
    if (key != NULL)
        id_from_key(c, key, out->request_id);
    else
        cs_uuid_random(out->request_id);
    if (db != NULL && CS_GUARD("gateway-idempotency") &&
        find_again(c, db, r, key, out->request_id, known, err) != CS_OK)
        db = without_database(err);
    if (wait)
        out->waiter = waiter_new(c->g->waiters, out->request_id);
    out->again = *known == KNOWN_DONE || *known == KNOWN_UNSENT;
    if (*known == KNOWN_OTHER || *known == KNOWN_DONE)
        return CS_OK;
    if (db != NULL && *known == KNOWN_NOT && remember(c, db, r, out->request_id, err) != CS_OK)
        db = without_database(err);
    CS_TRY(publish(c, db, s, r, out->request_id, err));
    if (db != NULL)
        mark_sent(db, out->request_id);
    return CS_OK;
}

bool submission_accept(struct call *c, struct submission *s, bool wait, struct submitted *out)
{
    struct resolved r = {0};
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    enum known known = KNOWN_NOT;
    if (!resolve(c, s, &r))
        return false;
    make_fingerprint(c, s, &r);
    out->policy = (const Cs__Config__SigningPolicy *)r.policy.message;
    if (dbpool_take(c->g->db, &db, &err) != CS_OK)
        db = without_database(&err);
    enum cs_rc rc = accept(c, db, s, &r, out, &known, wait, &err);
    dbpool_give(c->g->db, db);
    if (rc != CS_OK) {
        err.rc = rc;
        answer_error(c, &err);
        return false;
    }
    if (known == KNOWN_OTHER) {
        answer_problem(c, 422, "idempotency.other_body", NULL,
                       "this Idempotency-Key was used for another submission");
        return false;
    }
    cs_log_info("request.accepted", CS_KS("request", out->request_id), CS_KI("size", s->size),
                CS_KI("again", known == KNOWN_DONE));
    cs_metric_add("cs_gateway_submissions_total", 1);
    return true;
}

/* The end of a request that was found again, from its record; NULL: it goes on. */
static const Cs__Events__RequestStateChanged *finished_before(struct call *c,
                                                              const struct submitted *s)
{
    struct cs_db *db = NULL;
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(s->request_id)};
    if (!s->again || dbpool_take(c->g->db, &db, NULL) != CS_OK)
        return NULL;
    const enum cs_rc rc = cs_db_query(
        db, "SELECT record FROM requests WHERE request_id=? AND finished_at_ms IS NOT NULL", v, 1,
        c->a, &rows, NULL);
    dbpool_give(c->g->db, db);
    Cs__Events__RequestStateChanged *e = cs_arena_alloc(c->a, sizeof(*e));
    if (rc != CS_OK || rows.rows != 1 || e == NULL ||
        cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 0), c->a, &m,
                          NULL) != CS_OK)
        return NULL;
    const Cs__Store__RequestRecord *r = (const Cs__Store__RequestRecord *)m;
    cs__events__request_state_changed__init(e);
    e->state = r->state;
    e->failure = r->failure;
    e->signature = r->signature;
    e->signed_artifact = r->signed_artifact;
    return e;
}

/* NULL after it answered a failure; 'e' when it is the signature. */
static const Cs__Events__RequestStateChanged *judge(struct call *c, const struct submitted *s,
                                                    const Cs__Events__RequestStateChanged *e)
{
    if (e->state == CS__EVENTS__STATE__STATE_COMPLETED)
        return e;
    answer_problem(c, 400, e->failure == NULL ? "" : e->failure->code, "Artifact",
                   "signing request %s: %s", s->request_id,
                   e->failure == NULL ? request_status(e->state) : e->failure->message);
    return NULL;
}

const Cs__Events__RequestStateChanged *submission_result(struct call *c, struct submitted *s)
{
    const int64_t deadline = cs_monotonic_ms() + FAST_MS;
    const Cs__Events__RequestStateChanged *before = finished_before(c, s);
    if (before != NULL)
        return judge(c, s, before);
    while (s->waiter != NULL && cs_monotonic_ms() < deadline) {
        ProtobufCMessage *m = NULL;
        if (!waiter_wait(c->g->waiters, s->waiter, (int)(deadline - cs_monotonic_ms())))
            break;
        const struct cs_bytes last = waiter_last(s->waiter);
        const void *copy = cs_arena_memdup(c->a, last.ptr, last.len);
        if (cs_message_unpack(&cs__events__request_state_changed__descriptor,
                              cs_bytes(copy, last.len), c->a, &m, NULL) != CS_OK)
            break;
        const Cs__Events__RequestStateChanged *e = (const Cs__Events__RequestStateChanged *)m;
        if (request_final(e->state))
            return judge(c, s, e);
    }
    answer_later(c, "the signature is not ready yet; the same request finds it again");
    return NULL;
}
