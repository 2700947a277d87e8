/* POST Decisions: the view token and a code from the mail; the code says which way.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/clock.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "invitation.h"
#include "verdict.h"

#include "proto/envelope.pb-c.h"

#include <string.h>

enum { MAX_TOKEN = 128, MAX_COMMENT = 2000 };

static enum cs_rc read_row(struct call *c, struct cs_db *db, struct invitation *out,
                           struct cs_err *err)
{
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VB(cs_bytes(out->view_token_sha256, 32))};
    CS_TRY(cs_db_query(db,
                       "SELECT i.invitation_id, i.request_id, i.approver_id, i.state, "
                       "i.expires_at_ms, q.record FROM invitations i JOIN requests q ON "
                       "q.request_id=i.request_id WHERE i.view_token_sha256=?",
                       v, 1, c->a, &rows, err));
    if (rows.rows != 1)
        return CS_NOT_FOUND;
    out->invitation_id = cs_cell_text(&rows, 0, 0);
    out->request_id = cs_cell_text(&rows, 0, 1);
    out->approver_id = cs_cell_text(&rows, 0, 2);
    out->state = cs_cell_text(&rows, 0, 3);
    out->expires_at_ms = cs_cell_int(&rows, 0, 4);
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 5), c->a, &m,
                             err));
    out->r = (const Cs__Store__RequestRecord *)m;
    CS_TRY(cs_message_unpack(&cs__envelope__envelope__descriptor,
                             gw_bytes(&out->r->request_envelope), c->a, &m, err));
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)m;
    CS_TRY(cs_message_unpack(&cs__commands__request_submitted__descriptor, gw_bytes(&e->payload),
                             c->a, &m, err));
    out->request = (const Cs__Commands__RequestSubmitted *)m;
    return CS_OK;
}

static void find_stored(struct invitation *out)
{
    for (size_t i = 0; i < out->r->n_invitations; i++) {
        if (strcmp(out->r->invitations[i]->invitation_id, out->invitation_id) == 0)
            out->stored = out->r->invitations[i];
    }
}

bool invitation_load(struct call *c, struct cs_db *db, const char *token, struct invitation *out)
{
    struct cs_err err = {0};
    *out = (struct invitation){0};
    if (token == NULL || token[0] == '\0' || strlen(token) > MAX_TOKEN) {
        answer_problem(c, 400, "decision.token", "token", "the token of the link is missing");
        return false;
    }
    cs_sha256(token, strlen(token), out->view_token_sha256);
    err.rc = read_row(c, db, out, &err);
    if (err.rc == CS_OK) {
        find_stored(out);
        return true;
    }
    if (err.rc == CS_NOT_FOUND)
        answer_problem(c, 403, "decision.unknown_link", NULL,
                       "this link does not work (any more): use the newest mail");
    else
        answer_error(c, &err);
    return false;
}

/* Not open any more: says why, in the terms of the page. */
static bool still_open(struct call *c, const struct invitation *i)
{
    static const struct {
        const char *state;
        const char *code;
        const char *text;
    } rows[] = {{"used", "decision.used", "this invitation was used already"},
                {"voided", "decision.voided",
                 "this mail is not valid any more: a newer one may "
                 "have come, or the request needs no decision"},
                {"superseded", "decision.superseded",
                 "the request or its policy changed: a newer mail asks anew"}};
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        if (strcmp(i->state, rows[k].state) == 0) {
            answer_problem(c, 409, rows[k].code, NULL, "%s", rows[k].text);
            return false;
        }
    }
    if (cs_now_ms() >= i->expires_at_ms) {
        answer_problem(c, 410, "decision.expired", NULL, "the time to decide is over");
        return false;
    }
    return true;
}

/* The proof of what the person typed; false after it answered 400. */
static bool make_proof(struct call *c, const struct invitation *i, const char *token,
                       const char *typed, uint8_t proof[CS_SHA256_SIZE])
{
    struct cs_err err = {0};
    char code[9];
    if (typed == NULL || cs_code_canonical(typed, code, &err) != CS_OK) {
        answer_problem(c, 400, "decision.code", "code",
                       "a code has eight letters and digits, like K7QF-2M9D");
        return false;
    }
    err.rc = cs_decision_proof(i->invitation_id, token, code, proof, &err);
    if (err.rc != CS_OK)
        answer_error(c, &err);
    return err.rc == CS_OK;
}

static bool is(const uint8_t proof[CS_SHA256_SIZE], const ProtobufCBinaryData *commitment)
{
    uint8_t sha256[CS_SHA256_SIZE];
    cs_sha256(proof, CS_SHA256_SIZE, sha256);
    return commitment->len == CS_SHA256_SIZE &&
           cs_equal_secret(sha256, commitment->data, CS_SHA256_SIZE);
}

static void submit(struct call *c, const struct invitation *i, const uint8_t *proof,
                   Cs__Common__SealedText *comment)
{
    Cs__Commands__EmailTokenFactor f = CS__COMMANDS__EMAIL_TOKEN_FACTOR__INIT;
    Cs__Commands__Factor factor = CS__COMMANDS__FACTOR__INIT;
    Cs__Commands__Factor *factors[] = {&factor};
    Cs__Commands__DecisionSubmitted m = CS__COMMANDS__DECISION_SUBMITTED__INIT;
    f.invitation_id = gw_text(i->invitation_id);
    f.view_token_sha256 = gw_data(cs_bytes(i->view_token_sha256, 32));
    f.proof = gw_data(cs_bytes(proof, CS_SHA256_SIZE));
    factor.kind_case = CS__COMMANDS__FACTOR__KIND_EMAIL_TOKEN;
    factor.email_token = &f;
    m.organization_id = i->r->organization_id;
    m.request_id = gw_text(i->request_id);
    m.factors = factors;
    m.n_factors = 1;
    m.comment = comment;
    m.authorization_sha256 = i->r->authorization_sha256;
    verdict_decide(c, i->request_id, &m);
}

/* "dryRun": which code is it? A wrong one counts as a try like any other. */
static void dry_run(struct call *c, const struct invitation *i, const uint8_t *proof)
{
    const bool approve = i->stored != NULL && is(proof, &i->stored->approve_proof_sha256);
    const bool deny = i->stored != NULL && is(proof, &i->stored->deny_proof_sha256);
    if (approve || deny)
        answer_json(c, 200, json_pack("{s:s}", "codeMeaning", deny ? "deny" : "approve"));
    else
        submit(c, i, proof, NULL);
}

static void decide(struct call *c, struct cs_db *db, json_t *body)
{
    struct invitation i;
    uint8_t proof[CS_SHA256_SIZE];
    const char *token = json_string_value(json_object_get(body, "token"));
    const char *code = json_string_value(json_object_get(body, "code"));
    const char *comment = json_string_value(json_object_get(body, "comment"));
    if (comment != NULL && strlen(comment) > MAX_COMMENT) {
        answer_problem(c, 400, "decision.comment", "comment", "at most %d bytes", MAX_COMMENT);
        return;
    }
    if (!invitation_load(c, db, token, &i) || !still_open(c, &i) ||
        !make_proof(c, &i, token, code, proof))
        return;
    if (json_is_true(json_object_get(body, "dryRun")))
        dry_run(c, &i, proof);
    else
        submit(c, &i, proof, verdict_seal(c, db, i.approver_id, comment));
}

void decide_end(struct call *c)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    json_t *body = answer_body(c);
    if (body == NULL)
        return;
    err.rc = dbpool_take(c->g->db, &db, &err);
    if (err.rc == CS_OK)
        decide(c, db, body);
    else
        answer_error(c, &err);
    dbpool_give(c->g->db, db);
    json_decref(body);
}
