/* From an inspected request to invitations, or straight to the authorization.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"
#include "batch.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/jobs.pb-c.h"

#include <string.h>

enum { INSPECTION_TTL_MS = 15 * 60 * 1000, TOPIC_ROOM = 128 };

static enum cs_rc nomem(struct cs_err *err)
{
    return cs_err_set(err, CS_NOMEM, "no memory");
}

/* The policy and certificate in force now, kept in the record from here on. */
static enum cs_rc adopt_policy(struct batch *b, struct request *q,
                               const Cs__Config__SigningPolicy **policy,
                               const Cs__Config__Certificate **certificate, struct config_at *at,
                               struct cs_err *err)
{
    struct config_at c;
    Cs__Store__RequestRecord *r = q->r;
    CS_TRY(store_config(b, r->policy_id, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, at, err));
    *policy = (const Cs__Config__SigningPolicy *)at->entity;
    CS_TRY(store_config(b, (*policy)->certificate_id, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE,
                        &c, err));
    *certificate = (const Cs__Config__Certificate *)c.entity;
    r->policy_envelope = sched_data(at->envelope);
    r->policy_revision = at->revision;
    r->certificate_envelope = sched_data(c.envelope);
    r->certificate_id = (*policy)->certificate_id;
    r->quorum = (*policy)->quorum;
    r->pool = (*policy)->pool;
    q->dirty = true;
    return CS_OK;
}

static enum cs_rc emit_inspection(struct batch *b, struct request *q,
                                  const Cs__Config__ArtifactConfiguration *configuration,
                                  uint64_t revision, const Cs__Config__Certificate *certificate,
                                  struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Jobs__InspectionJob m = CS__JOBS__INSPECTION_JOB__INIT;
    const Cs__Commands__RequestSubmitted *s = q->submitted;
    char *topic = cs_arena_printf(b->a, "cs.inspections.%s", certificate->pool);
    char *job_id = cs_arena_alloc(b->a, CS_UUID_TEXT);
    if (topic == NULL || job_id == NULL)
        return nomem(err);
    cs_event_id_derive(q->r->request_id, "InspectionJob", q->r->round, job_id);
    q->r->job_id = job_id;
    m.header = &h;
    m.job_id = job_id;
    m.organization_id = q->r->organization_id;
    m.request_id = q->r->request_id;
    m.artifact = s->artifact;
    m.configuration_xml = configuration->xml;
    m.configuration_id = s->configuration_id;
    m.configuration_revision = revision;
    m.parameters = s->parameters;
    m.n_parameters = s->n_parameters;
    m.certificate_id = certificate->id;
    m.certificate_name = certificate->name;
    m.pool = certificate->pool;
    m.deadline_ms = q->r->deadline_ms;
    return batch_emit(b, q, topic, &m.base, &h, NULL, err);
}

/* The revision that the request names: the manifest must be of exactly that one. */
static enum cs_rc configuration_of(struct batch *b, const struct request *q, struct config_at *out,
                                   struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(q->submitted->configuration_id),
                                 CS_VI(q->submitted->configuration_revision)};
    CS_TRY(cs_db_query(b->s->db,
                       "SELECT envelope FROM config_revisions WHERE entity_id=? AND revision=? "
                       "AND kind=6 AND NOT deleted",
                       v, 2, b->a, &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_NOT_FOUND, "no such artifact configuration");
    return store_config_open(b, cs_cell(&rows, 0, 0), out, err);
}

enum cs_rc approval_inspect(struct batch *b, struct request *q, struct cs_err *err)
{
    const Cs__Config__SigningPolicy *policy = NULL;
    const Cs__Config__Certificate *certificate = NULL;
    struct config_at at;
    struct config_at configuration;
    enum cs_rc rc = adopt_policy(b, q, &policy, &certificate, &at, err);
    if (rc == CS_OK)
        rc = configuration_of(b, q, &configuration, err);
    if (rc == CS_NOT_FOUND)
        return batch_end(b, q, EV_FAIL, "configuration.missing",
                         "the signing policy, its certificate or the artifact configuration "
                         "does not exist any more",
                         err);
    CS_TRY(rc);
    q->r->round++;
    q->r->deadline_ms = b->now_ms + INSPECTION_TTL_MS;
    CS_TRY(batch_transition(b, q, EV_INSPECT, err));
    return emit_inspection(b, q, (const Cs__Config__ArtifactConfiguration *)configuration.entity,
                           configuration.revision, certificate, err);
}

static enum cs_rc build_body(struct batch *b, struct request *q,
                             const Cs__Config__SigningPolicy *policy, const struct config_at *at,
                             int64_t expires_at_ms, struct cs_err *err)
{
    Cs__Evidence__AuthorizationBody body = CS__EVIDENCE__AUTHORIZATION_BODY__INIT;
    Cs__Store__RequestRecord *r = q->r;
    uint8_t policy_sha256[CS_SHA256_SIZE];
    uint8_t payload_sha256[CS_SHA256_SIZE];
    struct cs_bytes bytes;
    uint8_t *sha256 = cs_arena_alloc(b->a, CS_SHA256_SIZE);
    if (sha256 == NULL)
        return nomem(err);
    cs_sha256(at->body.ptr, at->body.len, policy_sha256);
    cs_sha256(q->submitted_payload.ptr, q->submitted_payload.len, payload_sha256);
    body.environment = sched_text(cs_trust_environment(b->s->trust));
    body.organization_id = r->organization_id;
    body.request_id = r->request_id;
    body.artifact_sha256 = r->is_hash ? sched_data(cs_bytes(payload_sha256, CS_SHA256_SIZE))
                                      : q->submitted->artifact->sha256;
    body.manifest_sha256 = r->manifest_sha256;
    body.policy_id = r->policy_id;
    body.policy_revision = at->revision;
    body.policy_sha256 = sched_data(cs_bytes(policy_sha256, CS_SHA256_SIZE));
    body.certificate_id = policy->certificate_id;
    body.certificate_sha256 = policy->certificate_sha256;
    body.key_spki_sha256 = policy->key_spki_sha256;
    body.pool = policy->pool;
    body.expires_at_ms = expires_at_ms;
    body.round = r->round;
    CS_TRY(cs_message_pack(&body.base, b->a, &bytes, err));
    cs_sha256(bytes.ptr, bytes.len, sha256);
    r->authorization_body = sched_data(bytes);
    r->authorization_sha256 = sched_data(cs_bytes(sha256, CS_SHA256_SIZE));
    return CS_OK;
}

enum cs_rc approval_close(struct batch *b, struct request *q, Cs__Store__Invitation *inv,
                          const char *state, const char *reason, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__InvitationVoided m = CS__EVENTS__INVITATION_VOIDED__INIT;
    const struct cs_value v[] = {CS_VT(state), CS_VT(inv->invitation_id)};
    if (!inv->open)
        return CS_OK;
    inv->open = false;
    q->dirty = true;
    CS_TRY(cs_db_exec(b->s->db, "UPDATE invitations SET state=? WHERE invitation_id=?", v, 2, NULL,
                      err));
    m.header = &h;
    m.organization_id = q->r->organization_id;
    m.request_id = q->r->request_id;
    m.invitation_id = inv->invitation_id;
    m.approver_id = inv->approver_id;
    m.reason = sched_text(reason);
    return batch_emit(b, q, "cs.events", &m.base, &h, NULL, err);
}

/* An empty place for an invitation that the notifier will make. */
static enum cs_rc expect_invitation(struct batch *b, struct request *q, const char *approver_id,
                                    unsigned generation, struct cs_err *err)
{
    Cs__Store__RequestRecord *r = q->r;
    Cs__Store__Invitation *inv = cs_arena_alloc(b->a, sizeof(*inv));
    Cs__Store__Invitation **list = cs_arena_alloc(b->a, (r->n_invitations + 1) * sizeof(*list));
    if (inv == NULL || list == NULL)
        return nomem(err);
    if (r->n_invitations > 0)
        memcpy(list, r->invitations, r->n_invitations * sizeof(*list));
    cs__store__invitation__init(inv);
    inv->approver_id = sched_text(approver_id);
    inv->generation = generation;
    list[r->n_invitations++] = inv;
    r->invitations = list;
    q->dirty = true;
    return CS_OK;
}

static void wanted_of(const Cs__Config__Approver *a, unsigned generation,
                      Cs__Events__InvitationWanted *out)
{
    cs__events__invitation_wanted__init(out);
    out->approver_id = a->user_id;
    out->generation = generation;
    out->address_hash = a->address_hash;
    out->address_salt = a->address_salt;
}

static enum cs_rc emit_wanted(struct batch *b, struct request *q,
                              Cs__Events__InvitationWanted **wanted, size_t n, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__InvitationsRequested m = CS__EVENTS__INVITATIONS_REQUESTED__INIT;
    m.header = &h;
    m.organization_id = q->r->organization_id;
    m.request_id = q->r->request_id;
    m.authorization_body = q->r->authorization_body;
    m.wanted = wanted;
    m.n_wanted = n;
    m.expires_at_ms = q->r->deadline_ms;
    return batch_emit(b, q, "cs.events", &m.base, &h, NULL, err);
}

enum cs_rc approval_want(struct batch *b, struct request *q, const char *approver_id,
                         unsigned generation, struct cs_err *err)
{
    struct config_at at;
    Cs__Events__InvitationWanted wanted;
    Cs__Events__InvitationWanted *list[] = {&wanted};
    CS_TRY(store_config_open(b, sched_bytes(&q->r->policy_envelope), &at, err));
    const Cs__Config__Approver *a =
        policy_approver((const Cs__Config__SigningPolicy *)at.entity, approver_id);
    if (a == NULL)
        return cs_err_set(err, CS_FATAL, "%s is not an approver", approver_id);
    wanted_of(a, generation, &wanted);
    CS_TRY(expect_invitation(b, q, approver_id, generation, err));
    return emit_wanted(b, q, list, 1, err);
}

static unsigned next_generation(const Cs__Store__RequestRecord *r, const char *approver_id)
{
    unsigned newest = 0;
    for (size_t i = 0; i < r->n_invitations; i++) {
        if (strcmp(r->invitations[i]->approver_id, approver_id) == 0 &&
            r->invitations[i]->generation > newest)
            newest = r->invitations[i]->generation;
    }
    return newest + 1;
}

static enum cs_rc ask(struct batch *b, struct request *q, const Cs__Config__SigningPolicy *policy,
                      struct cs_err *err)
{
    size_t n = 0;
    Cs__Events__InvitationWanted *all =
        cs_arena_alloc(b->a, (policy->n_approvers + 1) * sizeof(*all));
    Cs__Events__InvitationWanted **list =
        cs_arena_alloc(b->a, (policy->n_approvers + 1) * sizeof(*list));
    if (all == NULL || list == NULL)
        return nomem(err);
    for (size_t i = 0; i < q->r->n_invitations; i++)
        CS_TRY(approval_close(b, q, q->r->invitations[i], "superseded", "superseded", err));
    q->r->n_votes = 0; /* they bound to another body */
    q->r->reminded = false;
    q->r->reminder_at_ms = b->now_ms + (int64_t)policy->approval_ttl_s * 500;
    for (size_t i = 0; i < policy->n_approvers; i++) {
        const Cs__Config__Approver *a = policy->approvers[i];
        if (!policy_may_decide(q->submitted->submitter, a->user_id) ||
            policy_approver(policy, a->user_id) != a)
            continue;
        const unsigned generation = next_generation(q->r, a->user_id);
        wanted_of(a, generation, &all[n]);
        list[n] = &all[n];
        n++;
        CS_TRY(expect_invitation(b, q, a->user_id, generation, err));
    }
    CS_TRY(batch_transition(b, q, EV_ASK, err));
    return emit_wanted(b, q, list, n, err);
}

static enum cs_rc too_few(struct batch *b, struct request *q, size_t eligible, unsigned quorum,
                          struct cs_err *err)
{
    const char *text = cs_arena_printf(
        b->a,
        "the policy asks for %u approvals, but only %zu of its approvers may decide on this "
        "request: neither the submitter nor the person responsible for it may",
        quorum, eligible);
    if (text == NULL)
        return nomem(err);
    return batch_end(b, q, EV_FAIL, "policy.not_enough_approvers", text, err);
}

enum cs_rc approval_begin(struct batch *b, struct request *q, struct cs_err *err)
{
    const Cs__Config__SigningPolicy *policy = NULL;
    const Cs__Config__Certificate *certificate = NULL;
    struct config_at at;
    const enum cs_rc rc = adopt_policy(b, q, &policy, &certificate, &at, err);
    if (rc == CS_NOT_FOUND)
        return batch_end(b, q, EV_FAIL, "configuration.missing",
                         "the signing policy or its certificate does not exist any more", err);
    CS_TRY(rc);
    const int64_t approval_ms = policy->quorum == 0 ? 0 : (int64_t)policy->approval_ttl_s * 1000;
    const int64_t expires = b->now_ms + approval_ms + (int64_t)policy->signing_ttl_s * 1000;
    CS_TRY(build_body(b, q, policy, &at, expires, err));
    q->r->deadline_ms = policy->quorum == 0 ? expires : b->now_ms + approval_ms;
    if (policy->quorum == 0)
        return approval_authorize(b, q, err);
    const size_t eligible = policy_eligible(policy, q->submitted->submitter);
    if (eligible < policy->quorum)
        return too_few(b, q, eligible, policy->quorum, err);
    return ask(b, q, policy, err);
}

static const char *lane_of(const struct request *q)
{
    if (q->r->is_hash)
        return "fast";
    return q->submitted->artifact->size > (64U << 20) ? "bulk" : "normal";
}

enum cs_rc approval_authorize(struct batch *b, struct request *q, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__RequestAuthorized m = CS__EVENTS__REQUEST_AUTHORIZED__INIT;
    Cs__Store__RequestRecord *r = q->r;
    ProtobufCMessage *body = NULL;
    struct cs_bytes envelope;
    char **approvers = cs_arena_alloc(b->a, (r->n_votes + 1) * sizeof(*approvers));
    char **decisions = cs_arena_alloc(b->a, (r->n_votes + 1) * sizeof(*decisions));
    if (approvers == NULL || decisions == NULL)
        return nomem(err);
    CS_TRY(cs_message_unpack(&cs__evidence__authorization_body__descriptor,
                             sched_bytes(&r->authorization_body), b->a, &body, err));
    for (size_t i = 0; i < r->n_votes; i++) {
        approvers[i] = r->votes[i]->approver_id;
        decisions[i] = r->votes[i]->event_id;
    }
    r->signing_time_ms = b->now_ms;
    r->queued_at_ms = b->now_ms;
    r->deadline_ms = ((const Cs__Evidence__AuthorizationBody *)body)->expires_at_ms;
    r->lane = sched_text(lane_of(q));
    m.header = &h;
    m.organization_id = r->organization_id;
    m.request_id = r->request_id;
    m.authorization_body = r->authorization_body;
    m.approver_ids = approvers;
    m.n_approver_ids = r->n_votes;
    m.decision_event_ids = decisions;
    m.n_decision_event_ids = r->n_votes;
    m.signing_time_ms = r->signing_time_ms;
    CS_TRY(batch_emit(b, q, "cs.events", &m.base, &h, &envelope, err));
    r->authorization_envelope = sched_data(envelope);
    for (size_t i = 0; i < r->n_invitations; i++)
        CS_TRY(approval_close(b, q, r->invitations[i], "voided", "decided", err));
    return batch_transition(b, q, EV_AUTHORIZE, err);
}
