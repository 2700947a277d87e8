/* Do the approvals of the bundle satisfy the policy and the key's floor? Each one binds to the
 * authorization body's hash and proves itself against the notifier's commitment.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include "base/guard.h"
#include "crypto/hash.h"

#include <string.h>

enum { MAX_APPROVALS = 64 };

/* One decision, judged. */
struct vote {
    const char *approver_id;
    bool approves;
    int assurance;
    int64_t at_ms;
};

static bool binds(const struct chain *c, const ProtobufCBinaryData *sha)
{
    return cs_bytes_eq(chain_bytes(sha), cs_bytes(c->body_sha256, sizeof(c->body_sha256)));
}

static bool commits(const ProtobufCBinaryData *proof, const ProtobufCBinaryData *commitment)
{
    uint8_t digest[CS_SHA256_SIZE];
    if (proof->len != CS_SHA256_SIZE || commitment->len != CS_SHA256_SIZE)
        return false;
    cs_sha256(proof->data, proof->len, digest);
    return cs_equal_secret(digest, commitment->data, sizeof(digest));
}

static enum cs_rc find_invitation(struct chain *c, const char *id,
                                  const Cs__Notices__InvitationCreated **out, struct cs_err *err)
{
    for (size_t i = 0; i < c->bundle->n_invitations; i++) {
        struct cs_event ev;
        CS_TRY(chain_open(c, &c->bundle->invitations[i], "cs.notices.InvitationCreated",
                          "evidence.proof", &ev, err));
        const Cs__Notices__InvitationCreated *inv =
            (const Cs__Notices__InvitationCreated *)ev.message;
        if (strcmp(inv->invitation_id, id) == 0) {
            *out = inv;
            return CS_OK;
        }
    }
    return cs_err_code(err, CS_DENIED, "evidence.proof", "no invitation %.40s in the evidence", id);
}

static enum cs_rc email_factor(struct chain *c, const Cs__Commands__EmailTokenFactor *f,
                               struct vote *v, struct cs_err *err)
{
    const Cs__Notices__InvitationCreated *inv = NULL;
    CS_TRY(find_invitation(c, f->invitation_id, &inv, err));
    if (strcmp(inv->request_id, c->request->request_id) != 0 ||
        !binds(c, &inv->authorization_sha256))
        return cs_err_code(err, CS_DENIED, "evidence.authorization",
                           "the invitation is for something else");
    if (CS_GUARD("evidence-expiry") && v->at_ms >= inv->expires_at_ms)
        return cs_err_code(err, CS_DENIED, "evidence.expired",
                           "decided after the invitation ended");
    if (v->approver_id[0] != '\0' && strcmp(v->approver_id, inv->approver_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.proof", "the invitation is somebody else's");
    const bool approve = commits(&f->proof, &inv->approve_proof_sha256);
    const bool deny = commits(&f->proof, &inv->deny_proof_sha256);
    if (CS_GUARD("evidence-proof") &&
        ((!approve && !deny) ||
         !cs_bytes_eq(chain_bytes(&f->view_token_sha256), chain_bytes(&inv->view_token_sha256))))
        return cs_err_code(err, CS_DENIED, "evidence.proof",
                           "the proof does not open the notifier's commitment");
    v->approver_id = inv->approver_id;
    v->approves = !deny;
    v->assurance = v->assurance == CS__TRUST__ASSURANCE__ASSURANCE_SESSION
                       ? CS__TRUST__ASSURANCE__ASSURANCE_SESSION_EMAIL_TOKEN
                       : CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN;
    return CS_OK;
}

static enum cs_rc session_factor(struct chain *c, const Cs__Commands__DecisionSubmitted *d,
                                 const Cs__Commands__SessionFactor *f, struct vote *v,
                                 struct cs_err *err)
{
    if (strcmp(f->user_id, d->approver_id) != 0 || f->user_id[0] == '\0' ||
        !binds(c, &d->authorization_sha256))
        return cs_err_code(err, CS_DENIED, "evidence.authorization",
                           "the decision is somebody else's or for something else");
    v->approves = d->decision == CS__COMMANDS__DECISION__DECISION_APPROVE;
    v->assurance = CS__TRUST__ASSURANCE__ASSURANCE_SESSION;
    return CS_OK;
}

static enum cs_rc judge(struct chain *c, const ProtobufCBinaryData *envelope, struct vote *v,
                        struct cs_err *err)
{
    struct cs_event ev;
    CS_TRY(chain_open(c, envelope, "cs.commands.DecisionSubmitted", "evidence.proof", &ev, err));
    const Cs__Commands__DecisionSubmitted *d = (const Cs__Commands__DecisionSubmitted *)ev.message;
    *v = (struct vote){.approver_id = d->approver_id, .at_ms = d->header->occurred_at_ms};
    if (strcmp(d->request_id, c->request->request_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.proof", "a decision on another request");
    /* Sessions first, so that an e-mail token beside one adds up. */
    for (size_t i = 0; i < d->n_factors; i++) {
        if (d->factors[i]->kind_case == CS__COMMANDS__FACTOR__KIND_SESSION)
            CS_TRY(session_factor(c, d, d->factors[i]->session, v, err));
    }
    for (size_t i = 0; i < d->n_factors; i++) {
        if (d->factors[i]->kind_case == CS__COMMANDS__FACTOR__KIND_EMAIL_TOKEN)
            CS_TRY(email_factor(c, d->factors[i]->email_token, v, err));
    }
    if (!v->approves)
        return cs_err_code(err, CS_DENIED, "evidence.denied", "an approver denied the request");
    return CS_OK;
}

static bool is_approver(const struct chain *c, const char *user_id)
{
    for (size_t i = 0; i < c->policy->n_approvers; i++) {
        if (strcmp(c->policy->approvers[i]->user_id, user_id) == 0)
            return true;
    }
    return false;
}

static enum cs_rc check_vote(const struct chain *c, const struct vote *v, struct cs_err *err)
{
    const Cs__Common__Principal *s = c->request->submitter;
    int least = (int)c->policy->min_assurance;
    if (CS_GUARD("evidence-floor") && c->floor.min_assurance > least)
        least = c->floor.min_assurance;
    if (CS_GUARD("evidence-approver") && !is_approver(c, v->approver_id))
        return cs_err_code(err, CS_DENIED, "evidence.not_an_approver",
                           "user %.40s is not an approver of this policy revision", v->approver_id);
    if (CS_GUARD("evidence-self") && (strcmp(v->approver_id, s->user_id) == 0 ||
                                      strcmp(v->approver_id, s->responsible_user_id) == 0))
        return cs_err_code(err, CS_DENIED, "evidence.self_approval",
                           "the submitter, or the person responsible for it, approved");
    if (CS_GUARD("evidence-assurance") && v->assurance < least)
        return cs_err_code(err, CS_DENIED, "evidence.floor",
                           "approval with assurance %d, at least %d is needed", v->assurance,
                           least);
    if (CS_GUARD("evidence-expiry") && v->at_ms >= c->body->expires_at_ms)
        return cs_err_code(err, CS_DENIED, "evidence.expired", "approved after the end");
    return CS_OK;
}

enum cs_rc chain_approvals(struct chain *c, struct cs_err *err)
{
    const char *seen[MAX_APPROVALS];
    size_t n = 0;
    const unsigned need =
        c->policy->quorum > c->floor.min_quorum ? c->policy->quorum : c->floor.min_quorum;
    if (c->bundle->n_decisions > MAX_APPROVALS || c->bundle->n_invitations > MAX_APPROVALS)
        return cs_err_code(err, CS_LIMIT, "evidence.quorum", "more than %d decisions",
                           MAX_APPROVALS);
    for (size_t i = 0; i < c->bundle->n_decisions; i++) {
        struct vote v;
        CS_TRY(judge(c, &c->bundle->decisions[i], &v, err));
        CS_TRY(check_vote(c, &v, err));
        for (size_t k = 0; k < n; k++) {
            if (CS_GUARD("evidence-distinct") && strcmp(seen[k], v.approver_id) == 0)
                return cs_err_code(err, CS_DENIED, "evidence.duplicate_approver",
                                   "user %.40s approved twice", v.approver_id);
        }
        seen[n++] = v.approver_id;
    }
    if (CS_GUARD("evidence-quorum") && n < need)
        return cs_err_code(err, CS_DENIED, "evidence.quorum", "%zu of %u approvals", n, need);
    c->approvals = n;
    return CS_OK;
}
