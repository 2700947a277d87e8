/* C_Sign, and the check that what came back is a signature.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/guard.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

enum { MAX_SIGNATURE = 1024 };

struct mechanism {
    CK_MECHANISM m;
    CK_RSA_PKCS_PSS_PARAMS pss;
    uint8_t input[128]; /* DigestInfo or the digest */
    size_t input_len;
};

static const struct hash_row {
    const char *name;
    CK_MECHANISM_TYPE mechanism;
    CK_RSA_PKCS_MGF_TYPE mgf;
    CK_ULONG size;
} hashes[] = {{"sha1", CKM_SHA_1, CKG_MGF1_SHA1, 20},
              {"sha256", CKM_SHA256, CKG_MGF1_SHA256, 32},
              {"sha384", CKM_SHA384, CKG_MGF1_SHA384, 48},
              {"sha512", CKM_SHA512, CKG_MGF1_SHA512, 64}};

static const struct hash_row *row_of(const char *name)
{
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        if (strcmp(hashes[i].name, name) == 0)
            return &hashes[i];
    }
    return NULL;
}

/* DigestInfo (RFC 8017, 9.2 note 1), by OpenSSL's X509_SIG. */
static enum cs_rc digest_info(const struct cs_sign_input *in, struct mechanism *m,
                              struct cs_err *err)
{
    X509_SIG *s = X509_SIG_new();
    X509_ALGOR *alg = NULL;
    ASN1_OCTET_STRING *digest = NULL;
    unsigned char *p = m->input;
    int n = 0;
    if (s != NULL) {
        X509_SIG_getm(s, &alg, &digest);
        if (X509_ALGOR_set0(alg, OBJ_nid2obj(EVP_MD_get_type(EVP_get_digestbyname(in->hash))),
                            V_ASN1_NULL, NULL) == 1 &&
            ASN1_OCTET_STRING_set(digest, in->digest.ptr, (int)in->digest.len) == 1 &&
            i2d_X509_SIG(s, NULL) <= (int)sizeof(m->input))
            n = i2d_X509_SIG(s, &p);
    }
    X509_SIG_free(s);
    m->input_len = n > 0 ? (size_t)n : 0;
    return n > 0 ? CS_OK : cs_err_code(err, CS_INVALID, "keys.digest", "no DigestInfo");
}

static enum cs_rc choose(const struct cs_key *key, const struct cs_sign_input *in,
                         struct mechanism *m, struct cs_err *err)
{
    const struct hash_row *row = row_of(in->hash);
    const bool rsa = in->scheme != CS_SCHEME_ECDSA;
    if (rsa != (key->kind == CS_KEY_RSA))
        return cs_err_code(err, CS_INVALID, "keys.scheme", "the key is %s, the request is not",
                           key->kind == CS_KEY_RSA ? "RSA" : "EC");
    if ((rsa && (row == NULL || row->size != in->digest.len)) || in->digest.len > 64 ||
        in->digest.len < 20)
        return cs_err_code(err, CS_INVALID, "keys.digest", "a digest of %zu bytes for '%.20s'",
                           in->digest.len, in->hash);
    memcpy(m->input, in->digest.ptr, in->digest.len);
    m->input_len = in->digest.len;
    if (in->scheme == CS_SCHEME_RSA_PKCS1) {
        m->m.mechanism = CKM_RSA_PKCS;
        return digest_info(in, m, err);
    }
    if (in->scheme == CS_SCHEME_ECDSA) {
        m->m.mechanism = CKM_ECDSA;
        return CS_OK;
    }
    if (row == NULL)
        return cs_err_code(err, CS_INVALID, "keys.digest", "PSS needs a known hash");
    m->pss = (CK_RSA_PKCS_PSS_PARAMS){row->mechanism, row->mgf, row->size};
    m->m = (CK_MECHANISM){CKM_RSA_PKCS_PSS, &m->pss, sizeof(m->pss)};
    return CS_OK;
}

static bool verify_ecdsa(EVP_PKEY_CTX *ctx, const struct cs_sign_input *in, const uint8_t *sig,
                         size_t n)
{
    ECDSA_SIG *es = ECDSA_SIG_new();
    unsigned char *der = NULL;
    bool ok = false;
    if (es != NULL && ECDSA_SIG_set0(es, BN_bin2bn(sig, (int)(n / 2), NULL),
                                     BN_bin2bn(sig + n / 2, (int)(n / 2), NULL)) == 1) {
        const int len = i2d_ECDSA_SIG(es, &der);
        ok = len > 0 && EVP_PKEY_verify(ctx, der, (size_t)len, in->digest.ptr, in->digest.len) == 1;
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(es);
    return ok;
}

static bool verify_rsa(EVP_PKEY_CTX *ctx, const struct cs_sign_input *in, const uint8_t *sig,
                       size_t n)
{
    const EVP_MD *md = EVP_get_digestbyname(in->hash);
    const int padding = in->scheme == CS_SCHEME_RSA_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) != 1)
        return false;
    if (padding == RSA_PKCS1_PSS_PADDING &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1)
        return false;
    return EVP_PKEY_verify(ctx, sig, n, in->digest.ptr, in->digest.len) == 1;
}

/* A token may be faulty, or not the one we think: a bad signature never leaves. */
static bool verifies(const struct cs_key *key, const struct cs_sign_input *in, const uint8_t *sig,
                     size_t n)
{
    const unsigned char *p = key->spki.ptr;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)key->spki.len);
    EVP_PKEY_CTX *ctx = pub == NULL ? NULL : EVP_PKEY_CTX_new(pub, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1;
    if (ok)
        ok = in->scheme == CS_SCHEME_ECDSA ? verify_ecdsa(ctx, in, sig, n)
                                           : verify_rsa(ctx, in, sig, n);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pub);
    return ok;
}

static const struct token_key *own(const struct cs_pkcs11 *t, const struct cs_key *key)
{
    for (size_t i = 0; i < t->n_keys; i++) {
        if (&t->keys[i].key == key)
            return &t->keys[i];
    }
    return NULL;
}

enum cs_rc pkcs11_sign(void *self, const struct cs_key *key, const struct cs_sign_input *in,
                       struct cs_buf *out, struct cs_err *err)
{
    struct cs_pkcs11 *t = self;
    struct mechanism m = {0};
    uint8_t sig[MAX_SIGNATURE];
    CK_ULONG n = sizeof(sig);
    const struct token_key *k = own(t, key);
    if (k == NULL)
        return cs_err_code(err, CS_RETRY, "keys.token", "the session was lost; find the key again");
    CS_TRY(choose(key, in, &m, err));
    CK_RV rv = t->fn->C_SignInit(t->session, &m.m, k->handle);
    if (rv == CKR_OK)
        rv = t->fn->C_Sign(t->session, m.input, m.input_len, sig, &n);
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_Sign", err);
    if (CS_GUARD("signature-self-check") && !verifies(key, in, sig, n))
        return cs_err_code(err, CS_FATAL, "keys.bad_signature",
                           "the token returned a signature that does not verify; it was discarded");
    return cs_buf_add(out, sig, n, err);
}
