/* Portable Executable: the layout that signing needs. Inside lib/format/pe only.
 * Microsoft, "PE Format"; "Windows Authenticode Portable Executable Signature Format".
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "format/format.h"

enum {
    PE_MAX_SECTIONS = 96, /* the Windows loader's own limit */
    PE_MAX_CERTIFICATES = 1 << 20,
    PE_CHUNK = 1 << 20
};

struct pe_section {
    uint32_t virtual_address;
    uint32_t virtual_size;
    uint32_t raw_offset;
    uint32_t raw_size;
};

struct pe_layout {
    uint64_t size; /* of the file */
    uint16_t machine;
    uint32_t checksum_offset;  /* of the 4-byte CheckSum field */
    uint32_t directory_offset; /* of the 8-byte certificate table entry */
    uint32_t table_offset;     /* certificate table; 0: none */
    uint32_t table_size;
    uint64_t content_end;      /* where the hashed content ends: table_offset, or the file's end */
    uint32_t resource_address; /* virtual address of the resource directory; 0: none */
    uint32_t resource_size;
    struct pe_section sections[PE_MAX_SECTIONS];
    size_t n_sections;
};

/* Reads and checks the headers. Codes: pe.not_pe, pe.truncated, pe.section_out_of_range,
 * pe.certificate_table, pe.trailing_data, pe.too_large. */
enum cs_rc pe_read_layout(int fd, struct pe_layout *out, struct cs_err *err) CS_MUST_CHECK;

/* Version strings of the first VS_VERSIONINFO resource; a file without one has none. Never fails: a
 * broken resource yields what could be read. */
void pe_read_version(int fd, const struct pe_layout *l, struct cs_arena *a,
                     struct cs_inspected *out);

/* Judges the PKCS #7 entries of the certificate table against the content digests (by algorithm).
 */
enum cs_rc pe_read_signers(int fd, const struct pe_layout *l, struct cs_arena *a,
                           struct cs_inspected *out, struct cs_err *err) CS_MUST_CHECK;

/* The first PKCS #7 entry of the certificate table, as DER; empty when there is none. */
enum cs_rc pe_first_signature(int fd, const struct pe_layout *l, struct cs_buf *out,
                              struct cs_err *err) CS_MUST_CHECK;

/* cs_format.assemble for PE. */
enum cs_rc pe_assemble(int in, int out, struct cs_bytes signature, bool append,
                       struct cs_err *err) CS_MUST_CHECK;

static inline uint16_t pe_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t pe_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline void pe_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}
