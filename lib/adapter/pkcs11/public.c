/* A token's public key as SubjectPublicKeyInfo, made with OpenSSL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/mem.h"
#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

enum { MAX_ATTRIBUTE = 2048 };

struct attribute {
    uint8_t bytes[MAX_ATTRIBUTE];
    CK_ULONG len;
};

static enum cs_rc get(struct cs_pkcs11 *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                      struct attribute *out, struct cs_err *err)
{
    CK_ATTRIBUTE a = {type, out->bytes, sizeof(out->bytes)};
    const CK_RV rv = t->fn->C_GetAttributeValue(t->session, object, &a, 1);
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_GetAttributeValue", err);
    out->len = a.ulValueLen;
    return CS_OK;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(const struct attribute *n, const struct attribute *e)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn_n = BN_bin2bn(n->bytes, (int)n->len, NULL);
    BIGNUM *bn_e = BN_bin2bn(e->bytes, (int)e->len, NULL);
    EVP_PKEY *key = NULL;
    if (bld != NULL && bn_n != NULL && bn_e != NULL &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
        key = from_params("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn_n);
    BN_free(bn_e);
    return key;
}

/* CKA_EC_PARAMS is the curve's OID; CKA_EC_POINT the point inside an OCTET STRING. */
static EVP_PKEY *ec_key(const struct attribute *params, const struct attribute *point)
{
    const unsigned char *p = params->bytes;
    const unsigned char *q = point->bytes;
    ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &p, (long)params->len);
    ASN1_OCTET_STRING *pt = d2i_ASN1_OCTET_STRING(NULL, &q, (long)point->len);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (oid != NULL && pt != NULL && bld != NULL && OBJ_obj2nid(oid) != NID_undef &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                        OBJ_nid2sn(OBJ_obj2nid(oid)), 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, pt->data,
                                         (size_t)pt->length) == 1)
        key = from_params("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    ASN1_OBJECT_free(oid);
    ASN1_OCTET_STRING_free(pt);
    return key;
}

static enum cs_rc keep_spki(struct token_key *k, EVP_PKEY *key, struct cs_err *err)
{
    unsigned char *der = NULL;
    const int n = key == NULL ? 0 : i2d_PUBKEY(key, &der);
    if (n > 0)
        k->spki_bytes = cs_memdup(der, (size_t)n);
    OPENSSL_free(der);
    if (k->spki_bytes == NULL)
        return cs_err_code(err, CS_INVALID, "keys.unsupported",
                           "the token's public key is not usable");
    k->key.bits = (unsigned)EVP_PKEY_get_bits(key);
    k->key.spki = cs_bytes(k->spki_bytes, (size_t)n);
    cs_sha256(k->spki_bytes, (size_t)n, k->key.spki_sha256);
    return CS_OK;
}

enum cs_rc pkcs11_public_key(struct cs_pkcs11 *t, CK_OBJECT_HANDLE object, struct token_key *k,
                             struct cs_err *err)
{
    struct attribute a;
    struct attribute b;
    EVP_PKEY *key = NULL;
    CS_TRY(get(t, object, CKA_KEY_TYPE, &a, err));
    CK_KEY_TYPE type = 0;
    memcpy(&type, a.bytes, sizeof(type));
    if (type == CKK_RSA) {
        CS_TRY(get(t, object, CKA_MODULUS, &a, err));
        CS_TRY(get(t, object, CKA_PUBLIC_EXPONENT, &b, err));
        k->key.kind = CS_KEY_RSA;
        key = rsa_key(&a, &b);
    } else if (type == CKK_EC) {
        CS_TRY(get(t, object, CKA_EC_PARAMS, &a, err));
        CS_TRY(get(t, object, CKA_EC_POINT, &b, err));
        k->key.kind = CS_KEY_EC;
        key = ec_key(&a, &b);
    }
    const enum cs_rc rc = keep_spki(k, key, err);
    EVP_PKEY_free(key);
    return rc;
}
