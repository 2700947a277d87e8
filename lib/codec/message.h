/* Messages to bytes and back: bounded, canonical, valid UTF-8; memory from an arena.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"

struct ProtobufCMessage;
struct ProtobufCMessageDescriptor;

enum {
    CS_ENVELOPE_MAX = 60 * 1024, /* bytes of one Kafka value */
    CS_SCHEMA_VERSION = 1 /* what we write, and the newest min_reader_version we understand */
};

/* Serializes into the arena. CS_NOMEM. */
enum cs_rc cs_message_pack(const struct ProtobufCMessage *m, struct cs_arena *a,
                           struct cs_bytes *out, struct cs_err *err) CS_MUST_CHECK;

/* Parses into the arena; the result lives as long as it. CS_INVALID ("message.malformed") for bytes
 * that are not this message, text that is not UTF-8 or holds a NUL, and non-canonical encodings
 * (unknown fields are kept). */
enum cs_rc cs_message_unpack(const struct ProtobufCMessageDescriptor *d, struct cs_bytes bytes,
                             struct cs_arena *a, struct ProtobufCMessage **out,
                             struct cs_err *err) CS_MUST_CHECK;

/* The id of the event of 'type' that 'cause' makes happen for the ordinal-th time: a re-run after a
 * crash derives the same one. */
void cs_event_id_derive(const char *cause, const char *type, uint64_t ordinal,
                        char out[CS_UUID_TEXT]);
