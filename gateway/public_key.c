/* Takes a certificate's key apart; see public_key.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static enum cs_rc number(const EVP_PKEY *key, const char *name, struct cs_arena *a,
                         struct cs_bytes *out)
{
    BIGNUM *n = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &n) != 1)
        return CS_INVALID;
    const size_t len = (size_t)BN_num_bytes(n);
    unsigned char *bytes = cs_arena_alloc(a, len + 1);
    if (bytes != NULL)
        *out = cs_bytes(bytes, (size_t)BN_bn2bin(n, bytes));
    BN_free(n);
    return bytes == NULL ? CS_NOMEM : CS_OK;
}

static enum cs_rc take_apart(X509 *x, struct cs_arena *a, struct public_key *out)
{
    const EVP_PKEY *key = X509_get0_pubkey(x);
    unsigned char *der = NULL;
    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    if (key == NULL || n <= 0)
        return CS_INVALID;
    out->spki = cs_bytes(cs_arena_memdup(a, der, (size_t)n), (size_t)n);
    OPENSSL_free(der);
    out->bits = (unsigned)EVP_PKEY_get_bits(key);
    out->type = EVP_PKEY_is_a(key, "RSA") ? "RSA" : "ECDSA";
    if (!EVP_PKEY_is_a(key, "RSA"))
        return CS_OK;
    CS_TRY(number(key, OSSL_PKEY_PARAM_RSA_N, a, &out->modulus));
    return number(key, OSSL_PKEY_PARAM_RSA_E, a, &out->exponent);
}

enum cs_rc public_key_read(struct cs_bytes der, struct cs_arena *a, struct public_key *out,
                           struct cs_err *err)
{
    const unsigned char *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    *out = (struct public_key){0};
    const enum cs_rc rc = x == NULL ? CS_INVALID : take_apart(x, a, out);
    X509_free(x);
    return rc == CS_OK ? CS_OK : cs_err_set(err, rc, "the certificate's key cannot be read");
}
