/* Writes a signed PE file: only checksum, certificate directory and certificate table change.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include "authenticode/authenticode.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>
#include <unistd.h>

enum { WIN_CERTIFICATE = 8, TYPE_PKCS = 2, REVISION = 0x0200, MAX_SIGNATURE = 1 << 20 };

/* The image checksum: 16-bit words added with carry, plus the length (ImageHlp's
 * CheckSumMappedFile). Fed at even offsets; the checksum field itself counts as zero. */
struct sum {
    uint64_t acc;
};

static void sum_add(struct sum *s, const uint8_t *p, size_t n)
{
    /* Whole 32-bit words carry into 64 bits and fold to 16 in the end: the same ones' complement
     * sum. */
    size_t i = 0;
    uint64_t acc = s->acc;
    for (; i + 4 <= n; i += 4)
        acc += pe_u32(p + i);
    for (; i < n; i++)
        acc += (uint64_t)p[i] << (8 * (i & 1));
    s->acc = (acc & 0xffffffffU) + (acc >> 32);
}

static uint32_t sum_final(const struct sum *s, uint64_t file_size)
{
    uint64_t v = s->acc;
    while (v >> 16 != 0)
        v = (v & 0xffff) + (v >> 16);
    return (uint32_t)(v + file_size);
}

/* The whole table: one WIN_CERTIFICATE, padded to 8. */
static enum cs_rc build_table(struct cs_bytes signature, struct cs_buf *out, struct cs_err *err)
{
    static const uint8_t zeros[8];
    uint8_t head[WIN_CERTIFICATE];
    const size_t pad = (size_t)(-signature.len & 7U);
    pe_put_u32(head, (uint32_t)(WIN_CERTIFICATE + signature.len + pad));
    head[4] = REVISION & 0xff;
    head[5] = REVISION >> 8;
    head[6] = TYPE_PKCS;
    head[7] = 0;
    CS_TRY(cs_buf_add(out, head, sizeof(head), err));
    CS_TRY(cs_buf_add(out, signature.ptr, signature.len, err));
    return cs_buf_add(out, zeros, pad, err);
}

static enum cs_rc make_signature(int in, const struct pe_layout *l, struct cs_bytes signature,
                                 bool append, struct cs_buf *out, struct cs_err *err)
{
    CS_AUTO_BUF first = CS_BUF_INIT(PE_MAX_CERTIFICATES);
    if (append)
        CS_TRY(pe_first_signature(in, l, &first, err));
    if (first.len == 0)
        return cs_buf_add(out, signature.ptr, signature.len, err);
    return cs_authenticode_nest(cs_buf_view(&first), signature, out, err);
}

/* Puts the new directory entry into the chunk where it covers it, and zeroes the checksum. */
static void patch(uint8_t *chunk, uint64_t at, size_t n, uint32_t where, const uint8_t *bytes,
                  size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const uint64_t offset = (uint64_t)where + i;
        if (offset >= at && offset < at + n)
            chunk[offset - at] = bytes[i];
    }
}

static enum cs_rc copy_content(int in, int out, const struct pe_layout *l, const uint8_t entry[8],
                               struct sum *sum, struct cs_err *err)
{
    static const uint8_t zeros[8];
    CS_CLEANUP(cs_free_voidp) uint8_t *chunk = cs_calloc(1, PE_CHUNK);
    if (chunk == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    for (uint64_t at = 0; at < l->content_end;) {
        const uint64_t left = l->content_end - at;
        size_t n = left < PE_CHUNK - 8 ? (size_t)left : PE_CHUNK - 8;
        CS_TRY(cs_fd_pread_full(in, chunk, n, at, err));
        patch(chunk, at, n, l->checksum_offset, zeros, 4);
        patch(chunk, at, n, l->directory_offset, entry, 8);
        const size_t pad = at + n == l->content_end ? (size_t)(-l->content_end & 7U) : 0;
        memset(chunk + n, 0, pad);
        sum_add(sum, chunk, n + pad);
        CS_TRY(cs_fd_write_all(out, chunk, n + pad, err));
        at += n;
    }
    return CS_OK;
}

enum cs_rc pe_assemble(int in, int out, struct cs_bytes signature, bool append, struct cs_err *err)
{
    struct pe_layout l;
    struct sum sum = {0};
    uint8_t entry[8];
    uint8_t checksum[4];
    CS_AUTO_BUF whole = CS_BUF_INIT(2 * PE_MAX_CERTIFICATES);
    CS_AUTO_BUF table = CS_BUF_INIT(2 * PE_MAX_CERTIFICATES + 64);
    CS_TRY(pe_read_layout(in, &l, err));
    CS_TRY(make_signature(in, &l, signature, append, &whole, err));
    CS_TRY(build_table(cs_buf_view(&whole), &table, err));
    const uint64_t table_at = (l.content_end + 7) & ~(uint64_t)7;
    const uint64_t total = table_at + table.len;
    if (total > UINT32_MAX)
        return cs_err_code(err, CS_INVALID, "pe.too_large",
                           "with its signature the file would exceed 4 GiB");
    pe_put_u32(entry, (uint32_t)table_at);
    pe_put_u32(entry + 4, (uint32_t)table.len);
    CS_TRY(copy_content(in, out, &l, entry, &sum, err));
    sum_add(&sum, table.ptr, table.len);
    CS_TRY(cs_fd_write_all(out, table.ptr, table.len, err));
    pe_put_u32(checksum, sum_final(&sum, total));
    if (pwrite(out, checksum, sizeof(checksum), (off_t)l.checksum_offset) != sizeof(checksum))
        return cs_err_set(err, CS_RETRY, "the signed file cannot be written");
    return CS_OK;
}
