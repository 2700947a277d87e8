/* Reads a PE file's headers without believing them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include "base/file.h"

#include <string.h>
#include <sys/stat.h>

enum { DOS_HEADER = 64, COFF_HEADER = 24, OPTIONAL_MIN = 96, SECTION_HEADER = 40 };

static enum cs_rc read_at(int fd, uint64_t offset, void *p, size_t n, const char *what,
                          struct cs_err *err)
{
    const enum cs_rc rc = cs_fd_pread_full(fd, p, n, offset, err);
    if (rc == CS_INVALID)
        return cs_err_code(err, CS_INVALID, "pe.truncated",
                           "the file ends inside its %s (offset %llu)", what,
                           (unsigned long long)offset);
    return rc;
}

/* Says what a file without a PE signature is, because "not PE" alone helps nobody. */
static enum cs_rc not_pe(const uint8_t *start, size_t n, struct cs_err *err)
{
    const char *looks = "not a Windows executable";
    if (n == 0)
        looks = "empty";
    else if (n >= 2 && memcmp(start, "PK", 2) == 0)
        looks = "a ZIP archive";
    else if (n >= 4 && memcmp(start, "\177ELF", 4) == 0)
        looks = "an ELF binary";
    else if (n >= 8 && memcmp(start, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) == 0)
        looks = "an OLE file (an MSI?)";
    else if (n >= 2 && start[0] == '#' && start[1] == '!')
        looks = "a script";
    return cs_err_code(err, CS_INVALID, "pe.not_pe",
                       "the file is %s: 'MZ' was expected at offset 0", looks);
}

static enum cs_rc find_pe_header(int fd, uint64_t size, uint32_t *at, struct cs_err *err)
{
    uint8_t dos[DOS_HEADER];
    uint8_t sig[4];
    size_t have = size < DOS_HEADER ? (size_t)size : DOS_HEADER;
    CS_TRY(read_at(fd, 0, dos, have, "DOS header", err));
    if (have < 2 || dos[0] != 'M' || dos[1] != 'Z')
        return not_pe(dos, have, err);
    if (have < DOS_HEADER)
        return cs_err_code(err, CS_INVALID, "pe.truncated",
                           "the file ends inside its DOS header (offset %zu)", have);
    *at = pe_u32(dos + 0x3c);
    if ((uint64_t)*at + COFF_HEADER + OPTIONAL_MIN > size)
        return cs_err_code(err, CS_INVALID, "pe.truncated",
                           "the PE header should be at offset %u, but the file has %llu bytes", *at,
                           (unsigned long long)size);
    CS_TRY(read_at(fd, *at, sig, sizeof(sig), "PE header", err));
    if (memcmp(sig, "PE\0\0", 4) == 0)
        return CS_OK;
    return cs_err_code(err, CS_INVALID, "pe.not_pe", "%s at offset %u",
                       sig[0] == 'N' && sig[1] == 'E'
                           ? "a 16-bit Windows (NE) program, which cannot be signed:"
                           : "an MZ program without a PE header",
                       *at);
}

/* Offsets of the fields that differ between PE32 and PE32+. */
static enum cs_rc read_optional(int fd, uint32_t at, uint16_t optional_size, struct pe_layout *l,
                                struct cs_err *err)
{
    uint8_t opt[240] = {0};
    const uint32_t base = at + COFF_HEADER;
    if (optional_size < OPTIONAL_MIN || optional_size > 4096)
        return cs_err_code(err, CS_INVALID, "pe.not_pe",
                           "an optional header of %u bytes at offset %u", optional_size, base);
    const size_t n = optional_size < sizeof(opt) ? optional_size : sizeof(opt);
    CS_TRY(read_at(fd, base, opt, n, "optional header", err));
    const uint16_t magic = pe_u16(opt);
    if (magic != 0x10b && magic != 0x20b)
        return cs_err_code(err, CS_INVALID, "pe.not_pe", "optional header magic 0x%x at offset %u",
                           magic, base);
    const uint32_t directories = magic == 0x20b ? 112 : 96;
    const uint32_t count = pe_u32(opt + directories - 4);
    if (count < 5 || directories + 5 * 8 > optional_size)
        return cs_err_code(err, CS_INVALID, "pe.no_certificate_directory",
                           "the header has no place for a signature (%u data directories)", count);
    l->checksum_offset = base + 64;
    l->directory_offset = base + directories + 4 * 8;
    l->resource_address = pe_u32(opt + directories + 2 * 8);
    l->resource_size = pe_u32(opt + directories + 2 * 8 + 4);
    l->table_offset = pe_u32(opt + directories + 4 * 8);
    l->table_size = pe_u32(opt + directories + 4 * 8 + 4);
    return CS_OK;
}

static enum cs_rc read_sections(int fd, uint64_t table, uint16_t count, struct pe_layout *l,
                                struct cs_err *err)
{
    if (count > PE_MAX_SECTIONS)
        return cs_err_code(err, CS_INVALID, "pe.section_out_of_range", "%u sections (at most %d)",
                           count, PE_MAX_SECTIONS);
    for (uint16_t i = 0; i < count; i++) {
        uint8_t h[SECTION_HEADER];
        struct pe_section *s = &l->sections[i];
        CS_TRY(
            read_at(fd, table + (uint64_t)i * SECTION_HEADER, h, sizeof(h), "section table", err));
        s->virtual_size = pe_u32(h + 8);
        s->virtual_address = pe_u32(h + 12);
        s->raw_size = pe_u32(h + 16);
        s->raw_offset = pe_u32(h + 20);
        /* An unpadded last section may claim up to one alignment unit past the end; more is a lie.
         */
        if (s->raw_size != 0 &&
            (s->raw_offset >= l->size || (uint64_t)s->raw_offset + s->raw_size > l->size + 4096))
            return cs_err_code(err, CS_INVALID, "pe.section_out_of_range",
                               "section %u claims bytes %u to %llu of a file of %llu", i,
                               s->raw_offset, (unsigned long long)s->raw_offset + s->raw_size,
                               (unsigned long long)l->size);
    }
    l->n_sections = count;
    return CS_OK;
}

static enum cs_rc check_table(struct pe_layout *l, uint64_t headers_end, struct cs_err *err)
{
    l->content_end = l->size;
    if (l->table_offset == 0 && l->table_size == 0)
        return CS_OK;
    const uint64_t end = (uint64_t)l->table_offset + l->table_size;
    if (l->table_size < 8 || l->table_offset < headers_end || l->table_offset % 8 != 0 ||
        end > l->size)
        return cs_err_code(err, CS_INVALID, "pe.certificate_table",
                           "the certificate table claims bytes %u to %llu of a file of %llu",
                           l->table_offset, (unsigned long long)end, (unsigned long long)l->size);
    if (end < l->size)
        return cs_err_code(err, CS_INVALID, "pe.trailing_data",
                           "%llu bytes follow the certificate table (offset %llu): they would not "
                           "be covered by a signature",
                           (unsigned long long)(l->size - end), (unsigned long long)end);
    l->content_end = l->table_offset;
    return CS_OK;
}

enum cs_rc pe_read_layout(int fd, struct pe_layout *out, struct cs_err *err)
{
    struct stat st;
    uint8_t coff[COFF_HEADER];
    uint32_t at = 0;
    *out = (struct pe_layout){0};
    if (fstat(fd, &st) != 0)
        return cs_err_set(err, CS_RETRY, "the artifact cannot be read");
    out->size = (uint64_t)st.st_size;
    if (out->size > UINT32_MAX)
        return cs_err_code(err, CS_INVALID, "pe.too_large",
                           "%llu bytes: a PE file has at most 4 GiB",
                           (unsigned long long)out->size);
    CS_TRY(find_pe_header(fd, out->size, &at, err));
    CS_TRY(read_at(fd, at, coff, sizeof(coff), "COFF header", err));
    out->machine = pe_u16(coff + 4);
    const uint16_t optional_size = pe_u16(coff + 20);
    const uint16_t sections = pe_u16(coff + 6);
    CS_TRY(read_optional(fd, at, optional_size, out, err));
    const uint64_t table = (uint64_t)at + COFF_HEADER + optional_size;
    CS_TRY(read_sections(fd, table, sections, out, err));
    return check_table(out, table + (uint64_t)sections * SECTION_HEADER, err);
}
