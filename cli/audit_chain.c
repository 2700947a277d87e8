/* Authorization; see audit_chain.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_chain.h"

#include "base/guard.h"
#include "base/hex.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"
#include "evidence/evidence.h"

#include "proto/common.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/results.pb-c.h"

#include <string.h>

/* Two clocks in one installation may differ by so much before it is called backdating. */
enum { KEY = 128, BLOB_MAX = 64 << 20, SKEW_MS = 60000, READING_MS = 60000 };

struct need {
    uint64_t leaf;
    int64_t offset;
    int partition;
    char topic[64];
    int64_t at_ms;
    char what[64];
};

struct revision {
    int64_t at_ms;
};

struct rest {
    int64_t at_ms;
    uint64_t revision;
    uint64_t leaf;
    char policy[40];
};

enum cs_rc audit_chain_init(struct audit_chain *c, struct audit_report *report,
                            struct cs_log_source *source, const struct audit_trust *trust,
                            struct cs_err *err)
{
    *c = (struct audit_chain){.report = report,
                              .source = source,
                              .trust = trust,
                              .seen = audit_table_new(1),
                              .needed = audit_table_new(sizeof(struct need)),
                              .policies = audit_table_new(sizeof(struct revision)),
                              .rested = audit_table_new(sizeof(struct rest))};
    if (c->seen == NULL || c->needed == NULL || c->policies == NULL || c->rested == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return CS_OK;
}

void audit_chain_done(struct audit_chain *c)
{
    audit_table_free(c->seen);
    audit_table_free(c->needed);
    audit_table_free(c->policies);
    audit_table_free(c->rested);
}

enum cs_rc audit_blob(struct cs_log_source *source, struct cs_bytes sha256, struct cs_buf *out,
                      struct cs_err *err)
{
    char name[8 + 2 * CS_SHA256_SIZE + 1] = "bundles/";
    uint8_t digest[CS_SHA256_SIZE];
    if (sha256.len != CS_SHA256_SIZE)
        return cs_err_set(err, CS_INVALID, "a digest of %zu bytes", sha256.len);
    cs_hex_encode(sha256.ptr, sha256.len, name + 8);
    CS_TRY(cs_log_source_fetch(source, name, out, err));
    cs_sha256(out->ptr, out->len, digest);
    if (CS_GUARD("audit-bundle-digest") && memcmp(digest, sha256.ptr, sizeof(digest)) != 0)
        return cs_err_code(err, CS_INVALID, "audit.blob_differs",
                           "%s does not have the digest of its name", name);
    return CS_OK;
}

static bool may_be_evidence(const char *type)
{
    static const char *const types[] = {
        "cs.commands.RequestSubmitted",   "cs.commands.DecisionSubmitted",
        "cs.results.InspectionCompleted", "cs.notices.InvitationCreated",
        "cs.events.RequestAuthorized",    "cs.config.ConfigChanged"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

static enum cs_rc note_seen(struct audit_chain *c, const struct cs_event *e, struct cs_err *err)
{
    uint8_t digest[CS_SHA256_SIZE];
    cs_sha256(e->payload.ptr, e->payload.len, digest);
    audit_table_remove(c->needed, digest, sizeof(digest));
    return audit_table_add(c->seen, digest, sizeof(digest), NULL) != NULL
               ? CS_OK
               : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc note_policy(struct audit_chain *c, const struct cs_event *e, struct cs_err *err)
{
    char key[KEY];
    bool fresh = false;
    const Cs__Config__ConfigChanged *m = (const Cs__Config__ConfigChanged *)e->message;
    if (m->kind != CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY)
        return CS_OK;
    CS_TRY(cs_strf(key, sizeof(key), err, "%.40s %llu", m->entity_id,
                   (unsigned long long)m->revision));
    struct revision *r = audit_table_add(c->policies, key, strlen(key), &fresh);
    if (r == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (fresh)
        r->at_ms = e->header->occurred_at_ms;
    return CS_OK;
}

/* The event in the evidence must be in the log, byte for byte. */
static enum cs_rc need(struct audit_chain *c, const struct audit_place *where, int64_t at_ms,
                       const ProtobufCBinaryData *envelope, struct cs_arena *a, struct cs_err *err)
{
    struct cs_raw_envelope raw;
    uint8_t digest[CS_SHA256_SIZE];
    if (envelope->len == 0)
        return CS_OK;
    CS_TRY(cs_envelope_parse(cs_bytes(envelope->data, envelope->len), 0, a, &raw, err));
    cs_sha256(raw.payload.ptr, raw.payload.len, digest);
    if (audit_table_get(c->seen, digest, sizeof(digest)) != NULL)
        return CS_OK;
    struct need *n = audit_table_add(c->needed, digest, sizeof(digest), NULL);
    if (n == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *n = (struct need){.leaf = where->leaf,
                       .offset = where->offset,
                       .partition = where->partition,
                       .at_ms = at_ms};
    CS_TRY(cs_strf(n->topic, sizeof(n->topic), err, "%.63s", where->topic));
    return cs_strf(n->what, sizeof(n->what), err, "%.63s", raw.type);
}

static enum cs_rc need_all(struct audit_chain *c, const struct audit_place *where, int64_t at_ms,
                           const Cs__Evidence__EvidenceBundle *b, struct cs_arena *a,
                           struct cs_err *err)
{
    const ProtobufCBinaryData *const single[] = {&b->request, &b->inspection, &b->authorization,
                                                 &b->policy, &b->certificate};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        CS_TRY(need(c, where, at_ms, single[i], a, err));
    for (size_t i = 0; i < b->n_invitations; i++)
        CS_TRY(need(c, where, at_ms, &b->invitations[i], a, err));
    for (size_t i = 0; i < b->n_decisions; i++)
        CS_TRY(need(c, where, at_ms, &b->decisions[i], a, err));
    return CS_OK;
}

/* The manifest is a blob of its own, named by the inspection. */
static enum cs_rc read_manifest(struct audit_chain *c, const Cs__Evidence__EvidenceBundle *b,
                                struct cs_buf *out, struct cs_arena *a, struct cs_err *err)
{
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    if (b->inspection.len == 0)
        return CS_OK; /* a hash request */
    CS_TRY(cs_envelope_parse(cs_bytes(b->inspection.data, b->inspection.len), 0, a, &raw, err));
    CS_TRY(
        cs_message_unpack(&cs__results__inspection_completed__descriptor, raw.payload, a, &m, err));
    const ProtobufCBinaryData *sha256 =
        &((const Cs__Results__InspectionCompleted *)m)->manifest_sha256;
    return audit_blob(c->source, cs_bytes(sha256->data, sha256->len), out, err);
}

static bool has_item(const struct cs_authorized *authorized, const char *item_id)
{
    const struct cs_authorized_item *items = NULL;
    const size_t n = cs_authorized_items(authorized, &items);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i].item_id, item_id) == 0)
            return true;
    }
    return false;
}

static bool same(struct cs_bytes a, const ProtobufCBinaryData *b)
{
    return cs_bytes_eq(a, cs_bytes(b->data, b->len));
}

/* The use says what it rests on; it must be what the evidence authorizes. */
static void compare_use(struct audit_chain *c, const struct audit_place *where,
                        const Cs__Results__SigningStarted *m,
                        const struct cs_authorized *authorized)
{
    if (CS_GUARD("audit-use-binding") &&
        (!same(cs_authorized_body_sha256(authorized), &m->authorization_sha256) ||
         !same(cs_authorized_key_spki_sha256(authorized), &m->key_spki_sha256) ||
         !has_item(authorized, m->item_id)))
        audit_finding(c->report, AUDIT_UNAUTHORIZED, where, "audit.use_differs",
                      "the evidence authorizes another key, item or authorization than was used");
}

/* Remembers the latest authorization under each revision, for the end. */
static enum cs_rc note_rest(struct audit_chain *c, const struct audit_place *where,
                            const struct cs_authorized *authorized, int64_t at_ms,
                            struct cs_err *err)
{
    char key[KEY];
    CS_TRY(cs_strf(key, sizeof(key), err, "%.40s %llu", cs_authorized_policy_id(authorized),
                   (unsigned long long)cs_authorized_policy_revision(authorized)));
    struct rest *r = audit_table_add(c->rested, key, strlen(key), NULL);
    if (r == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (at_ms < r->at_ms)
        return CS_OK;
    r->at_ms = at_ms;
    r->revision = cs_authorized_policy_revision(authorized);
    r->leaf = where->leaf;
    return cs_strf(r->policy, sizeof(r->policy), err, "%.39s", cs_authorized_policy_id(authorized));
}

static int64_t authorized_at(const Cs__Evidence__EvidenceBundle *b, struct cs_arena *a)
{
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    if (cs_envelope_parse(cs_bytes(b->authorization.data, b->authorization.len), 0, a, &raw,
                          NULL) != CS_OK ||
        cs_message_unpack(&cs__events__request_authorized__descriptor, raw.payload, a, &m, NULL) !=
            CS_OK)
        return 0;
    return ((const Cs__Events__RequestAuthorized *)m)->header->occurred_at_ms;
}

/* What one use rests on. */
struct basis {
    const struct cs_event *e;
    const Cs__Results__SigningStarted *m;
    struct cs_bytes bundle;
    const Cs__Evidence__EvidenceBundle *unpacked;
    struct cs_bytes manifest;
};

/* keyd asked before it read the artifact once more and wrote the event: so long ago at most. */
static enum cs_rc ask(const struct audit_chain *c, const struct basis *b, int64_t at_ms,
                      struct cs_authorized **out, struct cs_err *err)
{
    const struct audit_version *v = audit_trust_at(c->trust, at_ms);
    const struct cs_evidence_question q = {.bundle = b->bundle,
                                           .manifest = b->manifest,
                                           .pool = b->e->pool,
                                           .request_id = b->m->request_id,
                                           .now_ms = at_ms};
    return cs_evidence_verify(v->opener, v->trust, &q, out, err);
}

/* CS_DENIED: the chain does not hold. */
static enum cs_rc verify_chain(struct audit_chain *c, const struct audit_place *where,
                               struct basis *b, struct cs_arena *a, struct cs_err *err)
{
    const int64_t at_ms = b->e->header->occurred_at_ms;
    CS_AUTO_BUF manifest = CS_BUF_INIT(BLOB_MAX);
    CS_AUTO(cs_authorized) authorized = NULL;
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(&cs__evidence__evidence_bundle__descriptor, b->bundle, a, &m, err));
    b->unpacked = (const Cs__Evidence__EvidenceBundle *)m;
    CS_TRY(read_manifest(c, b->unpacked, &manifest, a, err));
    b->manifest = cs_buf_view(&manifest);
    enum cs_rc rc = ask(c, b, at_ms, &authorized, err);
    if (rc == CS_DENIED)
        rc = ask(c, b, at_ms - READING_MS, &authorized, err);
    CS_TRY(rc);
    compare_use(c, where, b->m, authorized);
    CS_TRY(need_all(c, where, at_ms, b->unpacked, a, err));
    c->verified++;
    return note_rest(c, where, authorized, authorized_at(b->unpacked, a), err);
}

static enum cs_rc check_use(struct audit_chain *c, const struct audit_place *where,
                            const struct cs_event *e, struct cs_arena *a, struct cs_err *err)
{
    const Cs__Results__SigningStarted *m = (const Cs__Results__SigningStarted *)e->message;
    CS_AUTO_BUF bundle = CS_BUF_INIT(BLOB_MAX);
    enum cs_rc rc = audit_blob(c->source, cs_bytes(m->evidence_sha256.data, m->evidence_sha256.len),
                               &bundle, err);
    struct basis b = {.e = e, .m = m, .bundle = cs_buf_view(&bundle)};
    if (rc == CS_OK && CS_GUARD("audit-chain"))
        rc = verify_chain(c, where, &b, a, err);
    if (rc == CS_OK || rc == CS_RETRY || rc == CS_NOMEM)
        return rc;
    if (rc == CS_NOT_FOUND)
        audit_finding(c->report, AUDIT_INCOMPLETE, where, "audit.evidence_missing",
                      "the evidence of this use of a key is not in the log: %s", err->msg);
    else if (strcmp(err->code, "audit.blob_differs") == 0)
        audit_finding(c->report, AUDIT_INTEGRITY, where, err->code, "%s", err->msg);
    else
        audit_finding(
            c->report, AUDIT_UNAUTHORIZED, where, err->code[0] != '\0' ? err->code : "audit.chain",
            "request %.40s was signed without a chain that holds: %s", m->request_id, err->msg);
    return CS_OK;
}

enum cs_rc audit_chain_event(struct audit_chain *c, const struct audit_place *where,
                             const struct cs_event *e, struct cs_arena *a, struct cs_err *err)
{
    if (strcmp(e->type->name, "cs.results.SigningStarted") == 0)
        return check_use(c, where, e, a, err);
    if (may_be_evidence(e->type->name))
        CS_TRY(note_seen(c, e, err));
    if (strcmp(e->type->name, "cs.config.ConfigChanged") == 0)
        CS_TRY(note_policy(c, e, err));
    return CS_OK;
}

struct ending {
    struct audit_chain *c;
    int64_t settled_ms;
};

static void judge_need(void *ctx, const void *key, size_t len, void *value)
{
    const struct ending *e = ctx;
    const struct need *n = value;
    const struct audit_place where = {.has_leaf = true,
                                      .leaf = n->leaf,
                                      .topic = n->topic,
                                      .partition = n->partition,
                                      .offset = n->offset};
    (void)key;
    (void)len;
    if (n->at_ms >= e->settled_ms)
        e->c->pending++;
    else if (CS_GUARD("audit-evidence-logged"))
        audit_finding(e->c->report, AUDIT_INCOMPLETE, &where, "audit.event_not_logged",
                      "this use rests on a %s that is not in the log", n->what);
}

/* A newer revision was there before the request was authorized under this one. */
static void judge_rest(void *ctx, const void *key, size_t len, void *value)
{
    const struct ending *e = ctx;
    const struct rest *r = value;
    char newer[KEY];
    const struct audit_place where = {.has_leaf = true, .leaf = r->leaf};
    (void)key;
    (void)len;
    if (cs_strf(newer, sizeof(newer), NULL, "%s %llu", r->policy,
                (unsigned long long)(r->revision + 1)) != CS_OK)
        return;
    const struct revision *next = audit_table_get(e->c->policies, newer, strlen(newer));
    if (CS_GUARD("audit-policy-in-force") && next != NULL && next->at_ms + SKEW_MS < r->at_ms)
        audit_finding(e->c->report, AUDIT_UNAUTHORIZED, &where, "audit.policy_superseded",
                      "policy %s revision %llu was no longer in force when this was authorized",
                      r->policy, (unsigned long long)r->revision);
}

void audit_chain_end(struct audit_chain *c, int64_t settled_ms)
{
    struct ending e = {.c = c, .settled_ms = settled_ms};
    audit_table_each(c->needed, judge_need, &e);
    audit_table_each(c->rested, judge_rest, &e);
    audit_fact(c->report, "chains", "%llu uses of keys, each allowed by the evidence then in force",
               (unsigned long long)c->verified);
    if (c->pending > 0)
        audit_fact(c->report, "arriving", "%llu events younger than a minute are not logged yet",
                   (unsigned long long)c->pending);
}
