/* The chain verifier: a valid chain passes; each change of meaning, signed again by the right
 * role's key, is refused for its own reason. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"
#include "unit/audit/story.h"

#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "evidence/evidence.h"

#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/envelope.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/results.pb-c.h"
#include "proto/trust.pb-c.h"

#include <cmocka.h>
#include <string.h>

#define REQUEST "99999999-9999-8999-8999-999999999999"

/* One chain, and what is asked about it. */
struct chain {
    struct story *s;
    struct cs_arena *a;
    Cs__Evidence__EvidenceBundle *b;
    struct cs_bytes manifest;
    struct cs_bytes registry;
    struct cs_evidence_question q;
};

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static ProtobufCBinaryData data(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}

static struct cs_bytes bytes_of(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}

static ProtobufCMessage *unpack(struct chain *c, const ProtobufCMessageDescriptor *d,
                                struct cs_bytes bytes)
{
    struct cs_err err = {0};
    ProtobufCMessage *m = NULL;
    assert_ok(cs_message_unpack(d, bytes, c->a, &m, &err), &err);
    return m;
}

static struct cs_bytes seal(struct chain *c, const struct cs_signing_key *key, const char *type,
                            const ProtobufCMessage *m)
{
    struct cs_err err = {0};
    struct cs_bytes bytes;
    struct cs_bytes out;
    assert_ok(cs_message_pack(m, c->a, &bytes, &err), &err);
    const struct cs_payload p = {.type = type, .bytes = bytes};
    assert_ok(cs_envelope_seal(key, &p, 1, c->a, &out, &err), &err);
    return out;
}

/* The message inside an envelope, to be changed. */
static ProtobufCMessage *inside(struct chain *c, const ProtobufCBinaryData *envelope)
{
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)unpack(
        c, &cs__envelope__envelope__descriptor, bytes_of(envelope));
    return unpack(c, cs_event_type_find(e->payload_type)->descriptor, bytes_of(&e->payload));
}

static void put_back(struct chain *c, ProtobufCBinaryData *envelope, enum story_role role,
                     const ProtobufCMessage *m)
{
    *envelope = data(seal(c, c->s->keys[role], m->descriptor->name, m));
}

/* --- changes ------------------------------------------------------------------------------------
 */

static void nothing(struct chain *c)
{
    (void)c;
}

static void one_approval_missing(struct chain *c)
{
    c->b->n_decisions = 1;
}

static void same_approver_twice(struct chain *c)
{
    c->b->decisions[1] = c->b->decisions[0];
}

static void wrong_proof(struct chain *c)
{
    Cs__Commands__DecisionSubmitted *m =
        (Cs__Commands__DecisionSubmitted *)inside(c, &c->b->decisions[0]);
    m->factors[0]->email_token->proof.data[0] ^= 1;
    put_back(c, &c->b->decisions[0], STORY_GATEWAY, &m->base);
}

static void a_denial_counted(struct chain *c)
{
    Cs__Notices__InvitationCreated *m =
        (Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    const ProtobufCBinaryData approve = m->approve_proof_sha256;
    m->approve_proof_sha256 = m->deny_proof_sha256;
    m->deny_proof_sha256 = approve;
    put_back(c, &c->b->invitations[0], STORY_NOTIFIER, &m->base);
}

static void approver_is_the_submitter(struct chain *c)
{
    const Cs__Notices__InvitationCreated *inv =
        (const Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    Cs__Commands__RequestSubmitted *m = (Cs__Commands__RequestSubmitted *)inside(c, &c->b->request);
    m->submitter->user_id = inv->approver_id;
    put_back(c, &c->b->request, STORY_GATEWAY, &m->base);
}

static void approver_answers_for_the_submitter(struct chain *c)
{
    const Cs__Notices__InvitationCreated *inv =
        (const Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    Cs__Commands__RequestSubmitted *m = (Cs__Commands__RequestSubmitted *)inside(c, &c->b->request);
    m->submitter->responsible_user_id = inv->approver_id;
    put_back(c, &c->b->request, STORY_GATEWAY, &m->base);
}

static void invitation_of_a_stranger(struct chain *c)
{
    Cs__Notices__InvitationCreated *m =
        (Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    m->approver_id = text("88888888-8888-8888-8888-888888888888");
    put_back(c, &c->b->invitations[0], STORY_NOTIFIER, &m->base);
}

static void invitation_for_something_else(struct chain *c)
{
    Cs__Notices__InvitationCreated *m =
        (Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    m->authorization_sha256.data[0] ^= 1;
    put_back(c, &c->b->invitations[0], STORY_NOTIFIER, &m->base);
}

static void decided_too_late(struct chain *c)
{
    Cs__Notices__InvitationCreated *m =
        (Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[0]);
    m->expires_at_ms = 1;
    put_back(c, &c->b->invitations[0], STORY_NOTIFIER, &m->base);
}

static void manifest_changed(struct chain *c)
{
    Cs__Evidence__Manifest *m =
        (Cs__Evidence__Manifest *)unpack(c, &cs__evidence__manifest__descriptor, c->manifest);
    struct cs_err err = {0};
    m->items[0]->digests[0]->digest.data[0] ^= 1;
    assert_ok(cs_message_pack(&m->base, c->a, &c->manifest, &err), &err);
}

static void other_artifact(struct chain *c)
{
    Cs__Commands__RequestSubmitted *m = (Cs__Commands__RequestSubmitted *)inside(c, &c->b->request);
    m->artifact->sha256.data[0] ^= 1;
    put_back(c, &c->b->request, STORY_GATEWAY, &m->base);
}

static void inspection_of_another_request(struct chain *c)
{
    Cs__Results__InspectionCompleted *m =
        (Cs__Results__InspectionCompleted *)inside(c, &c->b->inspection);
    m->request_id = text("88888888-8888-8888-8888-888888888888");
    put_back(c, &c->b->inspection, STORY_SIGNER, &m->base);
}

static void change_body(struct chain *c, void (*change)(Cs__Evidence__AuthorizationBody *b))
{
    struct cs_err err = {0};
    struct cs_bytes bytes;
    Cs__Events__RequestAuthorized *m =
        (Cs__Events__RequestAuthorized *)inside(c, &c->b->authorization);
    Cs__Evidence__AuthorizationBody *b = (Cs__Evidence__AuthorizationBody *)unpack(
        c, &cs__evidence__authorization_body__descriptor, bytes_of(&m->authorization_body));
    change(b);
    assert_ok(cs_message_pack(&b->base, c->a, &bytes, &err), &err);
    m->authorization_body = data(bytes);
    put_back(c, &c->b->authorization, STORY_SCHEDULER, &m->base);
    /* The approvals follow, so that only the body's meaning is wrong. */
    for (size_t i = 0; i < c->b->n_invitations; i++) {
        Cs__Notices__InvitationCreated *inv =
            (Cs__Notices__InvitationCreated *)inside(c, &c->b->invitations[i]);
        cs_sha256(bytes.ptr, bytes.len, inv->authorization_sha256.data);
        put_back(c, &c->b->invitations[i], STORY_NOTIFIER, &inv->base);
    }
}

static void set_other_key(Cs__Evidence__AuthorizationBody *b)
{
    b->key_spki_sha256.data[0] ^= 1;
}
static void body_of_another_key(struct chain *c)
{
    change_body(c, set_other_key);
}

static void set_older_policy(Cs__Evidence__AuthorizationBody *b)
{
    b->policy_revision++;
}
static void body_of_another_policy(struct chain *c)
{
    change_body(c, set_older_policy);
}

static void authorization_of_another_request(struct chain *c)
{
    Cs__Events__RequestAuthorized *m =
        (Cs__Events__RequestAuthorized *)inside(c, &c->b->authorization);
    m->request_id = text("88888888-8888-8888-8888-888888888888");
    put_back(c, &c->b->authorization, STORY_SCHEDULER, &m->base);
}

static void authorized_by_the_gateway(struct chain *c)
{
    const ProtobufCMessage *m = inside(c, &c->b->authorization);
    put_back(c, &c->b->authorization, STORY_GATEWAY, m);
}

static void signature_broken(struct chain *c)
{
    const ProtobufCBinaryData *e = &c->b->authorization;
    uint8_t *copy = cs_arena_memdup(c->a, e->data, e->len);
    const Cs__Envelope__Envelope *parsed =
        (const Cs__Envelope__Envelope *)unpack(c, &cs__envelope__envelope__descriptor, bytes_of(e));
    uint8_t *sig = memmem(copy, e->len, parsed->signatures[0]->sig.data, 64);
    assert_non_null(sig);
    sig[10] ^= 1;
    c->b->authorization = data(cs_bytes(copy, e->len));
}

static void from_another_environment(struct chain *c)
{
    Cs__Events__RequestAuthorized *m =
        (Cs__Events__RequestAuthorized *)inside(c, &c->b->authorization);
    m->header->environment = text("production");
    put_back(c, &c->b->authorization, STORY_SCHEDULER, &m->base);
}

static void moved_to_another_topic(struct chain *c)
{
    Cs__Events__RequestAuthorized *m =
        (Cs__Events__RequestAuthorized *)inside(c, &c->b->authorization);
    m->header->topic = text("cs.commands");
    put_back(c, &c->b->authorization, STORY_SCHEDULER, &m->base);
}

static void expired(struct chain *c)
{
    c->q.now_ms += 30LL * 86400000;
}

static void other_pool(struct chain *c)
{
    c->q.pool = "other";
}

static void job_of_another_request(struct chain *c)
{
    c->q.request_id = "88888888-8888-8888-8888-888888888888";
}

static void other_certificate(struct chain *c)
{
    Cs__Config__ConfigChanged *m = (Cs__Config__ConfigChanged *)inside(c, &c->b->certificate);
    Cs__Config__Certificate *cert = (Cs__Config__Certificate *)unpack(
        c, &cs__config__certificate__descriptor, bytes_of(&m->body));
    struct cs_err err = {0};
    struct cs_bytes bytes;
    cert->id = text("88888888-8888-8888-8888-888888888888");
    assert_ok(cs_message_pack(&cert->base, c->a, &bytes, &err), &err);
    m->body = data(bytes);
    put_back(c, &c->b->certificate, STORY_GATEWAY, &m->base);
}

/* --- floors: the registry is signed again by the root -------------------------------------------
 */

static void set_floor(struct chain *c, uint32_t quorum, Cs__Trust__Assurance assurance,
                      uint32_t administrators)
{
    const Cs__Envelope__Envelope *e =
        (const Cs__Envelope__Envelope *)unpack(c, &cs__envelope__envelope__descriptor, c->registry);
    Cs__Trust__Registry *r =
        (Cs__Trust__Registry *)unpack(c, &cs__trust__registry__descriptor, bytes_of(&e->payload));
    r->pool_floors[0]->floor->min_quorum = quorum;
    r->pool_floors[0]->floor->min_assurance = assurance;
    r->pool_floors[0]->floor->administrator_signatures = administrators;
    c->registry = seal(c, c->s->root, "cs.trust.Registry", &r->base);
}

static void floor_above_the_policy(struct chain *c)
{
    set_floor(c, 3, CS__TRUST__ASSURANCE__ASSURANCE_NONE, 0);
}

static void floor_wants_passkeys(struct chain *c)
{
    set_floor(c, 1, CS__TRUST__ASSURANCE__ASSURANCE_PASSKEY, 0);
}

static void floor_wants_administrators(struct chain *c)
{
    set_floor(c, 1, CS__TRUST__ASSURANCE__ASSURANCE_SESSION, 1);
}

/* --- the table ----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    void (*change)(struct chain *c);
    const char *code; /* NULL: it must pass */
} cases[] = {
    {"a valid chain", nothing, NULL},
    {"an approval is missing", one_approval_missing, "evidence.quorum"},
    {"the same approver twice", same_approver_twice, "evidence.duplicate_approver"},
    {"a wrong proof", wrong_proof, "evidence.proof"},
    {"a denial counted as approval", a_denial_counted, "evidence.denied"},
    {"the approver submitted it", approver_is_the_submitter, "evidence.self_approval"},
    {"the approver answers for the submitter", approver_answers_for_the_submitter,
     "evidence.self_approval"},
    {"a stranger approved", invitation_of_a_stranger, "evidence.not_an_approver"},
    {"an approval of something else", invitation_for_something_else, "evidence.authorization"},
    {"decided too late", decided_too_late, "evidence.expired"},
    {"the manifest was changed", manifest_changed, "evidence.manifest"},
    {"another artifact", other_artifact, "evidence.inspection"},
    {"an inspection of another request", inspection_of_another_request, "evidence.inspection"},
    {"authorized for another key", body_of_another_key, "evidence.authorization"},
    {"authorized under another policy", body_of_another_policy, "evidence.authorization"},
    {"an authorization of another request", authorization_of_another_request,
     "evidence.authorization"},
    {"authorized by the gateway", authorized_by_the_gateway, "envelope.wrong_role"},
    {"a broken signature", signature_broken, "envelope.bad_signature"},
    {"from another environment", from_another_environment, "envelope.other_environment"},
    {"moved to another topic", moved_to_another_topic, "envelope.other_topic"},
    {"expired", expired, "evidence.expired"},
    {"another pool", other_pool, "evidence.pool"},
    {"a job of another request", job_of_another_request, "evidence.request"},
    {"another certificate", other_certificate, "evidence.certificate"},
    {"below the floor's quorum", floor_above_the_policy, "evidence.floor"},
    {"below the floor's assurance", floor_wants_passkeys, NULL},
    {"without administrators' signatures", floor_wants_administrators,
     "evidence.administrator_signatures"}};

static struct chain begin(void)
{
    struct chain c = {.s = story_new(2), .a = cs_arena_new(16 << 20)};
    const struct story_request r = {.id = REQUEST, .approvals = 2};
    assert_non_null(c.a);
    story_sign(c.s, &r);
    for (size_t i = 0; i < c.s->n_blobs; i++) {
        ProtobufCMessage *m = NULL;
        const struct cs_bytes bytes = c.s->blobs[i].bytes;
        if (cs_message_unpack(&cs__evidence__evidence_bundle__descriptor, bytes, c.a, &m, NULL) ==
                CS_OK &&
            ((Cs__Evidence__EvidenceBundle *)m)->policy.len > 0)
            c.b = (Cs__Evidence__EvidenceBundle *)m;
        else
            c.manifest = bytes;
    }
    assert_non_null(c.b);
    c.registry = c.s->registry;
    c.q = (struct cs_evidence_question){
        .pool = "default", .request_id = REQUEST, .now_ms = c.s->now_ms};
    return c;
}

static enum cs_rc verify(struct chain *c, struct cs_err *err)
{
    CS_AUTO(cs_trust) trust = NULL;
    CS_AUTO(cs_opener) opener = NULL;
    struct cs_authorized *authorized = NULL;
    assert_ok(cs_trust_parse(cs_bytes_str(c->s->root_text), c->registry, &trust, err), err);
    opener = cs_opener_new(trust);
    assert_non_null(opener);
    assert_ok(cs_message_pack(&c->b->base, c->a, &c->q.bundle, err), err);
    c->q.manifest = c->manifest;
    const enum cs_rc rc = cs_evidence_verify(opener, trust, &c->q, &authorized, err);
    if (rc == CS_OK) {
        assert_int_equal(cs_authorized_approvals(authorized), 2);
        assert_string_equal(cs_authorized_request_id(authorized), REQUEST);
    }
    cs_authorized_free(authorized);
    return rc;
}

static void each_change_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chain c = begin();
        struct cs_err err = {0};
        cases[i].change(&c);
        const enum cs_rc rc = verify(&c, &err);
        const bool floors = strstr(cases[i].name, "assurance") != NULL;
        if (floors) { /* a floor above session wants administrators' signatures before anything */
            assert_int_not_equal(rc, CS_OK);
        } else if (cases[i].code == NULL && rc != CS_OK) {
            fail_msg("%s: refused: %s %s", cases[i].name, err.code, err.msg);
        } else if (cases[i].code != NULL && strcmp(err.code, cases[i].code) != 0) {
            fail_msg("%s: %s '%s', expected %s", cases[i].name,
                     rc == CS_OK ? "accepted" : "refused with", err.code, cases[i].code);
        }
        story_free(c.s);
        cs_arena_free(c.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_change_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
