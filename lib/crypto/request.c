/* Builds PKCS #10 requests around a foreign signature; see request.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "base/mem.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

enum { MAX_RAW_SIGNATURE = 1024, MAX_SUBJECT = 1024 };

static void request_done(X509_REQ **r)
{
    X509_REQ_free(*r);
}

static void key_done(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void name_done(X509_NAME **n)
{
    X509_NAME_free(*n);
}

static void bio_done(BIO **b)
{
    BIO_free(*b);
}

enum cs_rc cs_ecdsa_to_der(struct cs_bytes raw, struct cs_buf *out, struct cs_err *err)
{
    unsigned char *der = NULL;
    int n = 0;
    if (raw.len == 0 || raw.len % 2 != 0 || raw.len > MAX_RAW_SIGNATURE)
        return cs_err_code(err, CS_INVALID, "ecdsa.raw", "%zu bytes are not r||s", raw.len);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.ptr, (int)(raw.len / 2), NULL);
    BIGNUM *s = BN_bin2bn(raw.ptr + raw.len / 2, (int)(raw.len / 2), NULL);
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        n = i2d_ECDSA_SIG(sig, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    if (n <= 0)
        return cs_err_set(err, CS_NOMEM, "no memory");
    const enum cs_rc rc = cs_buf_add(out, der, (size_t)n, err);
    OPENSSL_free(der);
    return rc;
}

/* One "CN=Example", with \x standing for x. */
static enum cs_rc add_part(X509_NAME *name, char *part, struct cs_err *err)
{
    char *value = strchr(part, '=');
    size_t n = 0;
    if (value == NULL || value == part || value[1] == '\0')
        return cs_err_code(err, CS_INVALID, "csr.subject", "'%s': expected like CN=Example", part);
    *value++ = '\0';
    for (const char *p = value; *p != '\0'; p++) {
        p += *p == '\\' && p[1] != '\0';
        value[n++] = *p;
    }
    value[n] = '\0';
    while (*part == ' ')
        part++;
    if (X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const unsigned char *)value, (int)n,
                                   -1, 0) == 1)
        return CS_OK;
    ERR_clear_error();
    return cs_err_code(err, CS_INVALID, "csr.subject",
                       "'%s=%s' cannot be part of a subject; like CN=Example,O=Example Org,C=AT",
                       part, value);
}

static enum cs_rc parse_subject(const char *text, X509_NAME *name, struct cs_err *err)
{
    const char separator = text[0] == '/' ? '/' : ',';
    CS_AUTO_STR copy = cs_strdup(text + (text[0] == '/'));
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (copy[0] == '\0' || strlen(copy) > MAX_SUBJECT)
        return cs_err_code(err, CS_INVALID, "csr.subject",
                           "a subject is like CN=Example,O=Example Org,C=AT");
    char *start = copy;
    bool more = true;
    while (more) {
        char *end = start;
        while (*end != '\0' && *end != separator)
            end += *end == '\\' && end[1] != '\0' ? 2 : 1;
        more = *end != '\0';
        *end = '\0';
        CS_TRY(add_part(name, start, err));
        start = end + 1;
    }
    return CS_OK;
}

/* The digest that suits the key, and the algorithm that says so. */
static const char *choose_hash(EVP_PKEY *key, int *nid)
{
    const bool ec = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
    if (ec && EVP_PKEY_get_bits(key) > 256) {
        *nid = NID_ecdsa_with_SHA384;
        return "sha384";
    }
    *nid = ec ? NID_ecdsa_with_SHA256 : NID_sha256WithRSAEncryption;
    return "sha256";
}

static enum cs_rc put_signature(X509_REQ *req, int nid, struct cs_bytes sig, struct cs_err *err)
{
    X509_ALGOR *alg = X509_ALGOR_new();
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    const int type = nid == NID_sha256WithRSAEncryption ? V_ASN1_NULL : V_ASN1_UNDEF;
    bool ok = alg != NULL && bits != NULL &&
              X509_ALGOR_set0(alg, OBJ_nid2obj(nid), type, NULL) == 1 &&
              ASN1_BIT_STRING_set(bits, NULL, 0) == 1 &&
              ASN1_STRING_set(bits, sig.ptr, (int)sig.len) == 1;
    if (ok) {
        bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
        bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
        ok = X509_REQ_set1_signature_algo(req, alg) == 1;
    }
    X509_ALGOR_free(alg);
    if (!ok) {
        ASN1_BIT_STRING_free(bits);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    X509_REQ_set0_signature(req, bits); /* takes it */
    return CS_OK;
}

static enum cs_rc sign_request(const struct cs_csr *in, X509_REQ *req, EVP_PKEY *key,
                               struct cs_err *err)
{
    CS_AUTO_BUF raw = CS_BUF_INIT(MAX_RAW_SIGNATURE);
    CS_AUTO_BUF sig = CS_BUF_INIT(MAX_RAW_SIGNATURE + 64);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    unsigned char *tbs = NULL;
    int nid = NID_undef;
    const char *hash = choose_hash(key, &nid);
    const int n = i2d_re_X509_REQ_tbs(req, &tbs);
    const bool hashed = n > 0 && EVP_Digest(tbs, (size_t)n, digest, &digest_len,
                                            EVP_get_digestbyname(hash), NULL) == 1;
    OPENSSL_free(tbs);
    if (!hashed)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(in->sign(in->self, hash, cs_bytes(digest, digest_len), &raw, err));
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
        CS_TRY(cs_ecdsa_to_der(cs_buf_view(&raw), &sig, err));
    else
        CS_TRY(cs_buf_add(&sig, raw.ptr, raw.len, err));
    CS_TRY(put_signature(req, nid, cs_buf_view(&sig), err));
    if (X509_REQ_verify(req, key) == 1)
        return CS_OK;
    ERR_clear_error();
    return cs_err_code(err, CS_FATAL, "csr.signature", "the key's signature does not verify");
}

static enum cs_rc write_pem(X509_REQ *req, struct cs_buf *pem, struct cs_err *err)
{
    CS_CLEANUP(bio_done) BIO *b = BIO_new(BIO_s_mem());
    const char *p = NULL;
    if (b == NULL || PEM_write_bio_X509_REQ(b, req) != 1)
        return cs_err_set(err, CS_NOMEM, "no memory");
    const long n = BIO_ctrl(b, BIO_CTRL_INFO, 0, (void *)&p);
    return cs_buf_add(pem, p, n > 0 ? (size_t)n : 0, err);
}

enum cs_rc cs_csr_make(const struct cs_csr *in, struct cs_buf *pem, struct cs_err *err)
{
    const unsigned char *p = in->spki.ptr;
    CS_CLEANUP(key_done) EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)in->spki.len);
    CS_CLEANUP(request_done) X509_REQ *req = X509_REQ_new();
    CS_CLEANUP(name_done) X509_NAME *name = X509_NAME_new();
    if (req == NULL || name == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (key == NULL ||
        (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA && EVP_PKEY_get_base_id(key) != EVP_PKEY_EC)) {
        ERR_clear_error();
        return cs_err_code(err, CS_INVALID, "csr.key", "neither an RSA nor an EC public key");
    }
    CS_TRY(parse_subject(in->subject, name, err));
    if (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(req, name) != 1 || X509_REQ_set_pubkey(req, key) != 1)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(sign_request(in, req, key, err));
    return write_pem(req, pem, err);
}
