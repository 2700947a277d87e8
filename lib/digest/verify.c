/* Checks a signed PE file the way a stranger would: digest, signature, certificate, timestamp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include "base/file.h"
#include "base/mem.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

enum { MAX_TABLE = 2 << 20 };

static enum cs_rc refuse(struct cs_err *err, const char *code, const char *what)
{
    ERR_clear_error();
    cs_err_code(err, CS_DENIED, code, "the signed file: %s", what);
    return CS_DENIED;
}

static PKCS7 *der_to_p7(const uint8_t *p, size_t n)
{
    return d2i_PKCS7(NULL, &p, (long)n);
}

static const ASN1_TYPE *unsigned_attribute(const PKCS7_SIGNER_INFO *si, const char *oid)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    const int i = X509at_get_attr_by_OBJ(si->unauth_attr, o, -1);
    ASN1_OBJECT_free(o);
    if (i < 0)
        return NULL;
    X509_ATTRIBUTE *a = X509at_get_attr(si->unauth_attr, i);
    const ASN1_TYPE *t = X509_ATTRIBUTE_get0_type(a, X509_ATTRIBUTE_count(a) - 1);
    return t != NULL && t->type == V_ASN1_SEQUENCE ? t : NULL;
}

static enum cs_rc load(int fd, const struct second_image *im, bool nested, PKCS7 **out,
                       struct cs_err *err)
{
    if (im->table_size < 16 || im->table_size > MAX_TABLE)
        return refuse(err, "digest.signature", "it has no certificate table");
    CS_CLEANUP(cs_free_voidp) uint8_t *t = cs_calloc(1, (size_t)im->table_size);
    if (t == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_fd_pread_full(fd, t, (size_t)im->table_size, im->table, err));
    PKCS7 *p7 = der_to_p7(t + 8, (size_t)im->table_size - 8);
    if (p7 == NULL || !PKCS7_type_is_signed(p7) ||
        sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(p7)) != 1) {
        PKCS7_free(p7);
        return refuse(err, "digest.signature", "its signature cannot be read");
    }
    if (nested) {
        const ASN1_TYPE *inner = unsigned_attribute(
            sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), 0), "1.3.6.1.4.1.311.2.4.1");
        PKCS7 *n = inner == NULL ? NULL
                                 : der_to_p7(inner->value.sequence->data,
                                             (size_t)inner->value.sequence->length);
        if (n != NULL) { /* without one, the primary signature is the one to look at */
            PKCS7_free(p7);
            p7 = n;
        }
    }
    *out = p7;
    return CS_OK;
}

/* Walks SpcIndirectDataContent by tags: SEQUENCE { attribute, DigestInfo { algorithm, OCTET STRING
 * } }. */
static bool spc_digest(const ASN1_STRING *content, struct cs_bytes *inside, struct cs_bytes *digest,
                       int *nid)
{
    const unsigned char *p = content->data;
    const unsigned char *end = p + content->length;
    long n = 0;
    int tag = 0;
    int cls = 0;
    if ((ASN1_get_object(&p, &n, &tag, &cls, end - p) & 0x80) != 0 || tag != V_ASN1_SEQUENCE)
        return false;
    *inside = cs_bytes(p, (size_t)n);
    if ((ASN1_get_object(&p, &n, &tag, &cls, end - p) & 0x80) != 0)
        return false;
    p += n; /* the attribute */
    if ((ASN1_get_object(&p, &n, &tag, &cls, end - p) & 0x80) != 0 || tag != V_ASN1_SEQUENCE)
        return false;
    X509_ALGOR *alg = d2i_X509_ALGOR(NULL, &p, end - p);
    if (alg == NULL)
        return false;
    *nid = OBJ_obj2nid(alg->algorithm);
    X509_ALGOR_free(alg);
    if ((ASN1_get_object(&p, &n, &tag, &cls, end - p) & 0x80) != 0 || tag != V_ASN1_OCTET_STRING)
        return false;
    *digest = cs_bytes(p, (size_t)n);
    return true;
}

static enum cs_rc check_content(const PKCS7 *p7, const struct cs_second_expect *want,
                                struct cs_bytes *inside, struct cs_err *err)
{
    const PKCS7 *c = p7->d.sign->contents;
    struct cs_bytes digest;
    int nid = NID_undef;
    if (c == NULL || OBJ_obj2nid(c->type) == NID_pkcs7_data || c->d.other == NULL ||
        c->d.other->type != V_ASN1_SEQUENCE ||
        !spc_digest(c->d.other->value.sequence, inside, &digest, &nid))
        return refuse(err, "digest.signature", "its content is not Authenticode");
    if (nid != EVP_MD_get_type(EVP_get_digestbyname(want->algorithm)) ||
        !cs_bytes_eq(digest, want->digest))
        return refuse(err, "digest.changed", "its signature is over another digest");
    return CS_OK;
}

/* messageDigest = H(content octets); signature over the DER SET OF attributes, by the leaf's key.
 */
static enum cs_rc check_signer(PKCS7_SIGNER_INFO *si, X509 *leaf, struct cs_bytes inside,
                               struct cs_err *err)
{
    const EVP_MD *md = EVP_get_digestbyobj(si->digest_alg->algorithm);
    const ASN1_OCTET_STRING *claimed = PKCS7_digest_from_attributes(si->auth_attr);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (md == NULL || claimed == NULL ||
        EVP_Digest(inside.ptr, inside.len, digest, &n, md, NULL) != 1 ||
        (size_t)claimed->length != n || memcmp(claimed->data, digest, n) != 0)
        return refuse(err, "digest.signature", "messageDigest does not fit the content");
    unsigned char *der = NULL;
    const int len =
        ASN1_item_i2d((const void *)si->auth_attr, &der, ASN1_ITEM_rptr(PKCS7_ATTR_VERIFY));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool ok = len > 0 && ctx != NULL &&
                    EVP_DigestVerifyInit(ctx, NULL, md, NULL, X509_get0_pubkey(leaf)) == 1 &&
                    EVP_DigestVerify(ctx, si->enc_digest->data, (size_t)si->enc_digest->length, der,
                                     (size_t)len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return ok ? CS_OK
              : refuse(err, "digest.signature", "the signature does not fit the certificate");
}

static enum cs_rc check_leaf(PKCS7 *p7, PKCS7_SIGNER_INFO *si, struct cs_bytes want, X509 **out,
                             struct cs_err *err)
{
    X509 *x = PKCS7_cert_from_signer_info(p7, si);
    unsigned char *der = NULL;
    const int n = x == NULL ? 0 : i2d_X509(x, &der);
    const bool same = n > 0 && cs_bytes_eq(cs_bytes(der, (size_t)n), want);
    OPENSSL_free(der);
    if (!same)
        return refuse(err, "digest.certificate", "another certificate signed it");
    *out = x;
    return CS_OK;
}

/* The token's imprint is the hash of the signature value (RFC 3161, 2.4.2). Its own signature was
 * checked against the configured authorities when it was fetched. */
static enum cs_rc check_timestamp(const PKCS7_SIGNER_INFO *si, int64_t *ms, struct cs_err *err)
{
    const ASN1_TYPE *t = unsigned_attribute(si, "1.3.6.1.4.1.311.3.3.1");
    PKCS7 *token =
        t == NULL ? NULL : der_to_p7(t->value.sequence->data, (size_t)t->value.sequence->length);
    TS_TST_INFO *info = token == NULL ? NULL : PKCS7_to_TS_TST_INFO(token);
    enum cs_rc rc = refuse(err, "digest.timestamp", "it has no timestamp");
    if (info != NULL) {
        TS_MSG_IMPRINT *imp = TS_TST_INFO_get_msg_imprint(info);
        const EVP_MD *md = EVP_get_digestbyobj(TS_MSG_IMPRINT_get_algo(imp)->algorithm);
        const ASN1_OCTET_STRING *have = TS_MSG_IMPRINT_get_msg(imp);
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        struct tm tm;
        if (md != NULL &&
            EVP_Digest(si->enc_digest->data, (size_t)si->enc_digest->length, digest, &n, md,
                       NULL) == 1 &&
            (size_t)have->length == n && memcmp(have->data, digest, n) == 0 &&
            ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &tm) == 1) {
            *ms = (int64_t)timegm(&tm) * 1000;
            rc = CS_OK;
        } else {
            rc = refuse(err, "digest.timestamp", "its timestamp is of another signature");
        }
    }
    TS_TST_INFO_free(info);
    PKCS7_free(token);
    return rc;
}

static enum cs_rc check_p7(PKCS7 *p7, const struct cs_second_expect *want, int64_t *ms,
                           struct cs_err *err)
{
    struct cs_bytes inside;
    X509 *leaf = NULL;
    PKCS7_SIGNER_INFO *si = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), 0);
    CS_TRY(check_content(p7, want, &inside, err));
    CS_TRY(check_leaf(p7, si, want->leaf, &leaf, err));
    CS_TRY(check_signer(si, leaf, inside, err));
    return want->timestamp ? check_timestamp(si, ms, err) : CS_OK;
}

enum cs_rc cs_second_pe_verify(int fd, const struct cs_second_expect *want, int64_t *timestamp_ms,
                               struct cs_err *err)
{
    struct second_image im;
    struct cs_second_digest d;
    PKCS7 *p7 = NULL;
    int64_t ms = 0;
    CS_TRY(second_image_read(fd, &im, err));
    CS_TRY(cs_second_pe_digest(fd, want->algorithm, &d, err));
    if (!cs_bytes_eq(cs_bytes(d.image, d.image_len), want->digest))
        return refuse(err, "digest.changed", "its digest is not the approved one");
    CS_TRY(load(fd, &im, want->nested, &p7, err));
    const enum cs_rc rc = check_p7(p7, want, &ms, err);
    PKCS7_free(p7);
    if (rc == CS_OK && timestamp_ms != NULL)
        *timestamp_ms = ms;
    return rc;
}
