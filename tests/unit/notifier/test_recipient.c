/* Whether codes may go to an address: an honest set passes; each thing that somebody with the
 * database, or with another service's key, could exchange is refused for its own reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/arena.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "recipient.h"

#include "proto/evidence.pb-c.h"

#include <cmocka.h>
#include <string.h>

#define ALICE "a11ce000-0000-8000-8000-000000000001"
#define MALLORY "ba110000-0000-8000-8000-000000000002"
#define REQUEST "5e900000-0000-8000-8000-000000000003"

/* Everything of one invitation, so that a test can exchange a part. */
struct set {
    struct cs_arena *a;
    Cs__Notices__InvitationCreated invitation;
    Cs__Evidence__AuthorizationBody body;
    Cs__Commands__RequestSubmitted request;
    Cs__Common__Artifact artifact;
    Cs__Config__ConfigChanged revision;
    Cs__Config__SigningPolicy policy;
    Cs__Config__Approver approvers[2];
    Cs__Config__Approver *list[2];
    struct recipient_evidence e;
    const char *user_id;
    const char *address;
};

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

static ProtobufCBinaryData data(const struct set *s, const void *p, size_t n)
{
    return (ProtobufCBinaryData){.data = cs_arena_memdup(s->a, p, n), .len = n};
}

static ProtobufCBinaryData sha256(const struct set *s, const void *p, size_t n)
{
    uint8_t hash[CS_SHA256_SIZE];
    cs_sha256(p, n, hash);
    return data(s, hash, sizeof(hash));
}

static struct cs_bytes pack(const struct set *s, const ProtobufCMessage *m)
{
    struct cs_err err = {0};
    struct cs_bytes out;
    assert_ok(cs_message_pack(m, s->a, &out, &err), &err);
    return out;
}

static void approver(struct set *s, size_t i, const char *id, const char *address)
{
    const char *salted = cs_arena_printf(s->a, "salt%s", address);
    cs__config__approver__init(&s->approvers[i]);
    s->approvers[i].user_id = text(id);
    s->approvers[i].address_salt = data(s, "salt", 4);
    s->approvers[i].address_hash = sha256(s, salted, strlen(salted));
    s->list[i] = &s->approvers[i];
}

/* The policy's body, and the revision around it. */
static void seal_policy(struct set *s)
{
    const struct cs_bytes b = pack(s, &s->policy.base);
    s->revision.body = data(s, b.ptr, b.len);
}

/* The body that approvals bind to, and the invitation for it. */
static void seal_body(struct set *s)
{
    s->body.policy_sha256 = sha256(s, s->revision.body.data, s->revision.body.len);
    s->e.authorization_body = pack(s, &s->body.base);
    s->invitation.authorization_sha256 =
        sha256(s, s->e.authorization_body.ptr, s->e.authorization_body.len);
}

static void put_policy(struct set *s)
{
    cs__config__signing_policy__init(&s->policy);
    s->policy.id = text("release");
    s->policy.organization_id = text("hello");
    s->policy.revision = 7;
    s->policy.quorum = 1;
    s->policy.approvers = s->list;
    s->policy.n_approvers = 2;
    cs__config__config_changed__init(&s->revision);
    s->revision.kind = CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY;
    s->revision.entity_id = text("release");
    s->revision.organization_id = text("hello");
    s->revision.revision = 7;
    seal_policy(s);
}

static void put_request(struct set *s)
{
    cs__common__artifact__init(&s->artifact);
    s->artifact.sha256 = sha256(s, "artifact", 8);
    cs__commands__request_submitted__init(&s->request);
    s->request.request_id = text(REQUEST);
    s->request.organization_id = text("hello");
    s->request.artifact = &s->artifact;
}

static void put_body(struct set *s)
{
    cs__evidence__authorization_body__init(&s->body);
    s->body.request_id = text(REQUEST);
    s->body.organization_id = text("hello");
    s->body.policy_id = text("release");
    s->body.policy_revision = 7;
    s->body.artifact_sha256 = sha256(s, "artifact", 8);
    s->body.manifest_sha256 = sha256(s, "manifest", 8);
    cs__notices__invitation_created__init(&s->invitation);
    s->invitation.request_id = text(REQUEST);
    s->invitation.approver_id = text(ALICE);
    seal_body(s);
}

static struct set *set_new(void)
{
    struct cs_arena *a = cs_arena_new(1 << 16);
    assert_non_null(a);
    struct set *s = cs_arena_alloc(a, sizeof(*s));
    memset(s, 0, sizeof(*s));
    s->a = a;
    approver(s, 0, ALICE, "alice@example.com");
    approver(s, 1, "b0b00000-0000-8000-8000-000000000004", "bob@example.com");
    put_policy(s);
    put_request(s);
    put_body(s);
    s->e.invitation = &s->invitation;
    s->e.request = &s->request;
    s->e.manifest_sha256 = cs_bytes(s->body.manifest_sha256.data, CS_SHA256_SIZE);
    s->e.revision = &s->revision;
    s->e.policy = &s->policy;
    s->e.floor_assurance = CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN;
    s->e.signatures = 1;
    s->user_id = ALICE;
    s->address = "alice@example.com";
    return s;
}

/* --- what somebody could exchange ---------------------------------------------------------------
 */

static void nothing(struct set *s)
{
    (void)s;
}

static void capitals_in_the_address(struct set *s)
{
    s->address = "Alice@Example.COM";
}

static void two_signatures_asked_and_given(struct set *s)
{
    s->e.floor_signatures = 2;
    s->e.signatures = 2;
}

static void a_trial_key(struct set *s)
{
    s->e.floor_assurance = CS__TRUST__ASSURANCE__ASSURANCE_NONE;
    s->e.signatures = 0;
}

static void address_in_the_database(struct set *s)
{
    s->address = "mallory@example.com";
}

static void address_longer_than_any(struct set *s)
{
    char *long_one = cs_arena_alloc(s->a, 400);
    memset(long_one, 'a', 399);
    long_one[399] = '\0';
    s->address = long_one;
}

static void recipient_of_the_delivery(struct set *s)
{
    s->user_id = MALLORY;
    s->address = "mallory@example.com";
}

static void recipient_who_is_an_approver_too(struct set *s)
{
    s->user_id = s->approvers[1].user_id;
    s->address = "bob@example.com";
}

static void invitation_of_another_request(struct set *s)
{
    s->invitation.request_id = text("00000000-0000-8000-8000-000000000009");
}

static void authorization_body(struct set *s)
{
    s->body.round = 2;
    s->e.authorization_body = pack(s, &s->body.base);
}

/* A policy with a key of low floor, in which he may write what he likes. */
static void policy_of_a_trial_key(struct set *s)
{
    approver(s, 0, ALICE, "mallory@example.com");
    s->policy.id = s->revision.entity_id = text("trial");
    seal_policy(s);
    a_trial_key(s);
    s->address = "mallory@example.com";
}

/* The same id and revision, with other content. */
static void content_of_the_policy(struct set *s)
{
    approver(s, 0, ALICE, "mallory@example.com");
    seal_policy(s);
    a_trial_key(s);
    s->address = "mallory@example.com";
}

static void older_revision(struct set *s)
{
    s->revision.revision = 6;
}

static void another_kind_of_entity(struct set *s)
{
    s->revision.kind = CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT;
}

static void signatures_missing(struct set *s)
{
    s->e.signatures = 0;
}

static void one_of_two_signatures(struct set *s)
{
    s->e.floor_signatures = 2;
}

static void approver_taken_out(struct set *s)
{
    s->policy.approvers = &s->list[1];
    s->policy.n_approvers = 1;
    seal_policy(s);
    seal_body(s);
}

static void artifact_shown(struct set *s)
{
    s->artifact.sha256 = sha256(s, "harmless", 8);
}

static void manifest_shown(struct set *s)
{
    const ProtobufCBinaryData other = sha256(s, "harmless", 8);
    s->e.manifest_sha256 = cs_bytes(other.data, other.len);
}

static void request_shown(struct set *s)
{
    s->body.request_id = text("00000000-0000-8000-8000-000000000009");
    seal_body(s);
}

static const struct row {
    const char *name;
    void (*change)(struct set *);
    const char *code; /* NULL: passes */
} rows[] = {
    {"nothing", nothing, NULL},
    {"capitals in the address", capitals_in_the_address, NULL},
    {"two signatures asked and given", two_signatures_asked_and_given, NULL},
    {"a trial key needs no signature", a_trial_key, NULL},
    {"address in the database", address_in_the_database, "notifier.other_address"},
    {"address longer than any", address_longer_than_any, "notifier.other_address"},
    {"recipient of the delivery", recipient_of_the_delivery, "notifier.other_invitation"},
    {"another approver", recipient_who_is_an_approver_too, "notifier.other_invitation"},
    {"another request's", invitation_of_another_request, "notifier.other_invitation"},
    {"authorization body", authorization_body, "notifier.other_invitation"},
    {"policy of a trial key", policy_of_a_trial_key, "notifier.other_policy"},
    {"content of the policy", content_of_the_policy, "notifier.other_policy"},
    {"older revision", older_revision, "notifier.other_policy"},
    {"another kind of entity", another_kind_of_entity, "notifier.other_policy"},
    {"signatures missing", signatures_missing, "notifier.unsigned_policy"},
    {"one of two signatures", one_of_two_signatures, "notifier.unsigned_policy"},
    {"approver taken out", approver_taken_out, "notifier.not_an_approver"},
    {"artifact shown", artifact_shown, "notifier.other_content"},
    {"manifest shown", manifest_shown, "notifier.other_content"},
    {"request shown", request_shown, "notifier.other_content"},
};

static void each_exchange_is_refused_for_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_err err = {0};
        struct set *s = set_new();
        rows[i].change(s);
        const enum cs_rc rc = recipient_check(&s->e, s->user_id, s->address, &err);
        if (rows[i].code == NULL && rc != CS_OK)
            fail_msg("%s: %s", rows[i].name, err.msg);
        if (rows[i].code != NULL && (rc != CS_DENIED || strcmp(err.code, rows[i].code) != 0))
            fail_msg("%s: %s %s, expected %s", rows[i].name, cs_rc_name(rc), err.code,
                     rows[i].code);
        cs_arena_free(s->a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_exchange_is_refused_for_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
