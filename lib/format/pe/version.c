/* Finds VS_VERSIONINFO in the resource tree and reads its strings. Display data: whatever is broken
 * ends the search quietly, and every offset is checked against the bytes that were read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include "base/file.h"
#include "base/str.h"

#include <string.h>

enum { RT_VERSION = 16, MAX_RESOURCE = 65536, MAX_ENTRIES = 4096, MAX_VALUE = 256 };

struct reader {
    int fd;
    const struct pe_layout *l;
    uint64_t base; /* file offset of the resource directory */
};

/* File offset of a virtual address; 0: nowhere. */
static uint64_t file_offset(const struct pe_layout *l, uint32_t address)
{
    for (size_t i = 0; i < l->n_sections; i++) {
        const struct pe_section *s = &l->sections[i];
        if (address >= s->virtual_address && address - s->virtual_address < s->raw_size)
            return (uint64_t)s->raw_offset + (address - s->virtual_address);
    }
    return 0;
}

/* In the directory at 'offset' finds the entry with that id (any: the first); its value, or 0. */
static uint32_t find_entry(const struct reader *r, uint32_t offset, uint32_t id, bool any)
{
    uint8_t head[16];
    if (cs_fd_pread_full(r->fd, head, sizeof(head), r->base + offset, NULL) != CS_OK)
        return 0;
    const uint32_t count = (uint32_t)pe_u16(head + 12) + pe_u16(head + 14);
    for (uint32_t i = 0; i < count && i < MAX_ENTRIES; i++) {
        uint8_t e[8];
        if (cs_fd_pread_full(r->fd, e, sizeof(e), r->base + offset + 16 + (uint64_t)i * 8, NULL) !=
            CS_OK)
            return 0;
        if (any || pe_u32(e) == id)
            return pe_u32(e + 4);
    }
    return 0;
}

static size_t load_version(const struct reader *r, uint8_t *out)
{
    uint8_t leaf[16];
    const uint32_t type = find_entry(r, 0, RT_VERSION, false);
    if ((type & 0x80000000U) == 0)
        return 0;
    const uint32_t name = find_entry(r, type & 0x7fffffffU, 0, true);
    if ((name & 0x80000000U) == 0)
        return 0;
    const uint32_t language = find_entry(r, name & 0x7fffffffU, 0, true);
    if (language == 0 || (language & 0x80000000U) != 0 ||
        cs_fd_pread_full(r->fd, leaf, sizeof(leaf), r->base + language, NULL) != CS_OK)
        return 0;
    const uint64_t at = file_offset(r->l, pe_u32(leaf));
    size_t n = pe_u32(leaf + 4);
    if (at == 0 || n > MAX_RESOURCE)
        return 0;
    return cs_fd_pread_full(r->fd, out, n, at, NULL) == CS_OK ? n : 0;
}

/* UTF-16LE up to 'units' or a NUL -> UTF-8 in the arena, control characters dropped. */
static const char *utf16(struct cs_arena *a, const uint8_t *p, size_t units)
{
    char text[MAX_VALUE * 3 + 1];
    size_t n = 0;
    for (size_t i = 0; i < units && i < MAX_VALUE; i++) {
        uint32_t c = pe_u16(p + 2 * i);
        if (c == 0)
            break;
        if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c <= 0xdfff))
            continue;
        if (c < 0x80) {
            text[n++] = (char)c;
        } else if (c < 0x800) {
            text[n++] = (char)(0xc0 | c >> 6);
            text[n++] = (char)(0x80 | (c & 0x3f));
        } else {
            text[n++] = (char)(0xe0 | c >> 12);
            text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
            text[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    return cs_arena_strndup(a, text, n);
}

/* One node of the version tree: length, value length, type, key, padding, value, children. */
struct node {
    size_t end;
    size_t value;
    size_t value_units;
    const uint8_t *key;
    size_t key_units;
};

static bool read_node(const uint8_t *b, size_t n, size_t at, struct node *out)
{
    if (at + 6 > n || pe_u16(b + at) < 6 || at + pe_u16(b + at) > n)
        return false;
    out->end = at + pe_u16(b + at);
    out->value_units = pe_u16(b + at + 2);
    out->key = b + at + 6;
    size_t i = at + 6;
    while (i + 2 <= out->end && pe_u16(b + i) != 0)
        i += 2;
    out->key_units = (i - (at + 6)) / 2;
    out->value = (i + 2 + 3) & ~(size_t)3;
    return i + 2 <= out->end;
}

static bool key_is(const struct node *nd, const char *name)
{
    const size_t n = strlen(name);
    if (nd->key_units != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (pe_u16(nd->key + 2 * i) != (uint8_t)name[i])
            return false;
    }
    return true;
}

static void add_string(const uint8_t *b, const struct node *nd, struct cs_arena *a,
                       struct cs_inspected *out)
{
    static const char *const wanted[] = {"ProductName",      "ProductVersion",  "FileVersion",
                                         "CompanyName",      "FileDescription", "LegalCopyright",
                                         "OriginalFilename", "InternalName"};
    if (nd->value >= nd->end || out->n_version == CS_MAX_VERSION_VALUES)
        return;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!key_is(nd, wanted[i]))
            continue;
        const char *value = utf16(a, b + nd->value, (nd->end - nd->value) / 2);
        if (value != NULL && value[0] != '\0')
            out->version[out->n_version++] = (struct cs_version_value){wanted[i], value};
    }
}

static size_t next_node(const struct node *nd)
{
    return (nd->end + 3) & ~(size_t)3;
}

static void read_strings(const uint8_t *b, const struct node *table, struct cs_arena *a,
                         struct cs_inspected *out)
{
    struct node s;
    for (size_t at = table->value; at < table->end && read_node(b, table->end, at, &s);
         at = next_node(&s))
        add_string(b, &s, a, out);
}

static void walk(const uint8_t *b, size_t n, struct cs_arena *a, struct cs_inspected *out)
{
    struct node root;
    struct node info;
    if (!read_node(b, n, 0, &root) || !key_is(&root, "VS_VERSION_INFO"))
        return;
    size_t at =
        (root.value + root.value_units + 3) & ~(size_t)3; /* the root's length is in bytes */
    for (; at < root.end && read_node(b, root.end, at, &info); at = next_node(&info)) {
        struct node table;
        if (!key_is(&info, "StringFileInfo") || !read_node(b, info.end, info.value, &table))
            continue;
        read_strings(b, &table, a, out); /* the first language is the one that is shown */
        return;
    }
}

void pe_read_version(int fd, const struct pe_layout *l, struct cs_arena *a,
                     struct cs_inspected *out)
{
    const struct reader r = {.fd = fd, .l = l, .base = file_offset(l, l->resource_address)};
    if (l->resource_address == 0 || r.base == 0)
        return;
    uint8_t *b = cs_arena_alloc(a, MAX_RESOURCE);
    const size_t n = b == NULL ? 0 : load_version(&r, b);
    if (n > 0)
        walk(b, n, a, out);
}
