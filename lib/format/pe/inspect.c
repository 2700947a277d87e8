/* Looks into a PE file: one pass for all digests, then version data and existing signers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include "base/file.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <string.h>

struct hashers {
    EVP_MD_CTX *file;
    EVP_MD_CTX *image[CS_MAX_DIGESTS];
    size_t n;
};

static void hashers_done(struct hashers *h)
{
    EVP_MD_CTX_free(h->file);
    for (size_t i = 0; i < h->n; i++)
        EVP_MD_CTX_free(h->image[i]);
}

static enum cs_rc hashers_init(struct hashers *h, const char *const *algorithms, size_t n,
                               bool whole_file, struct cs_err *err)
{
    if (n > CS_MAX_DIGESTS)
        return cs_err_set(err, CS_INVALID, "%zu digest algorithms", n);
    h->file = whole_file ? EVP_MD_CTX_new() : NULL;
    if (whole_file && (h->file == NULL || EVP_DigestInit_ex(h->file, EVP_sha256(), NULL) != 1))
        return cs_err_set(err, CS_NOMEM, "no memory");
    for (size_t i = 0; i < n; i++) {
        const EVP_MD *md = EVP_get_digestbyname(algorithms[i]);
        h->image[h->n++] = EVP_MD_CTX_new();
        if (md == NULL || h->image[i] == NULL || EVP_DigestInit_ex(h->image[i], md, NULL) != 1)
            return cs_err_code(err, CS_INVALID, "pe.hash_algorithm", "no digest '%.20s'",
                               algorithms[i]);
    }
    return CS_OK;
}

static void image_update(const struct hashers *h, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < h->n; i++)
        EVP_DigestUpdate(h->image[i], p, n);
}

/* Feeds the part of [offset, offset+n) that Authenticode hashes: everything but the checksum, the
 * certificate table's directory entry and the table itself. */
static void image_feed(const struct hashers *h, const struct pe_layout *l, const uint8_t *p,
                       uint64_t offset, size_t n)
{
    const struct {
        uint64_t from;
        uint64_t to;
    } skip[] = {{l->checksum_offset, (uint64_t)l->checksum_offset + 4},
                {l->directory_offset, (uint64_t)l->directory_offset + 8},
                {l->content_end, UINT64_MAX}};
    const uint64_t end = offset + n;
    uint64_t at = offset;
    for (size_t i = 0; i < 3 && at < end; i++) {
        if (skip[i].from > at) {
            const uint64_t stop = skip[i].from < end ? skip[i].from : end;
            image_update(h, p + (at - offset), (size_t)(stop - at));
            at = stop;
        }
        if (at >= skip[i].from && at < skip[i].to)
            at = skip[i].to < end ? skip[i].to : end;
    }
}

static enum cs_rc hash_all(int fd, const struct pe_layout *l, struct hashers *h, uint8_t *chunk,
                           struct cs_err *err)
{
    static const uint8_t zeros[8];
    for (uint64_t at = 0; at < l->size;) {
        const size_t n = l->size - at < PE_CHUNK ? (size_t)(l->size - at) : PE_CHUNK;
        CS_TRY(cs_fd_pread_full(fd, chunk, n, at, err));
        if (h->file != NULL)
            EVP_DigestUpdate(h->file, chunk, n);
        image_feed(h, l, chunk, at, n);
        at += n;
    }
    /* The table starts 8-aligned: what fills the gap is written, so it is hashed. */
    image_update(h, zeros, (size_t)(-l->content_end & 7U));
    return CS_OK;
}

static const char *machine_name(uint16_t machine)
{
    static const struct {
        uint16_t code;
        const char *name;
    } names[] = {{0x14c, "i386"},         {0x8664, "x86-64"},  {0xaa64, "arm64"},
                 {0x1c4, "arm"},          {0x1c0, "arm"},      {0x200, "ia64"},
                 {0xebc, "efi-bytecode"}, {0x5032, "riscv32"}, {0x5064, "riscv64"},
                 {0x6264, "loongarch64"}, {0xa641, "arm64ec"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].code == machine)
            return names[i].name;
    }
    return "other";
}

static void finish(struct hashers *h, const char *const *algorithms, struct cs_inspected *out)
{
    if (h->file != NULL)
        EVP_DigestFinal_ex(h->file, out->sha256, NULL);
    for (size_t i = 0; i < h->n; i++) {
        unsigned n = 0;
        out->digests[i].algorithm = algorithms[i];
        EVP_DigestFinal_ex(h->image[i], out->digests[i].bytes, &n);
        out->digests[i].len = n;
    }
    out->n_digests = h->n;
}

static enum cs_rc pe_inspect(int fd, const char *const *algorithms, size_t n, struct cs_arena *a,
                             struct cs_inspected *out, struct cs_err *err)
{
    struct pe_layout l;
    CS_CLEANUP(hashers_done) struct hashers h = {0};
    CS_TRY(pe_read_layout(fd, &l, err));
    CS_TRY(hashers_init(&h, algorithms, n, !out->leave_out_sha256, err));
    CS_CLEANUP(cs_free_voidp) uint8_t *chunk = cs_calloc(1, PE_CHUNK);
    if (chunk == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(hash_all(fd, &l, &h, chunk, err));
    *out = (struct cs_inspected){.size = l.size, .machine = machine_name(l.machine)};
    finish(&h, algorithms, out);
    pe_read_version(fd, &l, a, out);
    return pe_read_signers(fd, &l, a, out, err);
}

const struct cs_format cs_format_pe = {
    .name = "pe-file", .inspect = pe_inspect, .assemble = pe_assemble};
