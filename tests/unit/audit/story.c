/* Makes believable histories; see story.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include "auditor/store.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "harness/harness.h"
#include "tlog/record.h"
#include "trust/trust.h"

#include "proto/audit.pb-c.h"
#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/jobs.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/results.pb-c.h"
#include "proto/trust.pb-c.h"

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define ORGANIZATION "11111111-1111-8111-8111-111111111111"
#define PROJECT "22222222-2222-8222-8222-222222222222"
#define POLICY "33333333-3333-8333-8333-333333333333"
#define CERTIFICATE "44444444-4444-8444-8444-444444444444"
#define SUBMITTER "55555555-5555-8555-8555-555555555555"
#define CONFIGURATION "66666666-6666-8666-8666-666666666666"
#define APPROVER "77777777-7777-8777-8777-77777777777%u"

static const char *const producers[] = {"gateway",      "scheduler", "signer/default",
                                        "keyd/default", "notifier",  "auditor"};
static const char *const roles[] = {"gateway", "scheduler", "signer",
                                    "keyd",    "notifier",  "auditor"};

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

static ProtobufCBinaryData sha(struct story *s, struct cs_bytes b)
{
    uint8_t *out = cs_arena_alloc(s->a, CS_SHA256_SIZE);
    assert_non_null(out);
    cs_sha256(b.ptr, b.len, out);
    return (ProtobufCBinaryData){.data = out, .len = CS_SHA256_SIZE};
}

static struct cs_bytes pack(struct story *s, const ProtobufCMessage *m)
{
    struct cs_err err = {0};
    struct cs_bytes out;
    assert_ok(cs_message_pack(m, s->a, &out, &err), &err);
    return out;
}

static struct cs_bytes seal(struct story *s, const struct cs_signing_key *key, const char *type,
                            struct cs_bytes payload)
{
    struct cs_err err = {0};
    struct cs_bytes out;
    const struct cs_payload p = {.type = type, .bytes = payload};
    assert_ok(cs_envelope_seal(key, &p, 1, s->a, &out, &err), &err);
    return out;
}

static int64_t count(struct story *s, const char *key)
{
    for (size_t i = 0; i < s->n_counters; i++) {
        if (strcmp(s->counters[i].key, key) == 0)
            return ++s->counters[i].n;
    }
    assert_true(s->n_counters < STORY_COUNTERS);
    struct story_counter *c = &s->counters[s->n_counters++];
    assert_ok(cs_strf(c->key, sizeof(c->key), NULL, "%s", key), &(struct cs_err){0});
    return c->n = 1;
}

static void append(struct story *s, const char *topic, int partition, const char *key,
                   struct cs_bytes value)
{
    const char *where = cs_arena_printf(s->a, "offset %s %d", topic, partition);
    assert_true(s->n < STORY_RECORDS);
    s->records[s->n++] = (struct cs_record){.topic = topic,
                                            .partition = partition,
                                            .offset = count(s, where) - 1,
                                            .timestamp_ms = s->now_ms,
                                            .key = cs_bytes_str(key),
                                            .value = value};
}

/* Fills the header as lib/publish does, and seals. 'send' false: the number is not taken. */
static struct cs_bytes emit(struct story *s, enum story_role role, const char *topic,
                            ProtobufCMessage *m, Cs__Common__Header *h, const char *key, bool send)
{
    char *event_id = cs_arena_alloc(s->a, CS_UUID_TEXT);
    const int partition = strcmp(topic, "cs.config") == 0 ? 0 : key[0] % 4;
    const char *boot = cs_arena_printf(s->a, "boot %s %s %d", s->boots[role], topic, partition);
    cs_uuid_random(event_id);
    s->now_ms += 7;
    h->event_id = event_id;
    h->event_type = text(m->descriptor->name);
    h->environment = text("audit-test");
    h->aggregate_id = text(key);
    h->producer_id = text(producers[role]);
    h->instance_id = text("1");
    h->boot_id = s->boots[role];
    h->boot_sequence = send ? (uint64_t)count(s, boot) : 999;
    h->topic = text(topic);
    h->partition = partition;
    h->occurred_at_ms = s->now_ms;
    h->schema_version = 1;
    h->min_reader_version = 1;
    const struct cs_bytes e = seal(s, s->keys[role], m->descriptor->name, pack(s, m));
    if (send)
        append(s, topic, partition, key, e);
    return e;
}

/* A blob of the log; its digest. */
static ProtobufCBinaryData blob(struct story *s, struct cs_bytes bytes)
{
    assert_true(s->n_blobs < STORY_BLOBS);
    struct story_blob *b = &s->blobs[s->n_blobs++];
    const ProtobufCBinaryData digest = sha(s, bytes);
    memcpy(b->name, "bundles/", 8);
    cs_hex_encode(digest.data, digest.len, b->name + 8);
    b->bytes = bytes;
    return digest;
}

static void make_certificate(struct story *s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Story", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    uint8_t *spki = NULL;
    const int n = i2d_X509(x, &der);
    const int m = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    assert_true(n > 0 && m > 0);
    s->certificate_der = cs_bytes(cs_arena_memdup(s->a, der, (size_t)n), (size_t)n);
    cs_sha256(der, (size_t)n, s->certificate_sha256);
    cs_sha256(spki, (size_t)m, s->spki_sha256);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void make_registry(struct story *s)
{
    Cs__Trust__Registry r = CS__TRUST__REGISTRY__INIT;
    Cs__Trust__ServiceKey keys[6];
    Cs__Trust__ServiceKey *list[6];
    Cs__Trust__Floor floor = CS__TRUST__FLOOR__INIT;
    Cs__Trust__PoolFloor pool = CS__TRUST__POOL_FLOOR__INIT;
    Cs__Trust__PoolFloor *pools[] = {&pool};
    for (size_t i = 0; i < 6; i++) {
        cs__trust__service_key__init(&keys[i]);
        keys[i].key_id = text(cs_signing_key_id(s->keys[i]));
        keys[i].public_key = data(cs_bytes(cs_signing_key_public(s->keys[i]), 32));
        keys[i].role = text(roles[i]);
        keys[i].pool = text(i == STORY_SIGNER || i == STORY_KEYD ? "default" : "");
        list[i] = &keys[i];
    }
    floor.hash_signing_allowed = 1;
    pool.pool = text("default");
    pool.floor = &floor;
    r.environment = text("audit-test");
    r.version = 1;
    r.created_at_ms = s->now_ms - 1000;
    r.n_service_keys = 6;
    r.service_keys = list;
    r.n_pool_floors = 1;
    r.pool_floors = pools;
    s->registry = seal(s, s->root, "cs.trust.Registry", pack(s, &r.base));
}

void story_publish_registry(struct story *s)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Config__RegistryPublished m = CS__CONFIG__REGISTRY_PUBLISHED__INIT;
    m.header = &h;
    m.registry_envelope = data(s->registry);
    emit(s, STORY_GATEWAY, "cs.config", &m.base, &h, "registry", true);
}

void story_publish_false_registry(struct story *s)
{
    const struct cs_bytes good = s->registry;
    struct cs_signing_key *root = s->root;
    s->root = s->keys[STORY_GATEWAY];
    make_registry(s);
    story_publish_registry(s);
    s->root = root;
    s->registry = good;
}

static struct cs_bytes config(struct story *s, Cs__Config__EntityKind kind, const char *id,
                              uint64_t revision, struct cs_bytes body)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Config__ConfigChanged m = CS__CONFIG__CONFIG_CHANGED__INIT;
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.kind = kind;
    m.entity_id = text(id);
    m.revision = revision;
    m.body = data(body);
    return emit(s, STORY_GATEWAY, "cs.config", &m.base, &h, id, true);
}

static void publish_certificate(struct story *s)
{
    Cs__Config__Certificate c = CS__CONFIG__CERTIFICATE__INIT;
    ProtobufCBinaryData chain[] = {data(s->certificate_der)};
    c.id = text(CERTIFICATE);
    c.organization_id = text(ORGANIZATION);
    c.slug = text("story");
    c.name = text("Story key");
    c.pool = text("default");
    c.key_label = text("story");
    c.n_chain = 1;
    c.chain = chain;
    c.spki_sha256 = data(cs_bytes(s->spki_sha256, 32));
    s->certificate_envelope =
        config(s, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE, CERTIFICATE, 1, pack(s, &c.base));
}

void story_new_policy(struct story *s, unsigned quorum)
{
    Cs__Config__SigningPolicy p = CS__CONFIG__SIGNING_POLICY__INIT;
    Cs__Config__Approver approvers[3];
    Cs__Config__Approver *list[3];
    for (unsigned i = 0; i < 3; i++) {
        cs__config__approver__init(&approvers[i]);
        approvers[i].user_id = cs_arena_printf(s->a, APPROVER, i);
        list[i] = &approvers[i];
    }
    p.id = text(POLICY);
    p.organization_id = text(ORGANIZATION);
    p.project_id = text(PROJECT);
    p.slug = text("release");
    p.name = text("Release signing");
    p.revision = ++s->policy_revision;
    p.certificate_id = text(CERTIFICATE);
    p.certificate_sha256 = data(cs_bytes(s->certificate_sha256, 32));
    p.key_spki_sha256 = data(cs_bytes(s->spki_sha256, 32));
    p.quorum = quorum;
    p.n_approvers = 3;
    p.approvers = list;
    p.pool = text("default");
    s->policy_body = pack(s, &p.base);
    s->policy_envelope = config(s, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, POLICY,
                                s->policy_revision, s->policy_body);
}

struct story *story_new(unsigned quorum)
{
    struct cs_err err = {0};
    CS_AUTO_BUF root = CS_BUF_INIT(256);
    struct story *s = cs_calloc(1, sizeof(*s));
    assert_non_null(s);
    s->a = cs_arena_new(64 << 20);
    s->now_ms = 1790000000000;
    s->root = cs_signing_key_generate();
    for (size_t i = 0; i < 6; i++) {
        s->keys[i] = cs_signing_key_generate();
        cs_uuid_random(s->boots[i]);
    }
    assert_ok(cs_trust_root_format("audit-test", cs_signing_key_public(s->root), &root, &err),
              &err);
    assert_ok(cs_strf(s->root_text, sizeof(s->root_text), &err, "%s", cs_buf_cstr(&root)), &err);
    make_certificate(s);
    make_registry(s);
    story_publish_registry(s);
    publish_certificate(s);
    story_new_policy(s, quorum);
    return s;
}

void story_free(struct story *s)
{
    if (s == NULL)
        return;
    cs_signing_key_free(s->root);
    for (size_t i = 0; i < 6; i++)
        cs_signing_key_free(s->keys[i]);
    cs_arena_free(s->a);
    cs_free(s);
}

void story_freep(struct story **s)
{
    story_free(*s);
    *s = NULL;
}

void story_wait(struct story *s, int64_t ms)
{
    s->now_ms += ms;
}

/* One request while it is told. */
struct telling {
    const struct story_request *r;
    struct cs_bytes request;
    struct cs_bytes inspection;
    ProtobufCBinaryData manifest;
    ProtobufCBinaryData body_sha256;
    struct cs_bytes body;
    ProtobufCBinaryData invitations[8];
    ProtobufCBinaryData decisions[8];
    struct cs_bytes authorization;
    ProtobufCBinaryData evidence;
    char job_id[CS_UUID_TEXT];
};

static Cs__Common__Artifact artifact(struct story *s)
{
    Cs__Common__Artifact a = CS__COMMON__ARTIFACT__INIT;
    a.sha256 = sha(s, cs_bytes_str("the artifact"));
    a.size = 12;
    a.file_name = text("hello.exe");
    a.blob = text("");
    return a;
}

static void submit(struct story *s, struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Common__Principal p = CS__COMMON__PRINCIPAL__INIT;
    Cs__Commands__RequestSubmitted m = CS__COMMANDS__REQUEST_SUBMITTED__INIT;
    Cs__Common__Artifact a = artifact(s);
    p.user_id = text(SUBMITTER);
    p.is_ci = 1;
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.submitter = &p;
    m.project_id = text(PROJECT);
    m.policy_id = text(POLICY);
    m.policy_revision = s->policy_revision;
    m.configuration_id = text(CONFIGURATION);
    m.configuration_revision = 1;
    m.artifact = &a;
    t->request = emit(s, STORY_GATEWAY, "cs.commands", &m.base, &h, t->r->id, true);
}

static Cs__Evidence__SigningOptions options(void)
{
    Cs__Evidence__SigningOptions o = CS__EVIDENCE__SIGNING_OPTIONS__INIT;
    o.directive = text("authenticode-sign");
    o.hash_algorithm = text("sha256");
    o.certificate_id = text(CERTIFICATE);
    return o;
}

static void inspect(struct story *s, struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Evidence__Manifest m = CS__EVIDENCE__MANIFEST__INIT;
    Cs__Evidence__ManifestItem item = CS__EVIDENCE__MANIFEST_ITEM__INIT;
    Cs__Evidence__ManifestItem *items[] = {&item};
    Cs__Evidence__FormatDigest digest = CS__EVIDENCE__FORMAT_DIGEST__INIT;
    Cs__Evidence__FormatDigest *digests[] = {&digest};
    Cs__Evidence__SigningOptions o = options();
    Cs__Results__InspectionCompleted ic = CS__RESULTS__INSPECTION_COMPLETED__INIT;
    const Cs__Common__Artifact a = artifact(s);
    digest.algorithm = text("sha256");
    digest.digest = sha(s, cs_bytes_str("authenticode"));
    item.item_id = text("0");
    item.path = text("hello.exe");
    item.format = text("pe-file");
    item.sha256 = a.sha256;
    item.n_digests = 1;
    item.digests = digests;
    item.signing = &o;
    m.request_id = text(t->r->id);
    m.artifact_sha256 = a.sha256;
    m.artifact_size = a.size;
    m.configuration_id = text(CONFIGURATION);
    m.configuration_revision = 1;
    m.n_items = 1;
    m.items = items;
    t->manifest = blob(s, pack(s, &m.base));
    ic.header = &h;
    ic.request_id = text(t->r->id);
    ic.job_id = text(t->r->id);
    ic.artifact_sha256 = a.sha256;
    ic.artifact_size = a.size;
    ic.manifest_sha256 = t->manifest;
    t->inspection = emit(s, STORY_SIGNER, "cs.results", &ic.base, &h, t->r->id, true);
}

static void make_body(struct story *s, struct telling *t)
{
    Cs__Evidence__AuthorizationBody b = CS__EVIDENCE__AUTHORIZATION_BODY__INIT;
    Cs__Evidence__SigningOptions o = options();
    Cs__Evidence__SigningOptions *list[] = {&o};
    b.environment = text("audit-test");
    b.organization_id = text(ORGANIZATION);
    b.request_id = text(t->r->id);
    b.artifact_sha256 = artifact(s).sha256;
    b.manifest_sha256 = t->manifest;
    b.policy_id = text(POLICY);
    b.policy_revision = s->policy_revision;
    b.policy_sha256 = sha(s, s->policy_body);
    b.certificate_id = text(CERTIFICATE);
    b.certificate_sha256 = data(cs_bytes(s->certificate_sha256, 32));
    b.key_spki_sha256 = data(cs_bytes(s->spki_sha256, 32));
    b.pool = text("default");
    b.expires_at_ms = s->now_ms + 86400000;
    b.round = 1;
    b.n_signing = 1;
    b.signing = list;
    t->body = pack(s, &b.base);
    t->body_sha256 = sha(s, t->body);
}

static struct cs_bytes invite(struct story *s, const struct telling *t, unsigned i,
                              const char *invitation_id)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Notices__InvitationCreated m = CS__NOTICES__INVITATION_CREATED__INIT;
    const ProtobufCBinaryData proof = sha(s, cs_bytes_str(invitation_id));
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.invitation_id = text(invitation_id);
    m.approver_id = cs_arena_printf(s->a, APPROVER, i);
    m.authorization_sha256 = t->body_sha256;
    m.view_token_sha256 = sha(s, cs_bytes_str("view"));
    m.approve_proof_sha256 = sha(s, cs_bytes(proof.data, proof.len));
    m.deny_proof_sha256 = sha(s, cs_bytes_str("deny"));
    m.expires_at_ms = s->now_ms + 86400000;
    m.generation = 1;
    return emit(s, STORY_NOTIFIER, "cs.notices", &m.base, &h, t->r->id, true);
}

static struct cs_bytes decide(struct story *s, const struct telling *t, const char *invitation_id)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Commands__DecisionSubmitted m = CS__COMMANDS__DECISION_SUBMITTED__INIT;
    Cs__Commands__Factor f = CS__COMMANDS__FACTOR__INIT;
    Cs__Commands__Factor *factors[] = {&f};
    Cs__Commands__EmailTokenFactor e = CS__COMMANDS__EMAIL_TOKEN_FACTOR__INIT;
    e.invitation_id = text(invitation_id);
    e.view_token_sha256 = sha(s, cs_bytes_str("view"));
    e.proof = sha(s, cs_bytes_str(invitation_id));
    f.kind_case = CS__COMMANDS__FACTOR__KIND_EMAIL_TOKEN;
    f.email_token = &e;
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.n_factors = 1;
    m.factors = factors;
    return emit(s, STORY_GATEWAY, "cs.commands", &m.base, &h, t->r->id, true);
}

static void approve(struct story *s, struct telling *t)
{
    for (unsigned i = 0; i < t->r->approvals && i < 8; i++) {
        char *id = cs_arena_alloc(s->a, CS_UUID_TEXT);
        cs_uuid_random(id);
        t->invitations[i] = data(invite(s, t, i, id));
        t->decisions[i] = data(decide(s, t, id));
    }
}

static void authorize(struct story *s, struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__RequestAuthorized m = CS__EVENTS__REQUEST_AUTHORIZED__INIT;
    const enum story_role by = t->r->authorizer == 0 ? STORY_SCHEDULER : t->r->authorizer;
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.authorization_body = data(t->body);
    m.signing_time_ms = s->now_ms;
    t->authorization = emit(s, by, "cs.events", &m.base, &h, t->r->id, !t->r->forget_authorization);
}

static void bundle(struct story *s, struct telling *t)
{
    Cs__Evidence__EvidenceBundle b = CS__EVIDENCE__EVIDENCE_BUNDLE__INIT;
    const size_t votes = t->r->leave_out_votes ? 0 : t->r->approvals;
    b.request = data(t->request);
    b.inspection = data(t->inspection);
    b.n_invitations = votes;
    b.invitations = t->invitations;
    b.n_decisions = votes;
    b.decisions = t->decisions;
    b.authorization = data(t->authorization);
    b.policy = data(s->policy_envelope);
    b.certificate = data(s->certificate_envelope);
    t->evidence = blob(s, pack(s, &b.base));
}

static void dispatch(struct story *s, struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Jobs__SigningJob m = CS__JOBS__SIGNING_JOB__INIT;
    cs_uuid_random(t->job_id);
    m.header = &h;
    m.job_id = t->job_id;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.evidence_sha256 = t->evidence;
    m.authorization_sha256 = t->body_sha256;
    m.pool = text("default");
    m.lane = text("normal");
    emit(s, STORY_SCHEDULER, "cs.jobs.default.normal", &m.base, &h, t->r->id, true);
}

static void use_key(struct story *s, const struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Results__SigningStarted st = CS__RESULTS__SIGNING_STARTED__INIT;
    Cs__Results__SignatureMade m = CS__RESULTS__SIGNATURE_MADE__INIT;
    s->uses += 1 + t->r->skip_uses;
    st.header = m.header = &h;
    st.request_id = m.request_id = text(t->r->id);
    st.job_id = m.job_id = text(t->job_id);
    st.item_id = m.item_id = text("0");
    st.authorization_sha256 = t->body_sha256;
    st.key_spki_sha256 = m.key_spki_sha256 = data(cs_bytes(s->spki_sha256, 32));
    st.use_number = m.use_number = s->uses;
    st.keyd_boot_id = m.keyd_boot_id = s->boots[STORY_KEYD];
    st.evidence_sha256 = t->evidence;
    m.signature_sha256 = sha(s, cs_bytes_str("signature"));
    if (t->r->other_item)
        st.item_id = m.item_id = text("1");
    if (!t->r->forget_announcement)
        emit(s, STORY_KEYD, "cs.results", &st.base, &h, t->r->id, true);
    emit(s, STORY_KEYD, "cs.results", &m.base, &h, t->r->id, true);
    if (t->r->use_twice) {
        st.job_id = text(PROJECT);
        emit(s, STORY_KEYD, "cs.results", &st.base, &h, t->r->id, true);
    }
}

static void complete(struct story *s, const struct telling *t)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Results__SigningCompleted m = CS__RESULTS__SIGNING_COMPLETED__INIT;
    Cs__Common__Artifact a = artifact(s);
    m.header = &h;
    m.request_id = text(t->r->id);
    m.job_id = text(t->job_id);
    m.signed_artifact = &a;
    emit(s, STORY_SIGNER, "cs.results", &m.base, &h, t->r->id, true);
}

static void change_state(struct story *s, const struct telling *t, Cs__Events__State before,
                         Cs__Events__State after)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__RequestStateChanged m = CS__EVENTS__REQUEST_STATE_CHANGED__INIT;
    Cs__Common__Artifact a = artifact(s);
    m.header = &h;
    m.organization_id = text(ORGANIZATION);
    m.request_id = text(t->r->id);
    m.project_id = text(PROJECT);
    m.policy_id = text(POLICY);
    m.previous = before;
    m.state = after;
    m.artifact = &a;
    emit(s, STORY_SCHEDULER, "cs.events", &m.base, &h, t->r->id, true);
}

void story_sign(struct story *s, const struct story_request *r)
{
    struct telling t = {.r = r};
    submit(s, &t);
    change_state(s, &t, CS__EVENTS__STATE__STATE_RECEIVED, CS__EVENTS__STATE__STATE_INSPECTING);
    inspect(s, &t);
    make_body(s, &t);
    approve(s, &t);
    authorize(s, &t);
    bundle(s, &t);
    change_state(s, &t, CS__EVENTS__STATE__STATE_INSPECTING, CS__EVENTS__STATE__STATE_QUEUED);
    dispatch(s, &t);
    if (!r->forget_use)
        use_key(s, &t);
    complete(s, &t);
    change_state(s, &t, CS__EVENTS__STATE__STATE_SIGNING, CS__EVENTS__STATE__STATE_COMPLETED);
    if (r->second_final)
        change_state(s, &t, CS__EVENTS__STATE__STATE_SIGNING, CS__EVENTS__STATE__STATE_DENIED);
}

void story_garbage(struct story *s, bool quarantined)
{
    Cs__Audit__Quarantined m = CS__AUDIT__QUARANTINED__INIT;
    append(s, "cs.events", 1, "x", cs_bytes_str("not an envelope"));
    m.topic = text("cs.events");
    m.partition = 1;
    m.offset = s->records[s->n - 1].offset;
    m.reader = text("notifier");
    if (quarantined)
        append(s, "cs.quarantine", 0, "x", pack(s, &m.base));
}

void story_drop(struct story *s, size_t i)
{
    memmove(&s->records[i], &s->records[i + 1], (s->n - i - 1) * sizeof(s->records[0]));
    s->n--;
}

void story_remove(struct story *s, size_t i)
{
    const struct cs_record gone = s->records[i];
    story_drop(s, i);
    for (size_t k = i; k < s->n; k++) {
        if (s->records[k].partition == gone.partition &&
            strcmp(s->records[k].topic, gone.topic) == 0)
            s->records[k].offset--;
    }
}

size_t story_find(const struct story *s, const char *type, size_t from)
{
    for (size_t i = from; i < s->n; i++) {
        struct cs_raw_envelope raw;
        if (cs_envelope_parse(s->records[i].value, 0, s->a, &raw, NULL) == CS_OK &&
            strcmp(raw.type, type) == 0)
            return i;
    }
    fail_msg("the story has no %s", type);
    return 0;
}

static void write_root(const struct story *s, const char *directory)
{
    char path[300];
    struct cs_err err = {0};
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/root.pub", directory), &err);
    assert_ok(cs_file_write_atomic(path, s->root_text, strlen(s->root_text), 0644, &err), &err);
}

void story_write(const struct story *s, const char *directory, size_t batch)
{
    char path[300];
    struct cs_err err = {0};
    CS_AUTO(store) store = NULL;
    write_root(s, directory);
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/log", directory), &err);
    assert_ok(store_open(path, "countersign/audit-test", s->keys[STORY_AUDITOR], &store, &err),
              &err);
    for (size_t i = 0; i < s->n_blobs; i++)
        assert_ok(store_put(store, s->blobs[i].name, s->blobs[i].bytes, &err), &err);
    for (size_t i = store_state(store)->size; i < s->n; i++) {
        struct cs_bytes entry;
        assert_ok(cs_log_entry_encode(&s->records[i], s->a, &entry, &err), &err);
        assert_ok(store_add(store, entry, &err), &err);
        if (batch > 0 && (i + 1) % batch == 0)
            assert_ok(store_commit(store, &err), &err);
    }
    assert_ok(store_commit(store, &err), &err);
}
