/* Builds SpcIndirectDataContent, signed attributes and SignedData; see authenticode.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "authenticode/authenticode.h"

#include "spc.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <string.h>

#define FREE_WITH(type, fn)                                                                        \
    static void fn##_p(type **p)                                                                   \
    {                                                                                              \
        fn(*p);                                                                                    \
    }
FREE_WITH(PKCS7, PKCS7_free)
FREE_WITH(SPC_INDIRECT_DATA, SPC_INDIRECT_DATA_free)
FREE_WITH(SPC_PE_IMAGE_DATA, SPC_PE_IMAGE_DATA_free)
FREE_WITH(SPC_OPUS_INFO, SPC_OPUS_INFO_free)
FREE_WITH(PKCS7_SIGNER_INFO, PKCS7_SIGNER_INFO_free)
FREE_WITH(ASN1_OBJECT, ASN1_OBJECT_free)
FREE_WITH(ASN1_TYPE, ASN1_TYPE_free)
FREE_WITH(X509, X509_free)
#define AUTO(type, fn) CS_CLEANUP(fn##_p) type *

static enum cs_rc asn1(struct cs_err *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return cs_err_code(err, CS_INVALID, "authenticode.asn1", "%s: %s", what,
                       reason == NULL ? "no memory" : reason);
}

static const EVP_MD *hash_of(const struct cs_authenticode *in, struct cs_err *err)
{
    static const char *const names[] = {"sha256", "sha384", "sha512"};
    const EVP_MD *md = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(in->hash, names[i]) == 0)
            md = EVP_get_digestbyname(names[i]);
    }
    if (md == NULL) {
        cs_err_code(err, CS_INVALID, "authenticode.hash", "'%.20s' is not sha256, sha384 or sha512",
                    in->hash);
    } else if ((size_t)EVP_MD_get_size(md) != in->digest.len) {
        cs_err_code(err, CS_INVALID, "authenticode.hash", "a %s digest of %zu bytes", in->hash,
                    in->digest.len);
        md = NULL;
    }
    return md;
}

/* A UTF-8 text as SpcString; BMPString, as Windows writes it. */
static SPC_STRING *spc_text(const char *text)
{
    SPC_STRING *s = SPC_STRING_new();
    ASN1_STRING *bmp = NULL;
    if (s == NULL)
        return NULL;
    if (ASN1_mbstring_copy(&bmp, (const unsigned char *)text, (int)strlen(text), MBSTRING_UTF8,
                           B_ASN1_BMPSTRING) < 0) {
        SPC_STRING_free(s);
        return NULL;
    }
    s->type = 0;
    s->value.unicode = bmp;
    return s;
}

static SPC_LINK *spc_url(const char *url)
{
    SPC_LINK *l = SPC_LINK_new();
    if (l == NULL)
        return NULL;
    l->type = 0;
    l->value.url = ASN1_IA5STRING_new();
    if (l->value.url == NULL || ASN1_STRING_set(l->value.url, url, -1) != 1) {
        SPC_LINK_free(l);
        return NULL;
    }
    return l;
}

/* DER of any template, as an ASN1_TYPE holding a SEQUENCE. */
static ASN1_TYPE *as_sequence(const void *value, const ASN1_ITEM *item)
{
    unsigned char *der = NULL;
    const int n = ASN1_item_i2d(value, &der, item);
    if (n <= 0)
        return NULL;
    ASN1_STRING *s = ASN1_STRING_new();
    ASN1_TYPE *t = ASN1_TYPE_new();
    if (s == NULL || t == NULL || ASN1_STRING_set(s, der, n) != 1) {
        ASN1_STRING_free(s);
        ASN1_TYPE_free(t);
        OPENSSL_free(der);
        return NULL;
    }
    OPENSSL_free(der);
    ASN1_TYPE_set(t, V_ASN1_SEQUENCE, s);
    return t;
}

static ASN1_TYPE *pe_image_data(void)
{
    AUTO(SPC_PE_IMAGE_DATA, SPC_PE_IMAGE_DATA_free) d = SPC_PE_IMAGE_DATA_new();
    if (d == NULL)
        return NULL;
    /* Windows expects a file link with this very text; the flags are an empty bit string. */
    d->flags->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    d->file = SPC_LINK_new();
    if (d->file == NULL)
        return NULL;
    d->file->type = 2;
    d->file->value.file = spc_text("<<<Obsolete>>>");
    if (d->file->value.file == NULL)
        return NULL;
    return as_sequence(d, ASN1_ITEM_rptr(SPC_PE_IMAGE_DATA));
}

static enum cs_rc indirect_data(const struct cs_authenticode *in, const EVP_MD *md, ASN1_TYPE **out,
                                struct cs_err *err)
{
    AUTO(SPC_INDIRECT_DATA, SPC_INDIRECT_DATA_free) idc = SPC_INDIRECT_DATA_new();
    if (idc == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    ASN1_OBJECT_free(idc->data->type);
    idc->data->type = OBJ_txt2obj(OID_SPC_PE_IMAGE_DATA, 1);
    idc->data->value = pe_image_data();
    X509_ALGOR_set_md(idc->digest->algorithm, md);
    if (X509_ALGOR_set0(idc->digest->algorithm, OBJ_nid2obj(EVP_MD_get_type(md)), V_ASN1_NULL,
                        NULL) != 1 ||
        ASN1_OCTET_STRING_set(idc->digest->digest, in->digest.ptr, (int)in->digest.len) != 1 ||
        idc->data->value == NULL || idc->data->type == NULL)
        return asn1(err, "SpcIndirectDataContent");
    *out = as_sequence(idc, ASN1_ITEM_rptr(SPC_INDIRECT_DATA));
    return *out != NULL ? CS_OK : asn1(err, "SpcIndirectDataContent");
}

/* The digest covers the content octets only, without tag and length (PKCS #7 section 9.3). */
static bool content_digest(const ASN1_TYPE *content, const EVP_MD *md, uint8_t *out, unsigned *n)
{
    const unsigned char *p = content->value.sequence->data;
    long len = 0;
    int tag = 0;
    int cls = 0;
    if ((ASN1_get_object(&p, &len, &tag, &cls, content->value.sequence->length) & 0x80) != 0)
        return false;
    return EVP_Digest(p, (size_t)len, out, n, md, NULL) == 1;
}

/* One attribute; 'der' is the value's whole DER for sequences, its content for strings. */
static bool add_attribute(STACK_OF(X509_ATTRIBUTE) * *list, const char *oid, int type,
                          struct cs_bytes value)
{
    AUTO(ASN1_OBJECT, ASN1_OBJECT_free) obj = OBJ_txt2obj(oid, 1);
    return obj != NULL &&
           X509at_add1_attr_by_OBJ(list, obj, type, value.ptr, (int)value.len) != NULL;
}

static bool add_sequence(STACK_OF(X509_ATTRIBUTE) * *list, const char *oid, const void *value,
                         const ASN1_ITEM *item)
{
    AUTO(ASN1_TYPE, ASN1_TYPE_free) t = as_sequence(value, item);
    return t != NULL &&
           add_attribute(list, oid, V_ASN1_SEQUENCE,
                         cs_bytes(t->value.sequence->data, (size_t)t->value.sequence->length));
}

static bool add_content_type(STACK_OF(X509_ATTRIBUTE) * *list)
{
    AUTO(ASN1_OBJECT, ASN1_OBJECT_free) obj = OBJ_nid2obj(NID_pkcs9_contentType);
    AUTO(ASN1_OBJECT, ASN1_OBJECT_free) value = OBJ_txt2obj(OID_SPC_INDIRECT_DATA, 1);
    return value != NULL && X509at_add1_attr_by_OBJ(list, obj, V_ASN1_OBJECT,
                                                    (const unsigned char *)value, -1) != NULL;
}

static bool add_opus(STACK_OF(X509_ATTRIBUTE) * *list, const struct cs_authenticode *in)
{
    AUTO(SPC_OPUS_INFO, SPC_OPUS_INFO_free) opus = SPC_OPUS_INFO_new();
    if (opus == NULL)
        return false;
    if (in->description[0] != '\0' && (opus->program_name = spc_text(in->description)) == NULL)
        return false;
    if (in->description_url[0] != '\0' && (opus->more_info = spc_url(in->description_url)) == NULL)
        return false;
    return add_sequence(list, OID_SPC_SP_OPUS_INFO, opus, ASN1_ITEM_rptr(SPC_OPUS_INFO));
}

static bool add_statement(STACK_OF(X509_ATTRIBUTE) * *list)
{
    STACK_OF(ASN1_OBJECT) *purposes = sk_ASN1_OBJECT_new_null();
    const bool ok =
        purposes != NULL &&
        sk_ASN1_OBJECT_push(purposes, OBJ_txt2obj(OID_SPC_INDIVIDUAL_CODE_SIGNING, 1)) > 0 &&
        add_sequence(list, OID_SPC_STATEMENT_TYPE, purposes, ASN1_ITEM_rptr(SPC_STATEMENT_TYPE));
    sk_ASN1_OBJECT_pop_free(purposes, ASN1_OBJECT_free);
    return ok;
}

static bool add_time(STACK_OF(X509_ATTRIBUTE) * *list, int64_t ms)
{
    if (ms == 0)
        return true;
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)(ms / 1000));
    const bool ok = t != NULL && add_attribute(list, "1.2.840.113549.1.9.5", t->type,
                                               cs_bytes(t->data, (size_t)t->length));
    ASN1_TIME_free(t);
    return ok;
}

static enum cs_rc attributes(const struct cs_authenticode *in, const EVP_MD *md,
                             const ASN1_TYPE *content, STACK_OF(X509_ATTRIBUTE) * *list,
                             struct cs_err *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!content_digest(content, md, digest, &n) || !add_content_type(list) ||
        !add_time(list, in->signing_time_ms) || !add_opus(list, in) || !add_statement(list) ||
        !add_attribute(list, "1.2.840.113549.1.9.4", V_ASN1_OCTET_STRING, cs_bytes(digest, n)))
        return asn1(err, "signed attributes (is a text not representable?)");
    /* Encoding with the SET OF template sorts the list in place; SignerInfo's own template does
     * not, and what is stored must be in the order that was signed. */
    unsigned char *der = NULL;
    const int sorted = ASN1_item_i2d((const void *)*list, &der, ASN1_ITEM_rptr(PKCS7_ATTR_SIGN));
    OPENSSL_free(der);
    return sorted > 0 ? CS_OK : asn1(err, "signed attributes");
}

static enum cs_rc put_der(unsigned char *der, int n, struct cs_buf *out, const char *what,
                          struct cs_err *err)
{
    if (n <= 0)
        return asn1(err, what);
    const enum cs_rc rc = cs_buf_add(out, der, (size_t)n, err);
    OPENSSL_free(der);
    return rc;
}

enum cs_rc cs_authenticode_attributes(const struct cs_authenticode *in, struct cs_buf *out,
                                      struct cs_err *err)
{
    AUTO(ASN1_TYPE, ASN1_TYPE_free) content = NULL;
    STACK_OF(X509_ATTRIBUTE) *list = NULL;
    const EVP_MD *md = hash_of(in, err);
    if (md == NULL)
        return CS_INVALID;
    CS_TRY(indirect_data(in, md, &content, err));
    enum cs_rc rc = attributes(in, md, content, &list, err);
    if (rc == CS_OK) {
        unsigned char *der = NULL;
        const int n = ASN1_item_i2d((const void *)list, &der, ASN1_ITEM_rptr(PKCS7_ATTR_SIGN));
        rc = put_der(der, n, out, "signed attributes", err);
    }
    sk_X509_ATTRIBUTE_pop_free(list, X509_ATTRIBUTE_free);
    return rc;
}

static X509 *parse_certificate(struct cs_bytes der)
{
    const unsigned char *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    if (x != NULL && p != der.ptr + der.len) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static bool set_signature_algorithm(PKCS7_SIGNER_INFO *si, X509 *leaf, const EVP_MD *md)
{
    const int key = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf));
    if (key == EVP_PKEY_RSA)
        return X509_ALGOR_set0(si->digest_enc_alg, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL,
                               NULL) == 1;
    int nid = NID_undef;
    if (key != EVP_PKEY_EC ||
        OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(md), NID_X9_62_id_ecPublicKey) != 1)
        return false;
    return X509_ALGOR_set0(si->digest_enc_alg, OBJ_nid2obj(nid), V_ASN1_UNDEF, NULL) == 1;
}

static enum cs_rc fill_signer(PKCS7_SIGNER_INFO *si, const struct cs_authenticode *in,
                              const EVP_MD *md, struct cs_bytes signature, struct cs_err *err)
{
    AUTO(X509, X509_free) leaf = parse_certificate(in->chain[0]);
    if (leaf == NULL)
        return asn1(err, "the leaf certificate");
    if (ASN1_INTEGER_set(si->version, 1) != 1 ||
        X509_NAME_set(&si->issuer_and_serial->issuer, X509_get_issuer_name(leaf)) != 1 ||
        X509_ALGOR_set0(si->digest_alg, OBJ_nid2obj(EVP_MD_get_type(md)), V_ASN1_NULL, NULL) != 1 ||
        !set_signature_algorithm(si, leaf, md) ||
        ASN1_OCTET_STRING_set(si->enc_digest, signature.ptr, (int)signature.len) != 1)
        return asn1(err, "SignerInfo");
    ASN1_INTEGER_free(si->issuer_and_serial->serial);
    si->issuer_and_serial->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(leaf));
    return si->issuer_and_serial->serial != NULL ? CS_OK : asn1(err, "SignerInfo");
}

static enum cs_rc add_certificates(PKCS7 *p7, const struct cs_authenticode *in, struct cs_err *err)
{
    for (size_t i = 0; i < in->n_chain; i++) {
        AUTO(X509, X509_free) x = parse_certificate(in->chain[i]);
        if (x == NULL || PKCS7_add_certificate(p7, x) != 1)
            return asn1(err, "certificate chain");
    }
    return CS_OK;
}

/* SignedData without its signer: content, digest algorithm, certificates. */
static enum cs_rc signed_data(const struct cs_authenticode *in, const EVP_MD *md,
                              ASN1_TYPE **content, PKCS7 *p7, struct cs_err *err)
{
    X509_ALGOR *alg = X509_ALGOR_new();
    PKCS7 *inner = PKCS7_new();
    if (alg == NULL || inner == NULL || PKCS7_set_type(p7, NID_pkcs7_signed) != 1 ||
        X509_ALGOR_set0(alg, OBJ_nid2obj(EVP_MD_get_type(md)), V_ASN1_NULL, NULL) != 1) {
        X509_ALGOR_free(alg);
        PKCS7_free(inner);
        return asn1(err, "SignedData");
    }
    sk_X509_ALGOR_push(p7->d.sign->md_algs, alg);
    inner->type = OBJ_txt2obj(OID_SPC_INDIRECT_DATA, 1);
    inner->d.other = *content;
    *content = NULL;
    PKCS7_free(p7->d.sign->contents);
    p7->d.sign->contents = inner;
    return add_certificates(p7, in, err);
}

static bool add_token(PKCS7_SIGNER_INFO *si, struct cs_bytes token)
{
    return token.len == 0 ||
           add_attribute(&si->unauth_attr, OID_SPC_RFC3161_TOKEN, V_ASN1_SEQUENCE, token);
}

enum cs_rc cs_authenticode_build(const struct cs_authenticode *in, struct cs_bytes signature,
                                 struct cs_bytes token, struct cs_buf *out, struct cs_err *err)
{
    AUTO(ASN1_TYPE, ASN1_TYPE_free) content = NULL;
    AUTO(PKCS7, PKCS7_free) p7 = PKCS7_new();
    AUTO(PKCS7_SIGNER_INFO, PKCS7_SIGNER_INFO_free) si = PKCS7_SIGNER_INFO_new();
    const EVP_MD *md = hash_of(in, err);
    if (md == NULL)
        return CS_INVALID;
    if (p7 == NULL || si == NULL || in->n_chain == 0)
        return asn1(err, "SignedData");
    CS_TRY(indirect_data(in, md, &content, err));
    CS_TRY(attributes(in, md, content, &si->auth_attr, err));
    CS_TRY(fill_signer(si, in, md, signature, err));
    if (!add_token(si, token))
        return asn1(err, "timestamp token");
    CS_TRY(signed_data(in, md, &content, p7, err));
    if (sk_PKCS7_SIGNER_INFO_push(p7->d.sign->signer_info, si) <= 0)
        return asn1(err, "SignedData");
    si = NULL;
    unsigned char *der = NULL;
    const int n = i2d_PKCS7(p7, &der);
    return put_der(der, n, out, "SignedData", err);
}

enum cs_rc cs_authenticode_nest(struct cs_bytes primary, struct cs_bytes added, struct cs_buf *out,
                                struct cs_err *err)
{
    const unsigned char *p = primary.ptr;
    AUTO(PKCS7, PKCS7_free) p7 = d2i_PKCS7(NULL, &p, (long)primary.len);
    if (p7 == NULL || !PKCS7_type_is_signed(p7))
        return asn1(err, "the existing signature");
    PKCS7_SIGNER_INFO *si = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), 0);
    if (si == NULL ||
        !add_attribute(&si->unauth_attr, OID_SPC_NESTED_SIGNATURE, V_ASN1_SEQUENCE, added))
        return asn1(err, "the existing signature has no signer, or a nested one already");
    unsigned char *der = NULL;
    const int n = i2d_PKCS7(p7, &der);
    return put_der(der, n, out, "SignedData", err);
}
