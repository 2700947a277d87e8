/* Verifies, announces, signs: the dialogue with the worker; see keyd.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "keyd.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/envelope.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/results.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_SIGNATURE = 2048 };

/* Message fields are char *, and nothing writes through them. */
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

static int64_t mtime_ms(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

/* A rotated registry takes effect without a restart. */
static enum cs_rc load_trust(struct keyd *k, struct cs_err *err)
{
    CS_AUTO(cs_trust) fresh = NULL;
    CS_AUTO(cs_opener) opener = NULL;
    const int64_t mtime = mtime_ms(k->o.trust_registry);
    if (k->trust != NULL && mtime == k->registry_mtime)
        return CS_OK;
    CS_TRY(cs_trust_load(k->o.trust_root, k->o.trust_registry, &fresh, err));
    if (k->trust != NULL && cs_trust_version(fresh) < cs_trust_version(k->trust))
        return cs_err_code(err, CS_DENIED, "trust.older",
                           "the registry went back from %llu to %llu",
                           (unsigned long long)cs_trust_version(k->trust),
                           (unsigned long long)cs_trust_version(fresh));
    opener = cs_opener_new(fresh);
    if (opener == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_opener_free(k->opener);
    cs_trust_free(k->trust);
    k->trust = CS_STEAL(fresh);
    k->opener = CS_STEAL(opener);
    k->registry_mtime = mtime;
    return CS_OK;
}

enum cs_rc keyd_init(struct keyd *k, const struct keyd_options *o, const struct cs_keys *keys,
                     struct cs_err *err)
{
    *k = (struct keyd){.o = *o, .keys = keys};
    cs_uuid_random(k->boot_id);
    CS_TRY(cs_strf(k->producer_id, sizeof(k->producer_id), err, "keyd/%s", o->pool));
    CS_TRY(load_trust(k, err));
    return cs_signing_key_load(o->key_file, NULL, &k->service_key, err);
}

static void use_done(struct keyd_use *u)
{
    cs_authorized_free(u->authorized);
    *u = (struct keyd_use){0};
}

void keyd_done(struct keyd *k)
{
    for (size_t i = 0; i < KEYD_PENDING; i++)
        use_done(&k->pending[i]);
    cs_opener_free(k->opener);
    cs_trust_free(k->trust);
    cs_signing_key_free(k->service_key);
}

static struct keyd_use *find_pending(struct keyd *k, const char *job_id, const char *item_id)
{
    for (size_t i = 0; i < KEYD_PENDING; i++) {
        struct keyd_use *u = &k->pending[i];
        if (u->authorized != NULL && strcmp(u->job_id, job_id) == 0 &&
            strcmp(u->item_id, item_id) == 0)
            return u;
    }
    return NULL;
}

/* The use's number, 1, 2, 3... per key and boot. */
static enum cs_rc next_use(struct keyd *k, const struct cs_key *key, uint64_t *out,
                           struct cs_err *err)
{
    size_t i = 0;
    while (i < k->n_uses && memcmp(k->uses[i].spki_sha256, key->spki_sha256, 32) != 0)
        i++;
    if (i == KEYD_KEYS)
        return cs_err_set(err, CS_LIMIT, "more than %d keys in one pool", KEYD_KEYS);
    if (i == k->n_uses)
        memcpy(k->uses[k->n_uses++].spki_sha256, key->spki_sha256, 32);
    *out = ++k->uses[i].uses;
    return CS_OK;
}

/* Fills the header and seals: the number taken here must reach Kafka, or this boot ends. */
static enum cs_rc seal(struct keyd *k, const struct keyd_use *u, ProtobufCMessage *m,
                       Cs__Common__Header *h, struct cs_arena *a, ProtobufCBinaryData *out,
                       struct cs_err *err)
{
    struct cs_bytes bytes;
    struct cs_bytes envelope;
    char cause[2 * CS_UUID_TEXT];
    char *event_id = cs_arena_alloc(a, CS_UUID_TEXT);
    if (event_id == NULL || u->partition < 0 || u->partition >= KEYD_PARTITIONS)
        return cs_err_set(err, CS_LIMIT, "partition %d of cs.results", u->partition);
    CS_TRY(cs_strf(cause, sizeof(cause), err, "%s/%s", u->job_id, k->boot_id));
    cs_event_id_derive(cause, m->descriptor->name, u->use_number, event_id);
    h->event_id = event_id;
    h->event_type = text(m->descriptor->name);
    h->environment = text(cs_trust_environment(k->trust));
    h->aggregate_id = text(cs_authorized_request_id(u->authorized));
    h->cause_event_id = text(u->job_id);
    h->producer_id = k->producer_id;
    h->instance_id = text(k->o.instance);
    h->boot_id = k->boot_id;
    h->boot_sequence = k->sequence[u->partition] + 1;
    h->topic = text("cs.results");
    h->partition = u->partition;
    h->occurred_at_ms = cs_now_ms();
    h->schema_version = CS_SCHEMA_VERSION;
    h->min_reader_version = 1;
    CS_TRY(cs_message_pack(m, a, &bytes, err));
    const struct cs_payload payload = {.type = m->descriptor->name, .bytes = bytes};
    CS_TRY(cs_envelope_seal(k->service_key, &payload, 1, a, &envelope, err));
    k->sequence[u->partition]++;
    *out = data(envelope);
    return CS_OK;
}

static enum cs_rc announce(struct keyd *k, struct keyd_use *u, struct cs_arena *a,
                           Cs__Signer__KeydAnswer *answer, struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Results__SigningStarted m = CS__RESULTS__SIGNING_STARTED__INIT;
    uint8_t tbs[32];
    cs_sha256(u->input.digest.ptr, u->input.digest.len, tbs);
    m.header = &h;
    m.request_id = text(cs_authorized_request_id(u->authorized));
    m.job_id = u->job_id;
    m.item_id = u->item_id;
    m.authorization_sha256 = data(cs_authorized_body_sha256(u->authorized));
    m.key_spki_sha256 = data(cs_bytes(u->key->spki_sha256, 32));
    m.use_number = u->use_number;
    m.keyd_boot_id = k->boot_id;
    m.to_be_signed_sha256 = data(cs_bytes(tbs, sizeof(tbs)));
    m.evidence_sha256 = data(cs_bytes(u->evidence_sha256, sizeof(u->evidence_sha256)));
    return seal(k, u, &m.base, &h, a, &answer->started, err);
}

static enum cs_rc remember(struct keyd_use *u, const Cs__Signer__KeydRequest *q, struct cs_err *err)
{
    u->partition = q->partition;
    cs_sha256(q->bundle.data, q->bundle.len, u->evidence_sha256);
    if (!cs_uuid_valid(q->job_id))
        return cs_err_code(err, CS_INVALID, "keyd.job", "the job id is not a UUID");
    CS_TRY(cs_strf(u->job_id, sizeof(u->job_id), err, "%s", q->job_id));
    return cs_strf(u->item_id, sizeof(u->item_id), err, "%s", q->item_id);
}

static enum cs_rc begin_use(struct keyd *k, const Cs__Signer__KeydRequest *q, int fd,
                            struct keyd_use *u, struct cs_arena *a, Cs__Signer__KeydAnswer *answer,
                            struct cs_err *err)
{
    const struct cs_evidence_question question = {.bundle = cs_bytes(q->bundle.data, q->bundle.len),
                                                  .manifest =
                                                      cs_bytes(q->manifest.data, q->manifest.len),
                                                  .pool = k->o.pool,
                                                  .request_id = q->request_id,
                                                  .now_ms = cs_now_ms()};
    CS_TRY(load_trust(k, err));
    CS_TRY(remember(u, q, err));
    CS_TRY(cs_evidence_verify(k->opener, k->trust, &question, &u->authorized, err));
    CS_TRY(keyd_prepare(k, u->authorized, u->item_id, fd, u, err));
    CS_TRY(next_use(k, u->key, &u->use_number, err));
    return announce(k, u, a, answer, err);
}

/* An operator's word that the PIN was corrected is needed once it was refused. */
static void maybe_resume(struct keyd *k)
{
    if (!k->pin_refused || mtime_ms(k->o.resume_file) <= k->pin_refused_at_ms)
        return;
    k->pin_refused = false;
    k->keys->resume(k->keys->self);
}

static void note_pin(struct keyd *k, const struct cs_err *err)
{
    if (!k->pin_refused && strcmp(err->code, "keys.pin_incorrect") == 0) {
        k->pin_refused = true;
        k->pin_refused_at_ms = cs_now_ms();
    }
}

static enum cs_rc sign_request(struct keyd *k, const Cs__Signer__KeydRequest *q, int fd,
                               struct cs_arena *a, Cs__Signer__KeydAnswer *answer,
                               struct cs_err *err)
{
    struct keyd_use *slot = find_pending(k, q->job_id, q->item_id);
    for (size_t i = 0; slot == NULL && i < KEYD_PENDING; i++) {
        if (k->pending[i].authorized == NULL)
            slot = &k->pending[i];
    }
    if (slot == NULL)
        return cs_err_code(err, CS_RETRY, "keyd.busy", "%d uses are pending", KEYD_PENDING);
    use_done(slot);
    const enum cs_rc rc = begin_use(k, q, fd, slot, a, answer, err);
    if (rc != CS_OK)
        use_done(slot);
    return rc;
}

static enum cs_rc continue_request(struct keyd *k, const Cs__Signer__KeydRequest *q,
                                   struct cs_arena *a, Cs__Signer__KeydAnswer *answer,
                                   struct cs_err *err)
{
    CS_AUTO_BUF signature = CS_BUF_INIT(MAX_SIGNATURE);
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Results__SignatureMade m = CS__RESULTS__SIGNATURE_MADE__INIT;
    uint8_t sha256[32];
    struct keyd_use *u = find_pending(k, q->job_id, q->item_id);
    if (u == NULL)
        return cs_err_code(err, CS_RETRY, "keyd.not_started", "this use was not announced");
    enum cs_rc rc = keyd_sign(k, u, &signature, err);
    if (rc == CS_OK) {
        cs_sha256(signature.ptr, signature.len, sha256);
        m.header = &h;
        m.request_id = text(cs_authorized_request_id(u->authorized));
        m.job_id = u->job_id;
        m.item_id = u->item_id;
        m.key_spki_sha256 = data(cs_bytes(u->key->spki_sha256, 32));
        m.use_number = u->use_number;
        m.keyd_boot_id = k->boot_id;
        m.signature_sha256 = data(cs_bytes(sha256, sizeof(sha256)));
        rc = seal(k, u, &m.base, &h, a, &answer->made, err);
        answer->signature.data = cs_arena_memdup(a, signature.ptr, signature.len);
        answer->signature.len = signature.len;
    }
    use_done(u);
    return rc;
}

static enum cs_rc dispatch(struct keyd *k, const Cs__Signer__KeydRequest *q, int fd,
                           struct cs_arena *a, Cs__Signer__KeydAnswer *answer, struct cs_err *err)
{
    struct keyd_use *u = NULL;
    switch (q->kind) {
    case CS__SIGNER__KEYD_REQUEST__KIND__SIGN:
        maybe_resume(k);
        return sign_request(k, q, fd, a, answer, err);
    case CS__SIGNER__KEYD_REQUEST__KIND__CONTINUE:
        return continue_request(k, q, a, answer, err);
    case CS__SIGNER__KEYD_REQUEST__KIND__ABANDON:
        u = find_pending(k, q->job_id, q->item_id);
        if (u != NULL)
            use_done(u);
        return CS_OK;
    case CS__SIGNER__KEYD_REQUEST__KIND__RESUME:
        k->pin_refused = false;
        k->keys->resume(k->keys->self);
        return CS_OK;
    case _CS__SIGNER__KEYD_REQUEST__KIND_IS_INT_SIZE:
    default:
        return cs_err_set(err, CS_INVALID, "an unknown request");
    }
}

void keyd_answer(struct keyd *k, const Cs__Signer__KeydRequest *q, int fd, struct cs_arena *a,
                 Cs__Signer__KeydAnswer *answer)
{
    struct cs_err err = {0};
    const enum cs_rc rc = dispatch(k, q, fd, a, answer, &err);
    answer->rc = rc;
    if (rc == CS_OK)
        return;
    note_pin(k, &err);
    Cs__Common__Failure *f = cs_arena_alloc(a, sizeof(*f));
    if (f == NULL)
        return;
    cs__common__failure__init(f);
    f->code = cs_arena_strdup(a, err.code[0] != '\0' ? err.code : "keyd.failed");
    f->message = cs_arena_strdup(a, err.msg);
    answer->failure = f;
    cs_log_warn("keyd.refused", CS_KS("request", q->request_id), CS_KS("job", q->job_id),
                CS_KS("code", err.code), CS_KERR(&err));
}
