/* The links from request to authorization; approvals are in approvals.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include "base/guard.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include <openssl/x509.h>
#include <string.h>

static bool same(struct cs_bytes a, const ProtobufCBinaryData *b)
{
    return cs_bytes_eq(a, chain_bytes(b));
}

enum cs_rc chain_open(struct chain *c, const ProtobufCBinaryData *envelope, const char *type,
                      const char *code, struct cs_event *out, struct cs_err *err)
{
    if (envelope->len == 0)
        return cs_err_code(err, CS_DENIED, code, "the evidence holds no %s", type);
    CS_TRY(cs_open(c->opener, chain_bytes(envelope), NULL, -1, c->arena, out, err));
    if (strcmp(out->type->name, type) != 0)
        return cs_err_code(err, CS_DENIED, code, "a %s stands where a %s belongs", out->type->name,
                           type);
    return CS_OK;
}

enum cs_rc chain_request(struct chain *c, struct cs_err *err)
{
    CS_TRY(chain_open(c, &c->bundle->request, "cs.commands.RequestSubmitted", "evidence.request",
                      &c->request_event, err));
    c->request = (const Cs__Commands__RequestSubmitted *)c->request_event.message;
    if (c->request->submitter == NULL || c->request->submitter->user_id[0] == '\0')
        return cs_err_code(err, CS_DENIED, "evidence.request", "the request has no submitter");
    if (c->q->request_id != NULL && strcmp(c->request->request_id, c->q->request_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.request",
                           "the evidence is of request %.40s, the job of %.40s",
                           c->request->request_id, c->q->request_id);
    if ((c->request->hash == NULL) == (c->request->artifact == NULL))
        return cs_err_code(err, CS_DENIED, "evidence.request",
                           "the request must have either an artifact or a hash");
    return CS_OK;
}

static enum cs_rc open_entity(struct chain *c, const ProtobufCBinaryData *envelope,
                              Cs__Config__EntityKind kind, const char *code,
                              const Cs__Config__ConfigChanged **out, struct cs_err *err)
{
    struct cs_event ev;
    CS_TRY(chain_open(c, envelope, "cs.config.ConfigChanged", code, &ev, err));
    const Cs__Config__ConfigChanged *cc = (const Cs__Config__ConfigChanged *)ev.message;
    if (cc->kind != kind || cc->deleted)
        return cs_err_code(err, CS_DENIED, code, "the revision is of another kind, or a deletion");
    if (strcmp(cc->organization_id, c->request->organization_id) != 0)
        return cs_err_code(err, CS_DENIED, code, "the revision is of another organisation");
    *out = cc;
    return CS_OK;
}

unsigned cs_evidence_administrators(const struct cs_trust *trust,
                                    const Cs__Config__ConfigChanged *cc)
{
    char seen[8][CS_KEY_ID];
    unsigned n = 0;
    for (size_t i = 0; i < cc->n_signatures && n < 8; i++) {
        const Cs__Config__AdministratorSignature *s = cc->signatures[i];
        struct cs_trust_key key;
        bool again = false;
        if (cs_trust_administrator_key(trust, s->key_id, cc->header->occurred_at_ms, &key, NULL) !=
            CS_OK)
            continue;
        if (key.organization[0] != '\0' && strcmp(key.organization, cc->organization_id) != 0)
            continue;
        if (!cs_revision_check(key.public_key, "SigningPolicy", chain_bytes(&cc->body),
                               chain_bytes(&s->sig)))
            continue;
        cs_key_id(key.public_key, seen[n]);
        for (unsigned k = 0; k < n; k++)
            again = again || strcmp(seen[k], seen[n]) == 0;
        n += again ? 0 : 1;
    }
    return n;
}

enum cs_rc chain_policy(struct chain *c, struct cs_err *err)
{
    const Cs__Config__ConfigChanged *cc = NULL;
    ProtobufCMessage *m = NULL;
    CS_TRY(open_entity(c, &c->bundle->policy, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY,
                       "evidence.policy", &cc, err));
    CS_TRY(cs_message_unpack(&cs__config__signing_policy__descriptor, chain_bytes(&cc->body),
                             c->arena, &m, err));
    c->policy = (const Cs__Config__SigningPolicy *)m;
    c->policy_body = chain_bytes(&cc->body);
    if (strcmp(c->policy->id, cc->entity_id) != 0 || c->policy->revision != cc->revision ||
        strcmp(c->policy->organization_id, cc->organization_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.policy",
                           "the policy's body does not fit its revision");
    if (strcmp(c->policy->id, c->request->policy_id) != 0 ||
        strcmp(c->policy->project_id, c->request->project_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.policy",
                           "the policy is not the one of the request");
    return CS_OK;
}

static enum cs_rc leaf_spki(struct cs_bytes der, uint8_t out[CS_SHA256_SIZE], struct cs_err *err)
{
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    if (x == NULL || p != der.ptr + der.len) {
        X509_free(x);
        return cs_err_code(err, CS_DENIED, "evidence.certificate", "not a certificate");
    }
    uint8_t *spki = NULL;
    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    if (n > 0)
        cs_sha256(spki, (size_t)n, out);
    OPENSSL_free(spki);
    X509_free(x);
    return n > 0 ? CS_OK
                 : cs_err_code(err, CS_DENIED, "evidence.certificate", "no public key in it");
}

enum cs_rc chain_certificate(struct chain *c, struct cs_err *err)
{
    const Cs__Config__ConfigChanged *cc = NULL;
    ProtobufCMessage *m = NULL;
    uint8_t spki[CS_SHA256_SIZE];
    uint8_t leaf[CS_SHA256_SIZE];
    CS_TRY(open_entity(c, &c->bundle->certificate, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE,
                       "evidence.certificate", &cc, err));
    CS_TRY(cs_message_unpack(&cs__config__certificate__descriptor, chain_bytes(&cc->body), c->arena,
                             &m, err));
    c->certificate = (const Cs__Config__Certificate *)m;
    if (c->certificate->n_chain == 0 || c->certificate->chain[0].len > 16384)
        return cs_err_code(err, CS_DENIED, "evidence.certificate", "the certificate has no chain");
    CS_TRY(leaf_spki(chain_bytes(&c->certificate->chain[0]), spki, err));
    cs_sha256(c->certificate->chain[0].data, c->certificate->chain[0].len, leaf);
    if (!CS_GUARD("evidence-certificate"))
        return CS_OK;
    if (strcmp(c->certificate->id, c->policy->certificate_id) != 0 ||
        strcmp(c->certificate->id, cc->entity_id) != 0 ||
        !same(cs_bytes(leaf, sizeof(leaf)), &c->policy->certificate_sha256) ||
        !same(cs_bytes(spki, sizeof(spki)), &c->policy->key_spki_sha256) ||
        strcmp(c->certificate->pool, c->policy->pool) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.certificate",
                           "the certificate is not the one the policy names");
    return CS_OK;
}

enum cs_rc chain_floor(struct chain *c, struct cs_err *err)
{
    const Cs__Config__ConfigChanged *cc = NULL;
    if (c->q->pool != NULL && strcmp(c->policy->pool, c->q->pool) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.pool", "the policy signs in pool '%.100s'",
                           c->policy->pool);
    CS_TRY(cs_trust_floor(c->trust, c->request->organization_id, c->policy->pool,
                          chain_bytes(&c->policy->key_spki_sha256), &c->floor, err));
    if (!CS_GUARD("evidence-floor"))
        return CS_OK;
    if (c->policy->quorum < c->floor.min_quorum)
        return cs_err_code(err, CS_DENIED, "evidence.floor",
                           "the policy asks %u approvals, the key's floor is %u", c->policy->quorum,
                           c->floor.min_quorum);
    unsigned wanted = c->floor.administrator_signatures;
    if (c->floor.min_assurance > CS__TRUST__ASSURANCE__ASSURANCE_SESSION && wanted == 0)
        wanted = 1;
    CS_TRY(open_entity(c, &c->bundle->policy, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY,
                       "evidence.policy", &cc, err));
    const unsigned have = wanted == 0 ? 0 : cs_evidence_administrators(c->trust, cc);
    if (have < wanted)
        return cs_err_code(err, CS_DENIED, "evidence.administrator_signatures",
                           "the policy revision has %u administrators' signatures, the key's floor "
                           "wants %u",
                           have, wanted);
    return CS_OK;
}

static enum cs_rc hash_content(struct chain *c, struct cs_err *err)
{
    if (c->q->manifest.len != 0 || c->bundle->inspection.len != 0)
        return cs_err_code(err, CS_DENIED, "evidence.manifest", "a hash request has no manifest");
    if (CS_GUARD("evidence-hash-allowed") &&
        (!c->policy->hash_signing_allowed || !c->floor.hash_signing_allowed))
        return cs_err_code(err, CS_DENIED, "evidence.hash_not_allowed",
                           "%s does not allow hashes to be signed",
                           c->policy->hash_signing_allowed ? "the key's floor" : "the policy");
    return CS_OK;
}

static enum cs_rc check_items(const struct chain *c, struct cs_err *err)
{
    size_t signable = 0;
    for (size_t i = 0; i < c->manifest->n_items; i++) {
        const Cs__Evidence__ManifestItem *it = c->manifest->items[i];
        bool found = false;
        if (it->signing == NULL)
            continue;
        signable++;
        for (size_t k = 0; k < it->n_digests; k++)
            found = found || strcmp(it->digests[k]->algorithm, it->signing->hash_algorithm) == 0;
        if (!found || strcmp(it->signing->certificate_id, c->policy->certificate_id) != 0)
            return cs_err_code(err, CS_DENIED, "evidence.manifest",
                               "item %.20s lacks its digest, or names another certificate",
                               it->item_id);
    }
    if (signable == 0)
        return cs_err_code(err, CS_DENIED, "evidence.manifest", "nothing in it is to be signed");
    return CS_OK;
}

enum cs_rc chain_content(struct chain *c, struct cs_err *err)
{
    struct cs_event ev;
    ProtobufCMessage *m = NULL;
    if (c->request->hash != NULL)
        return hash_content(c, err);
    CS_TRY(chain_open(c, &c->bundle->inspection, "cs.results.InspectionCompleted",
                      "evidence.inspection", &ev, err));
    const Cs__Results__InspectionCompleted *ic =
        (const Cs__Results__InspectionCompleted *)ev.message;
    cs_sha256(c->q->manifest.ptr, c->q->manifest.len, c->manifest_sha256);
    const struct cs_bytes manifest = cs_bytes(c->manifest_sha256, sizeof(c->manifest_sha256));
    const struct cs_bytes artifact = chain_bytes(&c->request->artifact->sha256);
    if (artifact.len != CS_SHA256_SIZE || strcmp(ic->request_id, c->request->request_id) != 0 ||
        !same(artifact, &ic->artifact_sha256) || strcmp(ev.pool, c->policy->pool) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.inspection",
                           "the inspection is of another artifact or by another pool");
    if (CS_GUARD("evidence-manifest-hash") && !same(manifest, &ic->manifest_sha256))
        return cs_err_code(err, CS_DENIED, "evidence.manifest",
                           "the manifest is not the one that inspection signed");
    CS_TRY(
        cs_message_unpack(&cs__evidence__manifest__descriptor, c->q->manifest, c->arena, &m, err));
    c->manifest = (const Cs__Evidence__Manifest *)m;
    if (strcmp(c->manifest->request_id, c->request->request_id) != 0 ||
        !same(artifact, &c->manifest->artifact_sha256) ||
        c->manifest->artifact_size != c->request->artifact->size ||
        strcmp(c->manifest->configuration_id, c->request->configuration_id) != 0 ||
        c->manifest->configuration_revision != c->request->configuration_revision)
        return cs_err_code(err, CS_DENIED, "evidence.manifest",
                           "the manifest is of another request, artifact or configuration");
    return check_items(c, err);
}

static bool body_binds(const struct chain *c, const Cs__Evidence__AuthorizationBody *b)
{
    uint8_t policy[CS_SHA256_SIZE];
    uint8_t payload[CS_SHA256_SIZE];
    struct cs_bytes artifact = cs_bytes(payload, sizeof(payload));
    struct cs_bytes manifest = cs_bytes(NULL, 0);
    cs_sha256(c->policy_body.ptr, c->policy_body.len, policy);
    cs_sha256(c->request_event.payload.ptr, c->request_event.payload.len, payload);
    if (c->manifest != NULL) {
        artifact = chain_bytes(&c->request->artifact->sha256);
        manifest = cs_bytes(c->manifest_sha256, sizeof(c->manifest_sha256));
    }
    return strcmp(b->environment, cs_trust_environment(c->trust)) == 0 &&
           strcmp(b->organization_id, c->request->organization_id) == 0 &&
           strcmp(b->request_id, c->request->request_id) == 0 &&
           same(artifact, &b->artifact_sha256) && same(manifest, &b->manifest_sha256) &&
           strcmp(b->policy_id, c->policy->id) == 0 && b->policy_revision == c->policy->revision &&
           same(cs_bytes(policy, sizeof(policy)), &b->policy_sha256) &&
           strcmp(b->certificate_id, c->certificate->id) == 0 &&
           same(chain_bytes(&c->policy->certificate_sha256), &b->certificate_sha256) &&
           same(chain_bytes(&c->policy->key_spki_sha256), &b->key_spki_sha256) &&
           strcmp(b->pool, c->policy->pool) == 0;
}

enum cs_rc chain_authorization(struct chain *c, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(chain_open(c, &c->bundle->authorization, "cs.events.RequestAuthorized",
                      "evidence.authorization", &c->authorization_event, err));
    c->authorization = (const Cs__Events__RequestAuthorized *)c->authorization_event.message;
    const struct cs_bytes body = chain_bytes(&c->authorization->authorization_body);
    CS_TRY(
        cs_message_unpack(&cs__evidence__authorization_body__descriptor, body, c->arena, &m, err));
    c->body = (const Cs__Evidence__AuthorizationBody *)m;
    cs_sha256(body.ptr, body.len, c->body_sha256);
    if (CS_GUARD("evidence-binding") && !body_binds(c, c->body))
        return cs_err_code(err, CS_DENIED, "evidence.authorization",
                           "the authorization is not of this request, manifest, policy and key");
    if (strcmp(c->authorization->request_id, c->request->request_id) != 0)
        return cs_err_code(err, CS_DENIED, "evidence.authorization", "of another request");
    if (CS_GUARD("evidence-expiry") && c->q->now_ms >= c->body->expires_at_ms)
        return cs_err_code(err, CS_DENIED, "evidence.expired", "the authorization has expired");
    return CS_OK;
}
