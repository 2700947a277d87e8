/* Opens envelopes: signature, role, environment, topic, size and version are checked before
 * anything is believed. Every consumer's first step. One opener a thread. SPDX-License-Identifier:
 * Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "trust/trust.h"

struct ProtobufCMessage;
struct Cs__Common__Header;

/* An event that was verified. Everything lives as long as the arena and the input bytes. */
struct cs_event {
    const struct cs_event_type *type;
    const struct ProtobufCMessage *message; /* cast to the type's generated struct */
    const struct Cs__Common__Header *header;
    struct cs_bytes payload;  /* exactly what was signed */
    struct cs_bytes envelope; /* exactly what was on the wire */
    enum cs_role role;
    const char *pool;
    const char *key_id;
};

struct cs_opener;

/* The trust is borrowed and must outlive the opener. NULL without memory. */
struct cs_opener *cs_opener_new(const struct cs_trust *trust);
void cs_opener_free(struct cs_opener *o);
void cs_opener_freep(struct cs_opener **o);

/* 'topic' is the topic (and partition, or -1) the bytes came from; NULL for an envelope out of an
 * evidence bundle, whose header then only has to name a topic its type may be on.
 * CS_DENIED:  "envelope.bad_signature", "envelope.wrong_role", "envelope.other_environment",
 *             "envelope.other_topic", "trust.*"
 * CS_INVALID: "envelope.malformed", "envelope.unknown_type", "message.malformed"
 * CS_LIMIT:   "envelope.too_large"
 * CS_UNSUPPORTED: "envelope.too_new": hold and alarm, never skip. */
enum cs_rc cs_open(struct cs_opener *o, struct cs_bytes envelope, const char *topic, int partition,
                   struct cs_arena *a, struct cs_event *out, struct cs_err *err) CS_MUST_CHECK;
