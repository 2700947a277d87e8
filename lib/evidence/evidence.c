/* Runs the steps in order and, only when all hold, makes a cs_authorized.
 * SPDX-License-Identifier: Apache-2.0 */
#include "evidence/evidence.h"

#include "base/mem.h"
#include "chain.h"
#include "codec/message.h"

#include <string.h>

/* The manifest of the largest artifact we accept (20,000 items) takes about 16 MiB when parsed. */
enum { EVIDENCE_ARENA = 64 << 20, EVIDENCE_MAX_BUNDLE = 8 << 20 };

struct cs_authorized {
    struct cs_arena *arena;
    struct chain c;
    struct cs_bytes *certificates;
    struct cs_authorized_item *items;
    size_t n_items;
};

void cs_authorized_free(struct cs_authorized *a)
{
    if (a == NULL)
        return;
    cs_arena_free(a->arena);
    cs_free(a);
}

void cs_authorized_freep(struct cs_authorized **a)
{
    cs_authorized_free(*a);
    *a = NULL;
}

static enum cs_rc run_chain(struct chain *c, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(&cs__evidence__evidence_bundle__descriptor, c->q->bundle, c->arena, &m,
                             err));
    c->bundle = (const Cs__Evidence__EvidenceBundle *)m;
    CS_TRY(chain_request(c, err));
    CS_TRY(chain_policy(c, err));
    CS_TRY(chain_certificate(c, err));
    CS_TRY(chain_floor(c, err));
    CS_TRY(chain_content(c, err));
    CS_TRY(chain_authorization(c, err));
    return chain_approvals(c, err);
}

static void fill_item(struct cs_authorized_item *out, const Cs__Evidence__ManifestItem *it)
{
    *out = (struct cs_authorized_item){
        .item_id = it->item_id,
        .path = it->path,
        .format = it->format,
        .file_sha256 = chain_bytes(&it->sha256),
        .digest_algorithm = it->signing->hash_algorithm,
        .description = it->signing->description,
        .description_url = it->signing->description_url,
        .append = it->signing->append != 0,
    };
    for (size_t k = 0; k < it->n_digests; k++) {
        if (strcmp(it->digests[k]->algorithm, out->digest_algorithm) == 0)
            out->digest = chain_bytes(&it->digests[k]->digest);
    }
}

static enum cs_rc fill_items(struct cs_authorized *a, struct cs_err *err)
{
    const Cs__Evidence__Manifest *m = a->c.manifest;
    const size_t n = m == NULL ? 1 : m->n_items;
    a->items = cs_arena_alloc(a->arena, n * sizeof(*a->items));
    if (a->items == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for %zu items", n);
    if (m == NULL) {
        a->items[0] = (struct cs_authorized_item){.item_id = "0",
                                                  .path = "",
                                                  .format = "hash",
                                                  .digest_algorithm = "",
                                                  .digest = chain_bytes(&a->c.request->hash->hash),
                                                  .description = "",
                                                  .description_url = ""};
        a->n_items = 1;
        return CS_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (m->items[i]->signing != NULL)
            fill_item(&a->items[a->n_items++], m->items[i]);
    }
    return CS_OK;
}

static enum cs_rc fill_certificates(struct cs_authorized *a, struct cs_err *err)
{
    const Cs__Config__Certificate *cert = a->c.certificate;
    a->certificates = cs_arena_alloc(a->arena, cert->n_chain * sizeof(*a->certificates));
    if (a->certificates == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for the certificate chain");
    for (size_t i = 0; i < cert->n_chain; i++)
        a->certificates[i] = chain_bytes(&cert->chain[i]);
    return CS_OK;
}

/* The question's bytes are copied first: what was verified is what is answered from. */
static enum cs_rc copy_bytes(struct cs_arena *arena, struct cs_bytes *b, struct cs_err *err)
{
    const void *p = cs_arena_memdup(arena, b->ptr, b->len);
    if (p == NULL)
        return cs_err_code(err, CS_LIMIT, "evidence.too_large", "%zu bytes of evidence", b->len);
    *b = cs_bytes(p, b->len);
    return CS_OK;
}

enum cs_rc cs_evidence_verify(struct cs_opener *opener, const struct cs_trust *trust,
                              const struct cs_evidence_question *q, struct cs_authorized **out,
                              struct cs_err *err)
{
    struct cs_evidence_question mine = *q;
    CS_AUTO(cs_authorized) a = cs_calloc(1, sizeof(*a));
    if (a == NULL || (a->arena = cs_arena_new(EVIDENCE_ARENA)) == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for evidence");
    if (q->bundle.len > EVIDENCE_MAX_BUNDLE)
        return cs_err_code(err, CS_LIMIT, "evidence.too_large", "%zu bytes of evidence",
                           q->bundle.len);
    CS_TRY(copy_bytes(a->arena, &mine.bundle, err));
    CS_TRY(copy_bytes(a->arena, &mine.manifest, err));
    a->c = (struct chain){.opener = opener, .trust = trust, .q = &mine, .arena = a->arena};
    CS_TRY(run_chain(&a->c, err));
    CS_TRY(fill_items(a, err));
    CS_TRY(fill_certificates(a, err));
    a->c.q = NULL; /* lived on this stack */
    *out = CS_STEAL(a);
    return CS_OK;
}

const char *cs_authorized_request_id(const struct cs_authorized *a)
{
    return a->c.request->request_id;
}

const char *cs_authorized_organization_id(const struct cs_authorized *a)
{
    return a->c.request->organization_id;
}

const char *cs_authorized_pool(const struct cs_authorized *a)
{
    return a->c.policy->pool;
}

const char *cs_authorized_policy_id(const struct cs_authorized *a)
{
    return a->c.policy->id;
}

uint64_t cs_authorized_policy_revision(const struct cs_authorized *a)
{
    return a->c.policy->revision;
}

struct cs_bytes cs_authorized_artifact_sha256(const struct cs_authorized *a)
{
    if (a->c.request->artifact == NULL)
        return cs_bytes(NULL, 0);
    return chain_bytes(&a->c.request->artifact->sha256);
}

uint64_t cs_authorized_artifact_size(const struct cs_authorized *a)
{
    return a->c.request->artifact == NULL ? 0 : a->c.request->artifact->size;
}

const char *cs_authorized_key_label(const struct cs_authorized *a)
{
    return a->c.certificate->key_label;
}

struct cs_bytes cs_authorized_key_spki_sha256(const struct cs_authorized *a)
{
    return chain_bytes(&a->c.policy->key_spki_sha256);
}

size_t cs_authorized_chain(const struct cs_authorized *a, const struct cs_bytes **chain)
{
    *chain = a->certificates;
    return a->c.certificate->n_chain;
}

size_t cs_authorized_items(const struct cs_authorized *a, const struct cs_authorized_item **items)
{
    *items = a->items;
    return a->n_items;
}

const Cs__Common__HashPayload *cs_authorized_hash(const struct cs_authorized *a)
{
    return a->c.request->hash;
}

struct cs_bytes cs_authorized_body_sha256(const struct cs_authorized *a)
{
    return cs_bytes(a->c.body_sha256, sizeof(a->c.body_sha256));
}

int64_t cs_authorized_signing_time_ms(const struct cs_authorized *a)
{
    return a->c.authorization->signing_time_ms;
}

bool cs_authorized_timestamp_required(const struct cs_authorized *a)
{
    return strcmp(a->c.policy->timestamp_policy, "none") != 0;
}

size_t cs_authorized_approvals(const struct cs_authorized *a)
{
    return a->c.approvals;
}
