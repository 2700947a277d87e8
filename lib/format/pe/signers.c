/* Who signed a PE file before: reads the certificate table and judges each PKCS #7 signature by the
 * content digest and the embedded certificate. Nothing is said of trust.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pe.h"

#include "base/file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

enum { ENTRY_HEAD = 8, PKCS_TYPE = 2 };

static enum cs_rc load_table(int fd, const struct pe_layout *l, struct cs_buf *out,
                             struct cs_err *err)
{
    if (l->table_size > PE_MAX_CERTIFICATES)
        return cs_err_code(err, CS_INVALID, "pe.certificate_table",
                           "a certificate table of %u bytes (at most %d)", l->table_size,
                           PE_MAX_CERTIFICATES);
    CS_TRY(cs_buf_reserve(out, l->table_size, err));
    CS_TRY(cs_fd_pread_full(fd, out->ptr, l->table_size, l->table_offset, err));
    out->len = l->table_size;
    return CS_OK;
}

/* The PKCS #7 entry at *at, advanced past it; false at the end or where the table is broken. */
static bool next_entry(struct cs_bytes table, size_t *at, struct cs_bytes *der)
{
    while (*at + ENTRY_HEAD <= table.len) {
        const uint8_t *p = table.ptr + *at;
        const uint32_t n = pe_u32(p);
        const uint16_t type = pe_u16(p + 6);
        if (n < ENTRY_HEAD || n > table.len - *at)
            return false;
        *der = cs_bytes(p + ENTRY_HEAD, n - ENTRY_HEAD);
        *at += ((size_t)n + 7) & ~(size_t)7;
        if (type == PKCS_TYPE)
            return true;
    }
    return false;
}

static PKCS7 *parse_signed(struct cs_bytes der)
{
    const unsigned char *p = der.ptr;
    PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)der.len);
    if (p7 != NULL && PKCS7_type_is_signed(p7) && p7->d.sign->contents != NULL)
        return p7;
    PKCS7_free(p7);
    ERR_clear_error();
    return NULL;
}

static const char *name_text(struct cs_arena *a, const X509_NAME *name)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    if (b == NULL || X509_NAME_print_ex(
                         b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
        BIO_free(b);
        return "";
    }
    const long n = BIO_get_mem_data(b, &p);
    const char *text = cs_arena_strndup(a, p, n > 300 ? 300 : (size_t)n);
    BIO_free(b);
    return text == NULL ? "" : text;
}

/* The digest that SpcIndirectDataContent claims: the last OCTET STRING of its DER (DigestInfo ends
 * it), and the algorithm by the digest's length. */
static bool claimed_digest(const PKCS7 *p7, struct cs_bytes *content, struct cs_bytes *digest)
{
    const PKCS7 *inner = p7->d.sign->contents;
    if (inner->d.other == NULL || inner->d.other->type != V_ASN1_SEQUENCE)
        return false;
    const ASN1_STRING *s = inner->d.other->value.sequence;
    const unsigned char *p = s->data;
    long len = 0;
    int tag = 0;
    int cls = 0;
    if ((ASN1_get_object(&p, &len, &tag, &cls, s->length) & 0x80) != 0)
        return false;
    *content = cs_bytes(p, (size_t)len);
    static const size_t sizes[] = {64, 48, 32, 20};
    for (size_t i = 0; i < 4; i++) {
        const size_t n = sizes[i];
        if (content->len > n + 2 && content->ptr[content->len - n - 2] == 0x04 &&
            content->ptr[content->len - n - 1] == n) {
            *digest = cs_bytes(content->ptr + content->len - n, n);
            return true;
        }
    }
    return false;
}

/* Signature over the signed attributes, and messageDigest over the content. */
static bool signature_right(PKCS7 *p7, PKCS7_SIGNER_INFO *si, X509 *cert, struct cs_bytes content)
{
    const EVP_MD *md = EVP_get_digestbyobj(si->digest_alg->algorithm);
    BIO *sink = BIO_new(BIO_s_null());
    BIO *hash = BIO_new(BIO_f_md());
    bool ok = false;
    if (md != NULL && sink != NULL && hash != NULL && BIO_set_md(hash, md) == 1) {
        BIO *chain = BIO_push(hash, sink);
        ok = BIO_write(chain, content.ptr, (int)content.len) == (int)content.len &&
             PKCS7_signatureVerify(chain, p7, si, cert) == 1;
    }
    BIO_free(hash);
    BIO_free(sink);
    ERR_clear_error();
    return ok;
}

static int64_t time_ms(const ASN1_GENERALIZEDTIME *t)
{
    struct tm tm;
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

static int64_t token_time(const PKCS7_SIGNER_INFO *si)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.311.3.3.1", 1);
    const int i = X509at_get_attr_by_OBJ(si->unauth_attr, oid, -1);
    ASN1_OBJECT_free(oid);
    if (i < 0)
        return 0;
    const ASN1_TYPE *t = X509_ATTRIBUTE_get0_type(X509at_get_attr(si->unauth_attr, i), 0);
    if (t == NULL || t->type != V_ASN1_SEQUENCE)
        return 0;
    const unsigned char *p = t->value.sequence->data;
    PKCS7 *token = d2i_PKCS7(NULL, &p, t->value.sequence->length);
    TS_TST_INFO *info = token == NULL ? NULL : PKCS7_to_TS_TST_INFO(token);
    const int64_t ms = info == NULL ? 0 : time_ms(TS_TST_INFO_get_time(info));
    TS_TST_INFO_free(info);
    PKCS7_free(token);
    ERR_clear_error();
    return ms;
}

/* The content digest under the signature's algorithm, if it was computed. */
static bool image_matches(const struct cs_inspected *out, struct cs_bytes claimed, bool *known)
{
    *known = false;
    for (size_t i = 0; i < out->n_digests; i++) {
        if (out->digests[i].len != claimed.len)
            continue;
        *known = true;
        return memcmp(out->digests[i].bytes, claimed.ptr, claimed.len) == 0;
    }
    return false;
}

static void judge(PKCS7 *p7, PKCS7_SIGNER_INFO *si, X509 *cert, struct cs_existing_signer *s,
                  const struct cs_inspected *out)
{
    struct cs_bytes content;
    struct cs_bytes claimed;
    bool known = false;
    if (!claimed_digest(p7, &content, &claimed)) {
        s->detail = "its content is not Authenticode";
        return;
    }
    const bool matches = image_matches(out, claimed, &known);
    if (!known)
        s->detail = "its digest algorithm is not one that is checked here";
    else if (!matches)
        s->detail = "the file was changed after it was signed";
    else if (!signature_right(p7, si, cert, content))
        s->detail = "the signature does not fit its certificate";
    else
        s->valid = true;
}

static void add_signer(PKCS7 *p7, struct cs_arena *a, struct cs_inspected *out)
{
    STACK_OF(PKCS7_SIGNER_INFO) *sis = PKCS7_get_signer_info(p7);
    PKCS7_SIGNER_INFO *si = sis == NULL ? NULL : sk_PKCS7_SIGNER_INFO_value(sis, 0);
    if (si == NULL || out->n_signers == CS_MAX_SIGNERS)
        return;
    struct cs_existing_signer *s = &out->signers[out->n_signers++];
    X509 *cert = PKCS7_cert_from_signer_info(p7, si);
    *s = (struct cs_existing_signer){.subject = "", .issuer = "", .detail = ""};
    s->timestamp_ms = token_time(si);
    if (cert == NULL) {
        s->detail = "its certificate is not in it";
        return;
    }
    s->subject = name_text(a, X509_get_subject_name(cert));
    s->issuer = name_text(a, X509_get_issuer_name(cert));
    judge(p7, si, cert, s, out);
}

/* Signatures that were appended sit inside the primary's unsigned attributes. */
static void add_nested(PKCS7 *p7, struct cs_arena *a, struct cs_inspected *out)
{
    STACK_OF(PKCS7_SIGNER_INFO) *sis = PKCS7_get_signer_info(p7);
    const PKCS7_SIGNER_INFO *si = sis == NULL ? NULL : sk_PKCS7_SIGNER_INFO_value(sis, 0);
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.311.2.4.1", 1);
    int i = si == NULL ? -1 : X509at_get_attr_by_OBJ(si->unauth_attr, oid, -1);
    ASN1_OBJECT_free(oid);
    if (i < 0)
        return;
    X509_ATTRIBUTE *attr = X509at_get_attr(si->unauth_attr, i);
    for (int k = 0; k < X509_ATTRIBUTE_count(attr) && k < CS_MAX_SIGNERS; k++) {
        const ASN1_TYPE *t = X509_ATTRIBUTE_get0_type(attr, k);
        if (t == NULL || t->type != V_ASN1_SEQUENCE)
            continue;
        PKCS7 *nested =
            parse_signed(cs_bytes(t->value.sequence->data, (size_t)t->value.sequence->length));
        if (nested != NULL)
            add_signer(nested, a, out);
        PKCS7_free(nested);
    }
}

enum cs_rc pe_read_signers(int fd, const struct pe_layout *l, struct cs_arena *a,
                           struct cs_inspected *out, struct cs_err *err)
{
    CS_AUTO_BUF table = CS_BUF_INIT(PE_MAX_CERTIFICATES);
    struct cs_bytes der;
    size_t at = 0;
    if (l->table_offset == 0)
        return CS_OK;
    CS_TRY(load_table(fd, l, &table, err));
    while (next_entry(cs_buf_view(&table), &at, &der)) {
        PKCS7 *p7 = parse_signed(der);
        if (p7 == NULL)
            continue;
        add_signer(p7, a, out);
        add_nested(p7, a, out);
        PKCS7_free(p7);
    }
    return CS_OK;
}

enum cs_rc pe_first_signature(int fd, const struct pe_layout *l, struct cs_buf *out,
                              struct cs_err *err)
{
    CS_AUTO_BUF table = CS_BUF_INIT(PE_MAX_CERTIFICATES);
    struct cs_bytes der;
    size_t at = 0;
    if (l->table_offset == 0)
        return CS_OK;
    CS_TRY(load_table(fd, l, &table, err));
    if (!next_entry(cs_buf_view(&table), &at, &der))
        return CS_OK;
    PKCS7 *p7 = parse_signed(der);
    unsigned char *again = NULL;
    const int n = p7 == NULL ? 0 : i2d_PKCS7(p7, &again); /* without the table's padding */
    PKCS7_free(p7);
    if (n <= 0)
        return cs_err_code(err, CS_INVALID, "pe.certificate_table",
                           "the existing signature cannot be read, so none can be appended");
    const enum cs_rc rc = cs_buf_add(out, again, (size_t)n, err);
    OPENSSL_free(again);
    return rc;
}
