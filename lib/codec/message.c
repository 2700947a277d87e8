/* protobuf-c behind strict rules; see message.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/message.h"

#include "base/str.h"
#include "crypto/hash.h"

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 8 }; /* no recursive types in any schema; this only says so */

static void *arena_alloc(void *data, size_t n)
{
    return cs_arena_alloc(data, n);
}

static void arena_free(void *data, void *p)
{
    (void)data;
    (void)p; /* the arena's content dies together */
}

enum cs_rc cs_message_pack(const ProtobufCMessage *m, struct cs_arena *a, struct cs_bytes *out,
                           struct cs_err *err)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = cs_arena_alloc(a, n == 0 ? 1 : n);
    if (p == NULL)
        return cs_err_set(err, CS_NOMEM, "no room for a message of %zu bytes", n);
    *out = cs_bytes(p, protobuf_c_message_pack(m, p));
    return CS_OK;
}

static bool texts_valid(const ProtobufCMessage *m, unsigned depth);

static bool value_valid(const ProtobufCFieldDescriptor *f, const void *at, unsigned depth)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *s = *(char *const *)at;
        return s == NULL || cs_utf8_valid(s, strlen(s));
    }
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *sub = *(ProtobufCMessage *const *)at;
        return sub == NULL || texts_valid(sub, depth + 1);
    }
    return true;
}

static bool field_valid(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                        unsigned depth)
{
    const uint8_t *base = (const uint8_t *)m;
    if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        const size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
        const void *const *list = *(const void *const *const *)(const void *)(base + f->offset);
        for (size_t i = 0; i < n; i++) {
            if (!value_valid(f, &list[i], depth))
                return false;
        }
        return true;
    }
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        const uint32_t which = *(const uint32_t *)(const void *)(base + f->quantifier_offset);
        if (which != f->id)
            return true;
    }
    return value_valid(f, base + f->offset, depth);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded */
static bool texts_valid(const ProtobufCMessage *m, unsigned depth)
{
    if (depth > MAX_DEPTH)
        return false;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        if (!field_valid(m, &m->descriptor->fields[i], depth))
            return false;
    }
    return true;
}

enum cs_rc cs_message_unpack(const ProtobufCMessageDescriptor *d, struct cs_bytes bytes,
                             struct cs_arena *a, ProtobufCMessage **out, struct cs_err *err)
{
    ProtobufCAllocator alloc = {.alloc = arena_alloc, .free = arena_free, .allocator_data = a};
    static const uint8_t none = 0;
    ProtobufCMessage *m =
        protobuf_c_message_unpack(d, &alloc, bytes.len, bytes.len == 0 ? &none : bytes.ptr);
    if (m == NULL)
        return cs_err_code(err, CS_INVALID, "message.malformed", "the bytes are not a %s", d->name);
    /* A NUL inside a text is cut off silently by protobuf-c, and lengths can be written in several
     * ways: both show in the size of what would be written. */
    if (protobuf_c_message_get_packed_size(m) != bytes.len)
        return cs_err_code(err, CS_INVALID, "message.malformed",
                           "a %s that is not written in the one canonical way", d->name);
    if (!texts_valid(m, 0))
        return cs_err_code(err, CS_INVALID, "message.malformed", "a %s with text that is not UTF-8",
                           d->name);
    *out = m;
    return CS_OK;
}

void cs_event_id_derive(const char *cause, const char *type, uint64_t ordinal,
                        char out[CS_UUID_TEXT])
{
    char number[24];
    uint8_t digest[CS_SHA256_SIZE];
    const int n = snprintf(number, sizeof(number), "%llu", (unsigned long long)ordinal);
    const struct cs_bytes parts[] = {cs_bytes_str("countersign event v1\n"),
                                     cs_bytes_str(cause),
                                     cs_bytes_str("\n"),
                                     cs_bytes_str(type),
                                     cs_bytes_str("\n"),
                                     cs_bytes(number, (size_t)n)};
    cs_sha256_parts(parts, 6, digest);
    cs_uuid_from_bytes(digest, out);
}
