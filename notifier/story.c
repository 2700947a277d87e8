/* Reads what mails tell; see story.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include "base/hex.h"
#include "codec/message.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/sealed.h"

#include "proto/commands.pb-c.h"
#include "proto/evidence.pb-c.h"

#include <string.h>

enum { MAX_MANIFEST = 4 << 20 };

static struct cs_bytes bytes_of(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}

enum cs_rc story_person(struct reader *r, const char *user_id, const char **name,
                        const char **address, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(user_id)};
    CS_TRY(cs_db_query(r->db, "SELECT name, email FROM users_private WHERE user_id=?", v, 1, r->a,
                       &rows, err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_NOT_FOUND, "nothing is known of user %s", user_id);
    *name = cs_cell_text(&rows, 0, 0);
    *address = cs_cell_text(&rows, 0, 1);
    return CS_OK;
}

const char *story_open_text(struct reader *r, const struct Cs__Common__SealedText *t)
{
    struct cs_rows rows;
    CS_AUTO_BUF text = CS_BUF_INIT(64 * 1024);
    if (t == NULL)
        return "";
    const struct cs_value v[] = {CS_VT(t->person_id)};
    if (cs_db_query(r->db, "SELECT person_key FROM users_private WHERE user_id=?", v, 1, r->a,
                    &rows, NULL) != CS_OK ||
        rows.rows != 1 || cs_cell(&rows, 0, 0).len != CS_PERSON_KEY ||
        cs_text_open(cs_cell(&rows, 0, 0).ptr, bytes_of(&t->nonce), bytes_of(&t->ciphertext), &text,
                     NULL) != CS_OK)
        return "";
    const char *copy = cs_arena_strndup(r->a, (const char *)text.ptr, text.len);
    return copy == NULL ? "" : copy;
}

static const char *name_of(struct reader *r, const char *user_id)
{
    const char *name = "";
    const char *address = "";
    return user_id != NULL && story_person(r, user_id, &name, &address, NULL) == CS_OK ? name : "";
}

static enum cs_rc load_record(struct reader *r, const char *request_id, struct story *out,
                              struct cs_err *err)
{
    struct cs_rows rows;
    struct cs_event e;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(request_id)};
    CS_TRY(cs_db_query(r->db, "SELECT record FROM requests WHERE request_id=?", v, 1, r->a, &rows,
                       err));
    if (rows.rows != 1)
        return cs_err_set(err, CS_NOT_FOUND, "there is no request %s", request_id);
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 0), r->a, &m,
                             err));
    out->r = (const Cs__Store__RequestRecord *)m;
    CS_TRY(cs_open(r->opener, bytes_of(&out->r->request_envelope), NULL, -1, r->a, &e, err));
    if (strcmp(e.type->name, "cs.commands.RequestSubmitted") != 0)
        return cs_err_code(err, CS_DENIED, "envelope.other_type", "it is a %s", e.type->name);
    out->submitted = (const Cs__Commands__RequestSubmitted *)e.message;
    return CS_OK;
}

static enum cs_rc open_revision(struct reader *r, const ProtobufCBinaryData *envelope,
                                const ProtobufCMessageDescriptor *d,
                                const Cs__Config__ConfigChanged **revision,
                                const ProtobufCMessage **out, struct cs_err *err)
{
    struct cs_event e;
    ProtobufCMessage *m = NULL;
    if (envelope->len == 0)
        return CS_NOT_FOUND;
    CS_TRY(cs_open(r->opener, bytes_of(envelope), NULL, -1, r->a, &e, err));
    if (strcmp(e.type->name, "cs.config.ConfigChanged") != 0)
        return cs_err_code(err, CS_DENIED, "envelope.other_type", "it is a %s", e.type->name);
    *revision = (const Cs__Config__ConfigChanged *)e.message;
    CS_TRY(cs_message_unpack(d, bytes_of(&(*revision)->body), r->a, &m, err));
    *out = m;
    return CS_OK;
}

static void put_policy(struct reader *r, struct story *s)
{
    const ProtobufCMessage *m = NULL;
    if (open_revision(r, &s->r->policy_envelope, &cs__config__signing_policy__descriptor,
                      &s->policy_revision, &m, NULL) != CS_OK)
        return;
    s->policy = (const Cs__Config__SigningPolicy *)m;
    s->mail.policy = s->policy->name;
    s->mail.quorum = s->policy->quorum;
}

static void put_certificate(struct reader *r, struct story *s)
{
    const Cs__Config__ConfigChanged *revision = NULL;
    const ProtobufCMessage *m = NULL;
    struct cs_certificate_facts *f = cs_arena_alloc(r->a, sizeof(*f));
    if (f == NULL ||
        open_revision(r, &s->r->certificate_envelope, &cs__config__certificate__descriptor,
                      &revision, &m, NULL) != CS_OK)
        return;
    const Cs__Config__Certificate *c = (const Cs__Config__Certificate *)m;
    if (c->n_chain == 0 || cs_certificate_describe(bytes_of(&c->chain[0]), f, NULL) != CS_OK)
        return;
    s->mail.certificate = (struct mail_certificate){.name = c->name,
                                                    .subject = f->subject,
                                                    .issuer = f->issuer,
                                                    .key_type = f->key_type,
                                                    .not_after_ms = f->not_after_ms};
}

static const char *entity_name(struct reader *r, const char *id,
                               const ProtobufCMessageDescriptor *d)
{
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(id)};
    if (cs_db_query(r->db, "SELECT body FROM config_revisions WHERE entity_id=? AND is_head", v, 1,
                    r->a, &rows, NULL) != CS_OK ||
        rows.rows != 1 || cs_message_unpack(d, cs_cell(&rows, 0, 0), r->a, &m, NULL) != CS_OK)
        return "";
    return d == &cs__config__project__descriptor
               ? ((const Cs__Config__Project *)(const void *)m)->name
               : ((const Cs__Config__Organization *)(const void *)m)->name;
}

static void put_manifest(struct reader *r, struct story *s)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(MAX_MANIFEST);
    ProtobufCMessage *m = NULL;
    char hex[2 * CS_SHA256_SIZE + 1];
    uint8_t have[CS_SHA256_SIZE];
    if (s->r->manifest_sha256.len != CS_SHA256_SIZE)
        return;
    cs_hex_encode(s->r->manifest_sha256.data, CS_SHA256_SIZE, hex);
    const char *name = cs_arena_printf(r->a, "manifests/%s", hex);
    if (name == NULL || cs_blob_get(r->n->blobs, name, &bytes, NULL) != CS_OK)
        return;
    cs_sha256(bytes.ptr, bytes.len, have);
    const void *copy = cs_arena_memdup(r->a, bytes.ptr, bytes.len);
    if (memcmp(have, s->r->manifest_sha256.data, sizeof(have)) == 0 && copy != NULL &&
        cs_message_unpack(&cs__evidence__manifest__descriptor, cs_bytes(copy, bytes.len), r->a, &m,
                          NULL) == CS_OK)
        s->mail.manifest = (const Cs__Evidence__Manifest *)m;
}

static void put_votes(struct reader *r, struct story *s)
{
    struct mail_vote *votes = cs_arena_alloc(r->a, (s->r->n_votes + 1) * sizeof(*votes));
    for (size_t i = 0; votes != NULL && i < s->r->n_votes; i++) {
        const Cs__Store__Vote *v = s->r->votes[i];
        votes[s->mail.n_votes++] =
            (struct mail_vote){.name = name_of(r, v->approver_id),
                               .denied = v->decision == CS__COMMANDS__DECISION__DECISION_DENY,
                               .at_ms = v->at_ms,
                               .comment = story_open_text(r, v->comment)};
    }
    s->mail.votes = votes;
}

static void put_request(struct reader *r, struct story *s)
{
    const Cs__Commands__RequestSubmitted *q = s->submitted;
    s->mail.request_id = s->r->request_id;
    s->mail.submitted_at_ms = s->r->submitted_at_ms;
    s->mail.expires_at_ms = s->r->deadline_ms;
    s->mail.requester = name_of(r, q->submitter == NULL ? NULL : q->submitter->user_id);
    s->mail.description = story_open_text(r, q->description);
    s->mail.origin = q->origin;
    s->mail.n_origin = q->n_origin;
    s->mail.failure = s->r->failure;
    s->mail.actor = s->r->by == NULL ? "" : name_of(r, s->r->by->user_id);
    if (q->artifact != NULL) {
        s->mail.file_name = q->artifact->file_name;
        s->mail.size = q->artifact->size;
        s->mail.sha256 =
            q->artifact->sha256.len == CS_SHA256_SIZE ? q->artifact->sha256.data : NULL;
    }
}

enum cs_rc story_read(struct reader *r, const char *request_id, struct story *out,
                      struct cs_err *err)
{
    *out = (struct story){0};
    CS_TRY(load_record(r, request_id, out, err));
    put_request(r, out);
    put_policy(r, out);
    put_certificate(r, out);
    put_manifest(r, out);
    put_votes(r, out);
    out->mail.organization =
        entity_name(r, out->r->organization_id, &cs__config__organization__descriptor);
    out->mail.project = entity_name(r, out->r->project_id, &cs__config__project__descriptor);
    return CS_OK;
}
