/* Approve, deny, cancel and resend with a person's own token.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "core/authorize.h"
#include "verdict.h"

#include <string.h>

static const char *comment_of(json_t *body)
{
    const char *text = json_string_value(json_object_get(body, "comment"));
    if (text == NULL)
        text = json_string_value(json_object_get(body, "reason"));
    return text == NULL ? "" : text;
}

static void decide(struct call *c, const struct found_request *f, Cs__Common__SealedText *comment)
{
    Cs__Commands__SessionFactor session = CS__COMMANDS__SESSION_FACTOR__INIT;
    Cs__Commands__Factor factor = CS__COMMANDS__FACTOR__INIT;
    Cs__Commands__Factor *factors[] = {&factor};
    Cs__Commands__DecisionSubmitted m = CS__COMMANDS__DECISION_SUBMITTED__INIT;
    session.user_id = c->who.user->id;
    session.session_id = c->who.token->id;
    factor.kind_case = CS__COMMANDS__FACTOR__KIND_SESSION;
    factor.session = &session;
    m.organization_id = c->route.organization;
    m.request_id = c->route.request;
    m.approver_id = c->who.user->id;
    m.decision = c->route.id == ROUTE_APPROVE ? CS__COMMANDS__DECISION__DECISION_APPROVE
                                              : CS__COMMANDS__DECISION__DECISION_DENY;
    m.factors = factors;
    m.n_factors = 1;
    m.comment = comment;
    m.authorization_sha256 = f->r->authorization_sha256;
    verdict_decide(c, c->route.request, &m);
}

static void send_command(struct call *c, ProtobufCMessage *m, Cs__Common__Header *h)
{
    struct cs_err err = {0};
    err.rc = request_command(c->g, c->route.request, m, h, &err);
    if (err.rc == CS_OK)
        answer_json(c, 200, json_object());
    else
        answer_error(c, &err);
}

static void cancel(struct call *c, const struct found_request *f, Cs__Common__SealedText *reason)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Commands__CancelRequested m = CS__COMMANDS__CANCEL_REQUESTED__INIT;
    if (f->r != NULL && f->r->state >= CS__EVENTS__STATE__STATE_SIGNING) {
        answer_problem(c, 409, "cancel.late", NULL, "it is %s: too late to cancel it",
                       f->r->state == CS__EVENTS__STATE__STATE_SIGNING
                           ? "being signed"
                           : request_status(f->r->state));
        return;
    }
    m.header = &h;
    m.organization_id = c->route.organization;
    m.request_id = c->route.request;
    m.principal = &c->who.id;
    m.reason = reason;
    send_command(c, &m.base, &h);
}

static void resend(struct call *c)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Commands__ResendRequested m = CS__COMMANDS__RESEND_REQUESTED__INIT;
    m.header = &h;
    m.organization_id = c->route.organization;
    m.request_id = c->route.request;
    m.principal = &c->who.id;
    send_command(c, &m.base, &h);
}

static bool allowed(struct call *c, const struct found_request *f)
{
    struct view_entity policy;
    struct subject s = {0};
    const enum action action = c->route.id == ROUTE_CANCEL   ? ACTION_CANCEL
                               : c->route.id == ROUTE_RESEND ? ACTION_RESEND
                                                             : ACTION_DECIDE;
    if (f->r != NULL) {
        if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, f->r->policy_id,
                     true, c->a, &policy, NULL) == CS_OK)
            s.policy = (const Cs__Config__SigningPolicy *)policy.message;
        s.submitter_id = f->request->submitter->user_id;
    }
    if (authorize(c->who.user, action, &s))
        return true;
    if (action == ACTION_DECIDE)
        answer_problem(c, 403, "decision.not_an_approver", NULL,
                       c->who.user->is_ci ? "CI users cannot approve or deny"
                                          : "only the policy's approvers decide");
    else
        answer_forbidden(c);
    return false;
}

static void act(struct call *c, struct cs_db *db, json_t *body)
{
    struct found_request f;
    if (!request_load(c, db, &f) || !allowed(c, &f))
        return;
    Cs__Common__SealedText *text = verdict_seal(c, db, c->who.user->id, comment_of(body));
    if (c->route.id == ROUTE_CANCEL)
        cancel(c, &f, text);
    else if (c->route.id == ROUTE_RESEND)
        resend(c);
    else if (f.r == NULL)
        answer_problem(c, 409, "decision.late", NULL, "the request does not wait for a decision");
    else
        decide(c, &f, text);
}

void action_end(struct call *c)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    json_t *body = answer_body(c);
    if (body == NULL)
        return;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc == CS_OK)
        act(c, db, body);
    else
        answer_error(c, &err);
    dbpool_give(c->g->db, db);
    json_decref(body);
}
