/* Certificates, described; see certificate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "certificate.h"

#include "base/str.h"
#include "hash.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

static void x509_done(X509 **x)
{
    X509_free(*x);
}

static void bio_done(BIO **b)
{
    BIO_free(*b);
}

static enum cs_rc name_text(const X509_NAME *name, char out[CS_NAME_TEXT], struct cs_err *err)
{
    CS_CLEANUP(bio_done) BIO *b = BIO_new(BIO_s_mem());
    const char *p = NULL;
    if (b == NULL ||
        X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0)
        return cs_err_code(err, CS_INVALID, "certificate.malformed", "a name cannot be read");
    const long all = BIO_ctrl(b, BIO_CTRL_INFO, 0, (void *)&p);
    size_t n = all < 0 ? 0 : (size_t)all;
    if (n >= CS_NAME_TEXT) {
        n = CS_NAME_TEXT - 1;
        while (n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out, p, n);
    out[n] = '\0';
    return CS_OK;
}

static enum cs_rc serial_text(const X509 *x, char out[CS_SERIAL_TEXT], struct cs_err *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    const int n = ASN1_STRING_length(serial);
    if (n < 0 || 2 * n >= CS_SERIAL_TEXT)
        return cs_err_code(err, CS_INVALID, "certificate.malformed", "a serial of %d bytes", n);
    const unsigned char *p = ASN1_STRING_get0_data(serial);
    for (int i = 0; i < n; i++)
        CS_TRY(cs_strf(out + 2 * i, 3, err, "%02x", p[i]));
    out[2 * n] = '\0';
    return CS_OK;
}

static enum cs_rc moment(const ASN1_TIME *t, int64_t *ms, struct cs_err *err)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return cs_err_code(err, CS_INVALID, "certificate.malformed", "a moment cannot be read");
    *ms = (int64_t)timegm(&tm) * 1000;
    return CS_OK;
}

static enum cs_rc key_type(X509 *x, char out[CS_KEY_TYPE_TEXT], struct cs_err *err)
{
    const EVP_PKEY *key = X509_get0_pubkey(x);
    char curve[16] = "";
    size_t n = 0;
    if (key == NULL)
        return cs_err_code(err, CS_INVALID, "certificate.malformed", "its key cannot be read");
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return cs_strf(out, CS_KEY_TYPE_TEXT, err, "RSA-%d", EVP_PKEY_get_bits(key));
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC)
        return cs_strf(out, CS_KEY_TYPE_TEXT, err, "%s",
                       EVP_PKEY_get0_type_name(key) == NULL ? "?" : EVP_PKEY_get0_type_name(key));
    if (EVP_PKEY_get_group_name(key, curve, sizeof(curve), &n) == 1 &&
        strcmp(curve, "prime256v1") == 0)
        return cs_strf(out, CS_KEY_TYPE_TEXT, err, "EC-P256");
    return cs_strf(out, CS_KEY_TYPE_TEXT, err, "EC-P%d", EVP_PKEY_get_bits(key));
}

static enum cs_rc describe(X509 *x, struct cs_certificate_facts *f, struct cs_err *err)
{
    CS_TRY(name_text(X509_get_subject_name(x), f->subject, err));
    CS_TRY(name_text(X509_get_issuer_name(x), f->issuer, err));
    CS_TRY(serial_text(x, f->serial, err));
    CS_TRY(moment(X509_get0_notBefore(x), &f->not_before_ms, err));
    CS_TRY(moment(X509_get0_notAfter(x), &f->not_after_ms, err));
    CS_TRY(key_type(x, f->key_type, err));
    unsigned char *spki = NULL;
    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    if (n <= 0)
        return cs_err_code(err, CS_INVALID, "certificate.malformed", "its key cannot be read");
    cs_sha256(spki, (size_t)n, f->spki_sha256);
    OPENSSL_free(spki);
    return CS_OK;
}

enum cs_rc cs_certificate_describe(struct cs_bytes der, struct cs_certificate_facts *out,
                                   struct cs_err *err)
{
    const unsigned char *p = der.ptr;
    struct cs_certificate_facts facts = {0};
    CS_CLEANUP(x509_done)
    X509 *x = der.len > 0 && der.len <= 65536 ? d2i_X509(NULL, &p, (long)der.len) : NULL;
    if (x == NULL || p != der.ptr + der.len) {
        ERR_clear_error();
        return cs_err_code(err, CS_INVALID, "certificate.malformed",
                           "%zu bytes that are not one DER certificate", der.len);
    }
    cs_sha256(der.ptr, der.len, facts.sha256);
    CS_TRY(describe(x, &facts, err));
    *out = facts;
    return CS_OK;
}
