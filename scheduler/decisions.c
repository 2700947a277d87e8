/* Decisions: who it was, what it says, whether it counts, and what follows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "base/log.h"
#include "batch.h"
#include "crypto/hash.h"

#include <string.h>

/* One decision while it is judged. */
struct judged {
    const Cs__Commands__DecisionSubmitted *m;
    struct policy_decision d;
    Cs__Store__Invitation *inv; /* by mail */
    const char *refusal;        /* NULL: it counts */
    unsigned tries_left;
};

static bool commits(const ProtobufCBinaryData *secret, const ProtobufCBinaryData *commitment)
{
    uint8_t digest[CS_SHA256_SIZE];
    if (secret->len != CS_SHA256_SIZE || commitment->len != CS_SHA256_SIZE)
        return false;
    cs_sha256(secret->data, secret->len, digest);
    return cs_equal_secret(digest, commitment->data, sizeof(digest));
}

static Cs__Store__Invitation *find_invitation(const Cs__Store__RequestRecord *r, const char *id)
{
    for (size_t i = 0; i < r->n_invitations; i++) {
        if (id[0] != '\0' && strcmp(r->invitations[i]->invitation_id, id) == 0)
            return r->invitations[i];
    }
    return NULL;
}

static enum cs_rc save_tries(struct batch *b, const Cs__Store__Invitation *inv, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VI(inv->wrong_tries), CS_VT(inv->invitation_id)};
    return cs_db_exec(b->s->db, "UPDATE invitations SET wrong_tries=? WHERE invitation_id=?", v, 2,
                      NULL, err);
}

/* Counted in the database, so that no gateway can be asked more often than this. */
static enum cs_rc wrong_code(struct batch *b, struct request *q, struct judged *j,
                             struct cs_err *err)
{
    j->refusal = "decision.wrong_code";
    j->inv->wrong_tries++;
    q->dirty = true;
    j->tries_left =
        j->inv->wrong_tries < POLICY_MAX_TRIES ? POLICY_MAX_TRIES - j->inv->wrong_tries : 0;
    CS_TRY(save_tries(b, j->inv, err));
    if (j->tries_left > 0 || !CS_GUARD("scheduler-tries"))
        return CS_OK;
    CS_TRY(approval_close(b, q, j->inv, "voided", "too_many_tries", err));
    if (j->inv->generation >= POLICY_MAX_GENERATIONS) {
        cs_log_warn("invitation.exhausted", CS_KS("request", q->r->request_id),
                    CS_KS("approver", j->inv->approver_id));
        return CS_OK;
    }
    return approval_want(b, q, j->inv->approver_id, j->inv->generation + 1, err);
}

static enum cs_rc judge_mail(struct batch *b, struct request *q,
                             const Cs__Commands__EmailTokenFactor *f, struct judged *j,
                             struct cs_err *err)
{
    j->inv = find_invitation(q->r, f->invitation_id);
    if (j->inv == NULL) {
        j->refusal = "decision.superseded";
        return CS_OK;
    }
    j->d.approver_id = j->inv->approver_id;
    j->d.binds = true; /* an open invitation is of the body in force */
    if (!j->inv->open) {
        j->refusal = q->r->state == CS__EVENTS__STATE__STATE_AWAITING_APPROVAL ? "decision.used"
                                                                               : "decision.late";
        return CS_OK;
    }
    const bool token =
        cs_bytes_eq(sched_bytes(&f->view_token_sha256), sched_bytes(&j->inv->view_token_sha256));
    const bool approve = commits(&f->proof, &j->inv->approve_proof_sha256);
    const bool deny = commits(&f->proof, &j->inv->deny_proof_sha256);
    if (CS_GUARD("scheduler-code") && (!token || (!approve && !deny)))
        return wrong_code(b, q, j, err);
    j->d.decision =
        deny ? CS__COMMANDS__DECISION__DECISION_DENY : CS__COMMANDS__DECISION__DECISION_APPROVE;
    j->d.assurance = j->d.assurance == CS__TRUST__ASSURANCE__ASSURANCE_SESSION
                         ? CS__TRUST__ASSURANCE__ASSURANCE_SESSION_EMAIL_TOKEN
                         : CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN;
    return CS_OK;
}

static void judge_session(const struct request *q, const Cs__Commands__SessionFactor *f,
                          struct judged *j)
{
    j->d.approver_id = f->user_id;
    j->d.decision = j->m->decision;
    j->d.assurance = CS__TRUST__ASSURANCE__ASSURANCE_SESSION;
    j->d.binds = cs_bytes_eq(sched_bytes(&j->m->authorization_sha256),
                             sched_bytes(&q->r->authorization_sha256));
    if (strcmp(f->user_id, j->m->approver_id) != 0 ||
        (j->d.decision != CS__COMMANDS__DECISION__DECISION_APPROVE &&
         j->d.decision != CS__COMMANDS__DECISION__DECISION_DENY))
        j->refusal = "decision.malformed";
}

static enum cs_rc judge(struct batch *b, struct request *q, struct judged *j, struct cs_err *err)
{
    struct config_at at;
    for (size_t i = 0; i < j->m->n_factors; i++) {
        if (j->m->factors[i]->kind_case == CS__COMMANDS__FACTOR__KIND_SESSION)
            judge_session(q, j->m->factors[i]->session, j);
    }
    for (size_t i = 0; i < j->m->n_factors && j->refusal == NULL; i++) {
        if (j->m->factors[i]->kind_case == CS__COMMANDS__FACTOR__KIND_EMAIL_TOKEN)
            CS_TRY(judge_mail(b, q, j->m->factors[i]->email_token, j, err));
    }
    if (j->refusal != NULL)
        return CS_OK;
    if (j->d.approver_id == NULL || q->r->policy_envelope.len == 0) {
        j->refusal = "decision.malformed";
        return CS_OK;
    }
    CS_TRY(store_config_open(b, sched_bytes(&q->r->policy_envelope), &at, err));
    j->refusal = policy_refusal(q->r, (const Cs__Config__SigningPolicy *)at.entity,
                                q->submitted->submitter, &j->d);
    return CS_OK;
}

static enum cs_rc add_vote(struct batch *b, struct request *q, const struct cs_event *e,
                           const struct judged *j, struct cs_err *err)
{
    Cs__Store__RequestRecord *r = q->r;
    Cs__Store__Vote *v = cs_arena_alloc(b->a, sizeof(*v));
    Cs__Store__Vote **list = cs_arena_alloc(b->a, (r->n_votes + 1) * sizeof(*list));
    const void *envelope = cs_arena_memdup(b->a, e->envelope.ptr, e->envelope.len);
    if (v == NULL || list == NULL || envelope == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (r->n_votes > 0)
        memcpy(list, r->votes, r->n_votes * sizeof(*list));
    cs__store__vote__init(v);
    v->approver_id = sched_text(j->d.approver_id);
    v->decision = j->d.decision;
    v->at_ms = b->now_ms;
    v->assurance = j->d.assurance;
    v->envelope = sched_data(cs_bytes(envelope, e->envelope.len));
    v->invitation_id = j->inv != NULL ? j->inv->invitation_id : sched_text("");
    v->comment = j->m->comment;
    v->event_id = e->header->event_id;
    list[r->n_votes++] = v;
    r->votes = list;
    q->dirty = true;
    return CS_OK;
}

static enum cs_rc close_invitations_of(struct batch *b, struct request *q, const char *approver_id,
                                       struct cs_err *err)
{
    for (size_t i = 0; i < q->r->n_invitations; i++) {
        if (strcmp(q->r->invitations[i]->approver_id, approver_id) == 0)
            CS_TRY(approval_close(b, q, q->r->invitations[i], "used", "decided", err));
    }
    return CS_OK;
}

static enum cs_rc denied(struct batch *b, struct request *q, const struct judged *j,
                         struct cs_err *err)
{
    Cs__Common__Principal *by = cs_arena_alloc(b->a, sizeof(*by));
    if (by == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs__common__principal__init(by);
    by->user_id = sched_text(j->d.approver_id);
    q->r->by = by;
    return batch_end(b, q, EV_DENY, "request.denied", "an approver denied it", err);
}

static enum cs_rc count(struct batch *b, struct request *q, const struct cs_event *e,
                        const struct judged *j, struct cs_err *err)
{
    CS_TRY(add_vote(b, q, e, j, err));
    CS_TRY(close_invitations_of(b, q, j->d.approver_id, err));
    if (j->d.decision == CS__COMMANDS__DECISION__DECISION_DENY)
        return denied(b, q, j, err);
    if (policy_approvals(q->r) >= q->r->quorum)
        return approval_authorize(b, q, err);
    return batch_transition(b, q, EV_VOTE, err);
}

static enum cs_rc verdict(struct batch *b, struct request *q, const struct judged *j,
                          struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__DecisionRecorded m = CS__EVENTS__DECISION_RECORDED__INIT;
    m.header = &h;
    m.organization_id = q->r->organization_id;
    m.request_id = q->r->request_id;
    m.approver_id = sched_text(j->d.approver_id == NULL ? "" : j->d.approver_id);
    m.decision = j->d.decision;
    m.accepted = j->refusal == NULL;
    m.refusal_code = sched_text(j->refusal == NULL ? "" : j->refusal);
    m.tries_left = j->tries_left;
    m.assurance = j->d.assurance;
    m.comment = j->m->comment;
    m.state = q->r->state;
    return batch_emit(b, q, "cs.events", &m.base, &h, NULL, err);
}

enum cs_rc decisions_apply(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    struct judged j = {.m = (const Cs__Commands__DecisionSubmitted *)e->message};
    struct request *q = NULL;
    CS_TRY(batch_request(b, j.m->request_id, &q, err));
    if (q == NULL || strcmp(q->r->organization_id, j.m->organization_id) != 0)
        return cs_err_code(err, CS_NOT_FOUND, "decision.unknown_request",
                           "a decision on a request that does not exist");
    CS_TRY(judge(b, q, &j, err));
    if (j.refusal == NULL)
        CS_TRY(count(b, q, e, &j, err));
    return verdict(b, q, &j, err);
}
