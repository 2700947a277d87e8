/* Decisions and their verdicts; see verdict.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include "answer.h"
#include "codec/message.h"
#include "crypto/sealed.h"

#include "proto/events.pb-c.h"

#include <string.h>

enum { VERDICT_MS = 5000 };

Cs__Common__SealedText *verdict_seal(struct call *c, struct cs_db *db, const char *person_id,
                                     const char *text)
{
    struct cs_rows rows;
    uint8_t nonce[CS_SEAL_NONCE];
    CS_AUTO_BUF sealed = CS_BUF_INIT(8192);
    const struct cs_value v[] = {CS_VT(person_id)};
    if (text == NULL || text[0] == '\0' ||
        cs_db_query(db, "SELECT person_key FROM users_private WHERE user_id=?", v, 1, c->a, &rows,
                    NULL) != CS_OK ||
        rows.rows != 1 || cs_cell(&rows, 0, 0).len != CS_PERSON_KEY ||
        cs_text_seal(cs_cell(&rows, 0, 0).ptr, text, nonce, &sealed, NULL) != CS_OK)
        return NULL;
    Cs__Common__SealedText *out = cs_arena_alloc(c->a, sizeof(*out));
    if (out == NULL)
        return NULL;
    cs__common__sealed_text__init(out);
    out->person_id = gw_text(person_id);
    out->nonce = gw_data(cs_bytes(cs_arena_memdup(c->a, nonce, sizeof(nonce)), sizeof(nonce)));
    out->ciphertext = gw_data(cs_bytes(cs_arena_memdup(c->a, sealed.ptr, sealed.len), sealed.len));
    return out;
}

static const struct {
    const char *code;
    unsigned status;
    const char *text;
} refusals[] = {
    {"decision.wrong_code", 403, "this code is not the right one"},
    {"decision.own_request", 403, "nobody decides on a request that is their own"},
    {"decision.not_an_approver", 403, "only the policy's approvers decide"},
    {"decision.assurance", 403, "the policy asks for a stronger proof: use the code in the mail"},
    {"decision.used", 409, "this invitation was used already"},
    {"decision.voted", 409, "you have decided already"},
    {"decision.superseded", 409, "the request or its policy changed: a newer mail asks anew"},
    {"decision.late", 409, "the request does not wait for a decision any more"},
    {"decision.expired", 410, "the time to decide is over"},
    {"decision.malformed", 400, "the decision cannot be understood"}};

static void answer_refusal(struct call *c, const Cs__Events__DecisionRecorded *e)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(refusals[i].code, e->refusal_code) != 0)
            continue;
        if (strcmp(e->refusal_code, "decision.wrong_code") == 0)
            answer_problem_with(c, refusals[i].status, refusals[i].code, "triesLeft",
                                json_integer(e->tries_left), refusals[i].text);
        else
            answer_problem(c, refusals[i].status, refusals[i].code, NULL, "%s", refusals[i].text);
        return;
    }
    answer_problem(c, 409, e->refusal_code, NULL, "the decision does not count");
}

static void answer_verdict(struct call *c, const Cs__Events__DecisionRecorded *e)
{
    if (!e->accepted) {
        answer_refusal(c, e);
        return;
    }
    answer_json(c, 200,
                json_pack("{s:s,s:s,s:s}", "signingRequestId", e->request_id, "decision",
                          e->decision == CS__COMMANDS__DECISION__DECISION_DENY ? "deny" : "approve",
                          "status", request_status(e->state)));
}

static void wait_for(struct call *c, struct waiter *me)
{
    ProtobufCMessage *m = NULL;
    if (me == NULL || !waiter_wait(c->g->waiters, me, VERDICT_MS)) {
        answer_json(c, 202, json_pack("{s:b}", "recorded", 1));
        return;
    }
    const struct cs_bytes last = waiter_last(me);
    const void *copy = cs_arena_memdup(c->a, last.ptr, last.len);
    if (cs_message_unpack(&cs__events__decision_recorded__descriptor, cs_bytes(copy, last.len),
                          c->a, &m, NULL) != CS_OK)
        answer_json(c, 202, json_pack("{s:b}", "recorded", 1));
    else
        answer_verdict(c, (const Cs__Events__DecisionRecorded *)m);
}

void verdict_decide(struct call *c, const char *request_id, Cs__Commands__DecisionSubmitted *m)
{
    struct cs_err err = {0};
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    char event_id[CS_UUID_TEXT];
    cs_uuid_random(event_id);
    h.event_id = event_id;
    m->header = &h;
    struct waiter *me = waiter_new(c->g->waiters, event_id);
    err.rc = request_command(c->g, request_id, &m->base, &h, &err);
    if (err.rc == CS_OK)
        wait_for(c, me);
    else
        answer_error(c, &err);
    waiter_free(c->g->waiters, me);
}
