/* The status document, its short form with long polling, and the list.
 * SPDX-License-Identifier: Apache-2.0 */
#include "status.h"
#include "answer.h"
#include "base/clock.h"
#include "core/authorize.h"
#include "crypto/sealed.h"
#include "requests.h"

#include "codec/message.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_WAIT_S = 25, PAGE = 100 };

static void put_entity(struct call *c, json_t *j, Cs__Config__EntityKind kind, const char *id,
                       const char *prefix)
{
    struct view_entity e;
    char key[64];
    const char *name = "";
    if (id == NULL || id[0] == '\0' ||
        view_get(c->g->view, kind, id, true, c->a, &e, NULL) != CS_OK)
        return;
    if (kind == CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT)
        name = ((const Cs__Config__Project *)e.message)->name;
    else if (kind == CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY)
        name = ((const Cs__Config__SigningPolicy *)e.message)->name;
    else
        name = ((const Cs__Config__ArtifactConfiguration *)e.message)->name;
    snprintf(key, sizeof(key), "%sId", prefix);
    answer_set(j, key, id);
    snprintf(key, sizeof(key), "%sSlug", prefix);
    answer_set(j, key, e.slug);
    snprintf(key, sizeof(key), "%sName", prefix);
    answer_set(j, key, name);
}

static const char *pair(const Cs__Commands__RequestSubmitted *s, const char *key)
{
    for (size_t i = 0; i < s->n_origin; i++) {
        if (strcasecmp(s->origin[i]->key, key) == 0)
            return s->origin[i]->value;
    }
    return "";
}

json_t *status_origin(const Cs__Commands__RequestSubmitted *s)
{
    json_t *build = json_object();
    json_t *repository = json_object();
    answer_set(build, "url", pair(s, "BuildData.Url"));
    answer_set(repository, "url", pair(s, "RepositoryData.Url"));
    answer_set(repository, "branchName", pair(s, "RepositoryData.BranchName"));
    answer_set(repository, "commitId", pair(s, "RepositoryData.CommitId"));
    answer_set(repository, "sourceControlManagementType",
               pair(s, "RepositoryData.SourceControlManagementType"));
    return json_pack("{s:o,s:o}", "buildData", build, "repositoryData", repository);
}

json_t *status_parameters(const Cs__Commands__RequestSubmitted *s)
{
    json_t *j = json_object();
    for (size_t i = 0; i < s->n_parameters; i++)
        json_object_set_new(j, s->parameters[i]->key, json_string(s->parameters[i]->value));
    return j;
}

const char *status_open_text(struct call *c, struct cs_db *db, const Cs__Common__SealedText *t)
{
    struct cs_rows rows;
    CS_AUTO_BUF text = CS_BUF_INIT(64 * 1024);
    if (t == NULL)
        return "";
    const struct cs_value v[] = {CS_VT(t->person_id)};
    if (cs_db_query(db, "SELECT person_key FROM users_private WHERE user_id=?", v, 1, c->a, &rows,
                    NULL) != CS_OK ||
        rows.rows != 1 || cs_cell(&rows, 0, 0).len != CS_PERSON_KEY ||
        cs_text_open(cs_cell(&rows, 0, 0).ptr, gw_bytes(&t->nonce), gw_bytes(&t->ciphertext), &text,
                     NULL) != CS_OK)
        return "";
    const char *copy = cs_arena_strndup(c->a, (const char *)text.ptr, text.len);
    return copy == NULL ? "" : copy;
}

static json_t *approvals(const Cs__Store__RequestRecord *r)
{
    json_t *given = json_array();
    bool denied = false;
    for (size_t i = 0; i < r->n_votes; i++) {
        const bool no = r->votes[i]->decision == CS__COMMANDS__DECISION__DECISION_DENY;
        denied = denied || no;
        json_t *v = json_pack("{s:s,s:s,s:o}", "approverId", r->votes[i]->approver_id, "decision",
                              no ? "deny" : "approve", "at", answer_time(r->votes[i]->at_ms));
        json_array_append_new(given, v);
    }
    return json_pack("{s:i,s:o,s:b}", "required", (int)r->quorum, "given", given, "denied", denied);
}

static void put_failure(json_t *j, const Cs__Store__RequestRecord *r)
{
    const Cs__Common__Failure *f = r->failure;
    if (f != NULL)
        json_object_set_new(
            j, "failure",
            json_pack("{s:s,s:s,s:[]}", "code", f->code, "message", f->message, "details"));
    if (r->waiting_code != NULL && r->waiting_code[0] != '\0')
        json_object_set_new(
            j, "waiting",
            json_pack("{s:s,s:s}", "code", r->waiting_code, "message", r->waiting_message));
}

static void put_queue(struct call *c, struct cs_db *db, json_t *j,
                      const Cs__Store__RequestRecord *r)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(r->pool), CS_VT(r->lane), CS_VI(r->queued_at_ms)};
    if (r->state != CS__EVENTS__STATE__STATE_QUEUED ||
        cs_db_query(db,
                    "SELECT COUNT(*) FROM requests WHERE state IN (5,6) AND pool=? AND lane=? AND "
                    "queued_at_ms<?",
                    v, 3, c->a, &rows, NULL) != CS_OK)
        return;
    json_object_set_new(j, "queue",
                        json_pack("{s:I}", "position", (json_int_t)cs_cell_int(&rows, 0, 0) + 1));
}

static json_t *short_status(struct call *c, const struct found_request *f)
{
    const Cs__Events__State state = f->r == NULL ? CS__EVENTS__STATE__STATE_RECEIVED : f->r->state;
    return json_pack("{s:s,s:s,s:b,s:s,s:b}", "status", request_status(state), "workflowStatus",
                     request_workflow_status(state), "isFinalStatus", request_final(state),
                     "webLink", request_link(c, c->route.request, ""),
                     "hasArtifactBeenDownloadedBySignPathInCaseOfArtifactRetrieval", 1);
}

static json_t *full_status(struct call *c, struct cs_db *db, const struct found_request *f)
{
    json_t *j = short_status(c, f);
    const Cs__Store__RequestRecord *r = f->r;
    json_object_set_new(j, "signingRequestId", json_string(c->route.request));
    if (r == NULL)
        return j;
    const Cs__Commands__RequestSubmitted *s = f->request;
    json_object_set_new(j, "description", json_string(status_open_text(c, db, s->description)));
    put_entity(c, j, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, r->project_id, "project");
    put_entity(c, j, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, r->policy_id, "signingPolicy");
    put_entity(c, j, CS__CONFIG__ENTITY_KIND__ENTITY_ARTIFACT_CONFIGURATION, s->configuration_id,
               "artifactConfiguration");
    if (s->artifact != NULL)
        json_object_set_new(j, "unsignedArtifactLink",
                            json_string(request_link(c, r->request_id, "/UnsignedArtifact")));
    if (r->signed_artifact != NULL)
        json_object_set_new(j, "signedArtifactLink",
                            json_string(request_link(c, r->request_id, "/SignedArtifact")));
    json_object_set_new(j, "origin", status_origin(s));
    json_object_set_new(j, "parameters", status_parameters(s));
    json_object_set_new(j, "approvals", approvals(r));
    json_object_set_new(j, "submittedAt", answer_time(r->submitted_at_ms));
    if (s->artifact != NULL)
        json_object_set_new(j, "sha256", answer_hex(&s->artifact->sha256));
    put_failure(j, r);
    put_queue(c, db, j, r);
    return j;
}

static int wait_seconds(const struct call *c)
{
    const char *text = http_query(c->http, "waitSeconds");
    const long n = text == NULL ? 0 : strtol(text, NULL, 10);
    return n < 0 ? 0 : n > MAX_WAIT_S ? MAX_WAIT_S : (int)n;
}

/* One look; the connection is given back before anybody waits. */
static json_t *look(struct call *c, bool *final)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    struct found_request f;
    json_t *j = NULL;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc != CS_OK) {
        answer_error(c, &err);
        return NULL;
    }
    if (request_load(c, db, &f)) {
        *final = f.r != NULL && request_final(f.r->state);
        j = c->route.id == ROUTE_REQUEST ? full_status(c, db, &f) : short_status(c, &f);
    }
    dbpool_give(c->g->db, db);
    return j;
}

void status_end(struct call *c)
{
    const int64_t until = cs_monotonic_ms() + (int64_t)wait_seconds(c) * 1000;
    struct waiter *me = waiter_new(c->g->waiters, c->route.request);
    bool final = false;
    json_t *j = look(c, &final);
    json_t *first = json_deep_copy(j);
    while (j != NULL && !final && me != NULL && cs_monotonic_ms() < until) {
        if (!waiter_wait(c->g->waiters, me, (int)(until - cs_monotonic_ms())))
            break;
        json_decref(j);
        j = look(c, &final);
        if (j != NULL && !json_equal(j, first))
            break;
    }
    json_decref(first);
    waiter_free(c->g->waiters, me);
    if (j != NULL)
        answer_json(c, 200, j);
}

/* --- the list: newest first, filters, a cursor ----------------------------------------------- */

static json_t *list_row(struct call *c, const Cs__Store__RequestRecord *r)
{
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:b,s:o,s:s}", "signingRequestId", r->request_id, "status",
                  request_status(r->state), "workflowStatus", request_workflow_status(r->state),
                  "isFinalStatus", request_final(r->state), "submittedAt",
                  answer_time(r->submitted_at_ms), "webLink", request_link(c, r->request_id, ""));
    put_entity(c, j, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, r->project_id, "project");
    put_entity(c, j, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, r->policy_id, "signingPolicy");
    put_failure(j, r);
    return j;
}

/* Everybody else sees their own requests. */
static bool sees_all(const Cs__Config__User *u)
{
    return authorize_has_role(u, "global-administrator") ||
           authorize_has_role(u, "global-reader") || authorize_has_role(u, "operator");
}

static enum cs_rc list(struct call *c, struct cs_db *db, json_t **out, struct cs_err *err)
{
    struct cs_rows rows;
    const char *before = http_query(c->http, "before");
    const char *sha256 = http_query(c->http, "sha256");
    const char *mine = sees_all(c->who.user) ? NULL : c->who.user->id;
    json_t *items = json_array();
    json_t *j = json_pack("{s:o}", "signingRequests", items);
    int64_t oldest = 0;
    *out = j;
    const struct cs_value v[] = {CS_VT(c->route.organization),
                                 before == NULL ? CS_VI(INT64_MAX)
                                                : CS_VI(strtoll(before, NULL, 10)),
                                 sha256 == NULL ? CS_VNULL : CS_VT(sha256),
                                 sha256 == NULL ? CS_VNULL : CS_VT(sha256),
                                 mine == NULL ? CS_VNULL : CS_VT(mine),
                                 mine == NULL ? CS_VNULL : CS_VT(mine)};
    CS_TRY(cs_db_query(db,
                       "SELECT record, submitted_at_ms FROM requests WHERE organization_id=? AND "
                       "submitted_at_ms<? AND (? IS NULL OR artifact_sha256=UNHEX(?)) AND "
                       "(? IS NULL OR submitter_id=?) ORDER BY submitted_at_ms DESC LIMIT 100",
                       v, 6, c->a, &rows, err));
    for (size_t i = 0; i < rows.rows; i++) {
        ProtobufCMessage *m = NULL;
        CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, i, 0), c->a,
                                 &m, err));
        json_array_append_new(items, list_row(c, (const Cs__Store__RequestRecord *)m));
        oldest = cs_cell_int(&rows, i, 1);
    }
    if (rows.rows == PAGE) {
        char cursor[32];
        snprintf(cursor, sizeof(cursor), "%lld", (long long)oldest);
        answer_set(j, "next", cursor);
    }
    return CS_OK;
}

void list_end(struct call *c)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    json_t *j = NULL;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc == CS_OK) {
        err.rc = list(c, db, &j, &err);
        dbpool_give(c->g->db, db);
    }
    if (err.rc == CS_OK) {
        answer_json(c, 200, j);
        return;
    }
    json_decref(j);
    answer_error(c, &err);
}
