/* Descriptor-driven JSON; see json.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include "base/hex.h"
#include "base/mem.h"

#include <protobuf-c/protobuf-c.h>
#include <string.h>

enum { HEX_MAX = 64 };

static json_t *bytes_value(const ProtobufCBinaryData *d)
{
    char hex[2 * HEX_MAX + 1];
    if (d->len <= HEX_MAX) {
        cs_hex_encode(d->data, d->len, hex);
        return json_string(hex);
    }
    CS_AUTO_STR text = cs_base64_encode(d->data, d->len);
    return text == NULL ? NULL : json_string(text);
}

static json_t *enum_value(const ProtobufCFieldDescriptor *f, int v)
{
    const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(f->descriptor, v);
    return e == NULL ? json_integer(v) : json_string(e->name);
}

/* One value; 'at' points to it. */
static json_t *value_of(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_integer((json_int_t) * (const int64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_value(f, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_value(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return cs_message_json(*(ProtobufCMessage *const *)at);
    default:
        return NULL;
    }
}

static size_t size_of(ProtobufCType t)
{
    switch ((int)t) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

/* The value that a field has when nobody set it. */
static bool is_unset(const ProtobufCFieldDescriptor *f, const void *at)
{
    static const uint8_t zeros[sizeof(ProtobufCBinaryData)];
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return *(char *const *)at == NULL || **(char *const *)at == '\0';
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)at)->len == 0;
    return memcmp(at, zeros, size_of(f->type)) == 0;
}

static json_t *list_of(const ProtobufCFieldDescriptor *f, const uint8_t *base)
{
    const size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
    const uint8_t *all = *(uint8_t *const *)(const void *)(base + f->offset);
    json_t *list = n == 0 ? NULL : json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, value_of(f, all + i * size_of(f->type)));
    return list;
}

static bool is_other_choice(const ProtobufCFieldDescriptor *f, const uint8_t *base)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id;
}

json_t *cs_message_json(const struct ProtobufCMessage *m)
{
    json_t *out = json_object();
    const uint8_t *base = (const uint8_t *)m;
    for (unsigned i = 0; out != NULL && i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        json_t *v = NULL;
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            v = list_of(f, base);
        else if (!is_other_choice(f, base) && !is_unset(f, base + f->offset))
            v = value_of(f, base + f->offset);
        if (v != NULL)
            json_object_set_new(out, f->name, v);
    }
    return out;
}
