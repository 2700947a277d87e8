/* The configuration in memory: the newest revision of every entity, as cs.config told it. Readers
 * get copies in their own arena. Thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"

#include "proto/config.pb-c.h"

#include <stdbool.h>

struct view;

struct view *view_new(void);
void view_free(struct view *v);

/* Newer revisions replace older ones; older ones and repeats are ignored. */
enum cs_rc view_apply(struct view *v, const Cs__Config__ConfigChanged *m,
                      struct cs_err *err) CS_MUST_CHECK;
/* All of the past was read. */
void view_set_complete(struct view *v);
bool view_complete(struct view *v);
/* Waits until the entity has that revision; false after timeout_ms. */
bool view_wait(struct view *v, const char *entity_id, uint64_t revision, int timeout_ms);

struct view_entity {
    Cs__Config__EntityKind kind;
    char id[CS_UUID_TEXT];
    char organization[CS_UUID_TEXT];
    char parent[CS_UUID_TEXT]; /* project; user of a token; "" */
    char slug[101];
    uint64_t revision;
    bool deleted;
    struct cs_bytes body;
    const ProtobufCMessage *message; /* the parsed body */
};

/* CS_NOT_FOUND when there is none, or it was deleted (unless 'deleted_too'). */
enum cs_rc view_get(struct view *v, Cs__Config__EntityKind kind, const char *id, bool deleted_too,
                    struct cs_arena *a, struct view_entity *out, struct cs_err *err) CS_MUST_CHECK;
/* By slug below a parent (organisation or project). */
enum cs_rc view_find(struct view *v, Cs__Config__EntityKind kind, const char *parent,
                     const char *slug, struct cs_arena *a, struct view_entity *out,
                     struct cs_err *err) CS_MUST_CHECK;
enum cs_rc view_token(struct view *v, struct cs_bytes sha256, struct cs_arena *a,
                      struct view_entity *out, struct cs_err *err) CS_MUST_CHECK;
/* All of an organisation (and kind, unless ENTITY_UNSPECIFIED), in the arena. */
enum cs_rc view_list(struct view *v, const char *organization, Cs__Config__EntityKind kind,
                     struct cs_arena *a, struct view_entity **out, size_t *n,
                     struct cs_err *err) CS_MUST_CHECK;

/* The message type of a kind's body; NULL for an unknown kind. */
const ProtobufCMessageDescriptor *view_descriptor(Cs__Config__EntityKind kind);
/* Slug and parent of a parsed body. */
const char *view_slug(const struct view_entity *e);
const char *view_parent(const struct view_entity *e);
