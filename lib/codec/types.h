/* The table of message types: who may sign each, and on which topic it may appear.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

struct ProtobufCMessageDescriptor;

/* Roles of service keys, as bits. */
enum cs_role {
    CS_ROLE_NONE = 0,
    CS_ROLE_GATEWAY = 1,
    CS_ROLE_SCHEDULER = 2,
    CS_ROLE_SIGNER = 4,
    CS_ROLE_KEYD = 8,
    CS_ROLE_NOTIFIER = 16,
    CS_ROLE_AUDITOR = 32
};

struct cs_event_type {
    const char *name;  /* "cs.commands.RequestSubmitted", the envelope's payload_type */
    const char *topic; /* "cs.commands"; a trailing '.' means any topic below it */
    enum cs_role role; /* the one role that may sign it */
    const struct ProtobufCMessageDescriptor *descriptor;
};

/* NULL when there is no such type. Static. */
const struct cs_event_type *cs_event_type_find(const char *name);
/* The i-th type, NULL past the end: for references and tests. */
const struct cs_event_type *cs_event_type_at(unsigned i);
bool cs_event_type_allows_topic(const struct cs_event_type *type, const char *topic);

/* "gateway" -> CS_ROLE_GATEWAY; CS_ROLE_NONE when unknown. */
enum cs_role cs_role_parse(const char *name);
const char *cs_role_name(enum cs_role role);
