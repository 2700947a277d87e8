/* SignHash, and payload.json of fast requests. Through Kafka and a signer like everything else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "hash_payload.h"

#include "proto/events.pb-c.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_PAYLOAD = 64 * 1024, MAX_HASH = 64, MAX_METADATA = 32 };

/* Members are found whatever their case. */
static json_t *member(json_t *object, const char *name)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return value;
    }
    return NULL;
}

static const char *text_member(json_t *object, const char *name)
{
    const char *v = json_string_value(member(object, name));
    return v == NULL ? "" : v;
}

static bool bad(struct call *c, const char *field, const char *what)
{
    answer_problem(c, 400, "hash.payload", field, "%s: %s", field, what);
    return false;
}

static bool read_algorithm(struct call *c, json_t *j, Cs__Common__HashPayload *out)
{
    static const char *const names[] = {"", "RsaPkcs1", "RsaPss", "Ecdsa"};
    const char *algorithm = text_member(j, "SignatureAlgorithm");
    const char *format = text_member(j, "EcdsaSignatureFormat");
    for (int i = 1; i < 4; i++) {
        if (strcasecmp(algorithm, names[i]) == 0)
            out->algorithm = (Cs__Common__HashPayload__Algorithm)i;
    }
    if (out->algorithm == CS__COMMON__HASH_PAYLOAD__ALGORITHM__UNSPECIFIED)
        return bad(c, "SignatureAlgorithm", "RsaPkcs1, RsaPss or Ecdsa is expected");
    if (out->algorithm != CS__COMMON__HASH_PAYLOAD__ALGORITHM__ECDSA) {
        out->hash_oid = gw_text(text_member(j, "RsaHashAlgorithm"));
        return out->hash_oid[0] != '\0'
                   ? true
                   : bad(c, "RsaHashAlgorithm", "the object id of the hash is expected");
    }
    if (format[0] == '\0' || strcasecmp(format, "Ieee") == 0)
        out->ecdsa_format = CS__COMMON__HASH_PAYLOAD__ECDSA_FORMAT__IEEE;
    else if (strcasecmp(format, "Asn1") == 0)
        out->ecdsa_format = CS__COMMON__HASH_PAYLOAD__ECDSA_FORMAT__ASN1;
    else
        return bad(c, "EcdsaSignatureFormat", "Ieee or Asn1 is expected");
    return true;
}

static bool read_payload(struct call *c, json_t *j, Cs__Common__HashPayload *out)
{
    CS_AUTO_BUF hash = CS_BUF_INIT(MAX_HASH);
    const char *text = text_member(j, "Base64EncodedHash");
    cs__common__hash_payload__init(out);
    if (!read_algorithm(c, j, out))
        return false;
    if (cs_base64_decode(text, strlen(text), &hash, NULL) != CS_OK ||
        (hash.len != 32 && hash.len != 48 && hash.len != 64))
        return bad(c, "Base64EncodedHash",
                   "the base64 text of a SHA-256, SHA-384 or SHA-512 hash is expected");
    out->hash = gw_data(cs_bytes(cs_arena_memdup(c->a, hash.ptr, hash.len), hash.len));
    return out->hash.data != NULL;
}

/* The answer repeats the payload, with the signature under both spellings that clients read. */
static void answer_signature(struct call *c, json_t *payload, struct submitted *done)
{
    const Cs__Events__RequestStateChanged *e = submission_result(c, done);
    if (e == NULL)
        return;
    CS_AUTO_STR signature = cs_base64_encode(e->signature.data, e->signature.len);
    if (signature == NULL) {
        answer_later(c, "no memory");
        return;
    }
    json_t *out = json_copy(payload);
    json_object_set_new(out, "Signature", json_string(signature));
    json_object_set_new(out, "signature", json_string(signature));
    json_object_set_new(out, "signingRequestId", json_string(done->request_id));
    answer_json(c, 200, out);
}

static void sign(struct call *c, struct submission *s, json_t *payload)
{
    Cs__Common__HashPayload hash;
    struct submitted done = {.request_id = ""};
    if (!read_payload(c, payload, &hash))
        return;
    s->hash = &hash;
    s->has_artifact = false;
    s->size = 0;
    s->fast = true;
    if (submission_accept(c, s, true, &done))
        answer_signature(c, payload, &done);
    waiter_free(c->g->waiters, done.waiter);
}

void hash_payload_answer(struct call *c, struct submission *s, int fd)
{
    char text[MAX_PAYLOAD];
    json_error_t e;
    const ssize_t n = pread(fd, text, sizeof(text), 0);
    json_t *payload = n < 0 ? NULL : json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(payload))
        answer_problem(c, 400, "hash.payload", "Artifact", "payload.json is not a JSON object");
    else
        sign(c, s, payload);
    json_decref(payload);
}

/* {"projectSlug","signingPolicySlug" | "signingPolicyId", ...payload} */
void hash_end(struct call *c)
{
    struct submission s = {0};
    json_t *j = answer_body(c);
    if (j == NULL)
        return;
    const char *project = text_member(j, "ProjectSlug");
    const char *policy = text_member(j, "SigningPolicySlug");
    const char *id = text_member(j, "SigningPolicyId");
    s.project_slug = project[0] != '\0' ? project : http_query(c->http, "projectSlug");
    s.policy_slug = policy[0] != '\0' ? policy : http_query(c->http, "signingPolicySlug");
    s.policy_id = id[0] != '\0' ? id : NULL;
    sign(c, &s, j);
    json_decref(j);
}
