/* Verifies envelopes against the registry; see opener.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "trust/opener.h"

#include "base/guard.h"
#include "base/mem.h"
#include "codec/envelope.h"
#include "codec/message.h"

#include "proto/common.pb-c.h"

#include <string.h>

enum { REMEMBERED = 1024 };

/* A root that was found well signed. Verifying costs 100 us, comparing nothing: the events of one
 * batch share a root, so a batch is verified once. */
struct remembered {
    struct cs_hash root;
    char key_id[CS_KEY_ID];
};

struct cs_opener {
    const struct cs_trust *trust;
    size_t next;
    struct remembered seen[REMEMBERED];
};

struct cs_opener *cs_opener_new(const struct cs_trust *trust)
{
    struct cs_opener *o = cs_calloc(1, sizeof(*o));
    if (o != NULL)
        o->trust = trust;
    return o;
}

void cs_opener_free(struct cs_opener *o)
{
    cs_free(o);
}

void cs_opener_freep(struct cs_opener **o)
{
    cs_opener_free(*o);
    *o = NULL;
}

static bool remembered(const struct cs_opener *o, const struct cs_raw_envelope *raw)
{
    /* Most recent first: a batch arrives together. */
    for (size_t k = 0; k < REMEMBERED; k++) {
        const struct remembered *r = &o->seen[(o->next + REMEMBERED - 1 - k) % REMEMBERED];
        if (r->key_id[0] == '\0')
            return false;
        if (memcmp(r->root.b, raw->root.b, sizeof(r->root.b)) == 0 &&
            strcmp(r->key_id, raw->key_id) == 0)
            return true;
    }
    return false;
}

static void remember(struct cs_opener *o, const struct cs_raw_envelope *raw)
{
    struct remembered *r = &o->seen[o->next];
    r->root = raw->root;
    memcpy(r->key_id, raw->key_id, CS_KEY_ID);
    o->next = (o->next + 1) % REMEMBERED;
}

/* The header is field 1 of every payload message, so it is the first member after the base. */
static const Cs__Common__Header *header_of(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(m->descriptor, 1);
    if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE ||
        f->descriptor != &cs__common__header__descriptor)
        return NULL;
    const uint8_t *base = (const uint8_t *)m;
    return *(Cs__Common__Header *const *)(const void *)(base + f->offset);
}

static enum cs_rc check_signature(struct cs_opener *o, const struct cs_raw_envelope *raw,
                                  const struct cs_event *ev, struct cs_trust_key *key,
                                  struct cs_err *err)
{
    CS_TRY(cs_trust_service_key(o->trust, raw->key_id, ev->header->occurred_at_ms, key, err));
    if (CS_GUARD("envelope-role") && key->role != ev->type->role)
        return cs_err_code(err, CS_DENIED, "envelope.wrong_role", "a %s key may not sign a %s",
                           cs_role_name(key->role), ev->type->name);
    if (!CS_GUARD("envelope-signature") || remembered(o, raw))
        return CS_OK;
    if (!cs_envelope_check(raw, key->public_key))
        return cs_err_code(err, CS_DENIED, "envelope.bad_signature",
                           "the signature by key %s is wrong", raw->key_id);
    remember(o, raw);
    return CS_OK;
}

static enum cs_rc check_header(const struct cs_opener *o, const struct cs_event *ev,
                               const char *topic, int partition, struct cs_err *err)
{
    const Cs__Common__Header *h = ev->header;
    if (h->min_reader_version > CS_SCHEMA_VERSION)
        return cs_err_code(err, CS_UNSUPPORTED, "envelope.too_new",
                           "needs a reader of version %u, this one has %d: upgrade this daemon",
                           h->min_reader_version, CS_SCHEMA_VERSION);
    if (CS_GUARD("envelope-environment") &&
        strcmp(h->environment, cs_trust_environment(o->trust)) != 0)
        return cs_err_code(err, CS_DENIED, "envelope.other_environment",
                           "an event of environment '%.100s'", h->environment);
    if (strcmp(h->event_type, ev->type->name) != 0 || !cs_uuid_valid(h->event_id))
        return cs_err_code(err, CS_INVALID, "envelope.malformed",
                           "the header does not fit the payload type");
    if (CS_GUARD("envelope-topic") &&
        (!cs_event_type_allows_topic(ev->type, h->topic) ||
         (topic != NULL && (strcmp(topic, h->topic) != 0 || partition != h->partition))))
        return cs_err_code(err, CS_DENIED, "envelope.other_topic",
                           "sent to %.100s/%d, found elsewhere", h->topic, h->partition);
    return CS_OK;
}

enum cs_rc cs_open(struct cs_opener *o, struct cs_bytes envelope, const char *topic, int partition,
                   struct cs_arena *a, struct cs_event *out, struct cs_err *err)
{
    struct cs_raw_envelope raw;
    struct cs_trust_key key;
    struct cs_event ev = {.envelope = envelope};
    ProtobufCMessage *m = NULL;

    CS_TRY(cs_envelope_parse(envelope, 0, a, &raw, err));
    if (strlen(raw.key_id) != CS_KEY_ID - 1)
        return cs_err_code(err, CS_INVALID, "envelope.malformed", "a key id has 16 digits");
    ev.type = cs_event_type_find(raw.type);
    if (ev.type == NULL)
        return cs_err_code(err, CS_INVALID, "envelope.unknown_type", "no message type '%.100s'",
                           raw.type);
    CS_TRY(cs_message_unpack(ev.type->descriptor, raw.payload, a, &m, err));
    ev.message = m;
    ev.header = header_of(m);
    if (ev.header == NULL)
        return cs_err_code(err, CS_INVALID, "envelope.malformed", "a payload without a header");
    CS_TRY(check_signature(o, &raw, &ev, &key, err));
    CS_TRY(check_header(o, &ev, topic, partition, err));
    ev.payload = raw.payload;
    ev.role = key.role;
    ev.pool = key.pool;
    ev.key_id = raw.key_id;
    *out = ev;
    return CS_OK;
}
