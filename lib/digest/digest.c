/* Second implementation of the Authenticode image digest: a window over the stream, three holes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include "base/file.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 65536, HEAD = 8192 };

/* Little-endian number of 'n' bytes. */
static uint64_t number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v * 256 + p[n];
    return v;
}

static enum cs_rc odd(struct cs_err *err, const char *what)
{
    cs_err_code(err, CS_INVALID, "digest.pe", "second reading: %s", what);
    return CS_INVALID;
}

/* Everything needed lies in the first 8 KiB unless the DOS stub is enormous; then the header is
 * read where it is. */
enum cs_rc second_image_read(int fd, struct second_image *im, struct cs_err *err)
{
    uint8_t dos[64];
    uint8_t nt[HEAD];
    struct stat st;
    size_t got = 0;
    if (fstat(fd, &st) != 0 || st.st_size < 64)
        return odd(err, "too short");
    const uint64_t size = (uint64_t)st.st_size;
    CS_TRY(cs_fd_pread_full(fd, dos, sizeof(dos), 0, err));
    const uint64_t nt_at = number(dos + 60, 4);
    if (number(dos, 2) != 0x5a4d || nt_at + 24 + 136 > size)
        return odd(err, "no MZ header, or one that points outside");
    got = size - nt_at < HEAD ? (size_t)(size - nt_at) : HEAD;
    CS_TRY(cs_fd_pread_full(fd, nt, got, nt_at, err));
    if (number(nt, 4) != 0x4550)
        return odd(err, "no PE signature");
    const uint64_t wide = number(nt + 24, 2) == 0x20b ? 16 : 0;
    const uint64_t entry = 24 + 96 + wide + 4 * 8;
    if ((number(nt + 24, 2) != 0x10b && wide == 0) || number(nt + 20, 2) + 24 < entry + 8 ||
        entry + 8 > got)
        return odd(err, "no room for a certificate directory");
    *im = (struct second_image){.size = size,
                                .hole = {{nt_at + 24 + 64, 4}, {nt_at + entry, 8}},
                                .table = number(nt + entry, 4),
                                .table_size = number(nt + entry + 4, 4)};
    if (im->table == 0)
        im->table = size;
    if (im->table > size || (im->table < size && im->table + im->table_size != size))
        return odd(err, "the certificate table does not end the file");
    return CS_OK;
}

/* Blanks nothing: copies the window without the holes and hashes what is left. */
static size_t without_holes(const struct second_image *im, uint64_t at, uint8_t *w, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t pos = at + i;
        const bool in_hole = (pos >= im->hole[0].at && pos < im->hole[0].at + im->hole[0].len) ||
                             (pos >= im->hole[1].at && pos < im->hole[1].at + im->hole[1].len);
        if (!in_hole)
            w[kept++] = w[i];
    }
    return kept;
}

static bool touches_hole(const struct second_image *im, uint64_t at, size_t n)
{
    for (size_t i = 0; i < 2; i++) {
        if (im->hole[i].at < at + n && im->hole[i].at + im->hole[i].len > at)
            return true;
    }
    return false;
}

static enum cs_rc stream(int fd, const struct second_image *im, EVP_MD_CTX *file, EVP_MD_CTX *image,
                         struct cs_err *err)
{
    uint8_t w[WINDOW];
    uint64_t at = 0;
    while (at < im->size) {
        size_t n = im->size - at < WINDOW ? (size_t)(im->size - at) : WINDOW;
        if (at < im->table && im->table - at < n)
            n = (size_t)(im->table - at); /* windows never straddle the table's start */
        CS_TRY(cs_fd_pread_full(fd, w, n, at, err));
        EVP_DigestUpdate(file, w, n);
        if (at < im->table) {
            const size_t kept = touches_hole(im, at, n) ? without_holes(im, at, w, n) : n;
            EVP_DigestUpdate(image, w, kept);
        }
        at += n;
    }
    memset(w, 0, 8);
    EVP_DigestUpdate(image, w, (size_t)((8 - im->table % 8) % 8));
    return CS_OK;
}

enum cs_rc cs_second_pe_digest(int fd, const char *algorithm, struct cs_second_digest *out,
                               struct cs_err *err)
{
    struct second_image im;
    unsigned n = 0;
    const EVP_MD *md = EVP_get_digestbyname(algorithm);
    if (md == NULL)
        return odd(err, "unknown digest algorithm");
    CS_TRY(second_image_read(fd, &im, err));
    EVP_MD_CTX *file = EVP_MD_CTX_new();
    EVP_MD_CTX *image = EVP_MD_CTX_new();
    enum cs_rc rc = CS_NOMEM;
    if (file != NULL && image != NULL && EVP_DigestInit_ex(file, EVP_sha256(), NULL) == 1 &&
        EVP_DigestInit_ex(image, md, NULL) == 1)
        rc = stream(fd, &im, file, image, err);
    if (rc == CS_OK) {
        out->size = im.size;
        EVP_DigestFinal_ex(file, out->sha256, NULL);
        EVP_DigestFinal_ex(image, out->image, &n);
        out->image_len = n;
    }
    EVP_MD_CTX_free(file);
    EVP_MD_CTX_free(image);
    return rc;
}
