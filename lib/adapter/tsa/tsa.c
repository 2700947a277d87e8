/* Asks timestamp authorities; believes only what verifies. See tsa.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/tsa/tsa.h"

#include "base/mem.h"
#include "crypto/hash.h"

#include <curl/curl.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_AUTHORITIES = 8, MAX_ANSWER = 256 * 1024 };

struct cs_tsa {
    char *urls; /* cut into words in place */
    const char *authority[MAX_AUTHORITIES];
    size_t n;
    int timeout_ms;
    X509_STORE *store;
};

void cs_tsa_global(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void cs_tsa_close(struct cs_tsa *t)
{
    if (t == NULL)
        return;
    X509_STORE_free(t->store);
    cs_free(t->urls);
    cs_free(t);
}

void cs_tsa_freep(struct cs_tsa **t)
{
    cs_tsa_close(*t);
    *t = NULL;
}

enum cs_rc cs_tsa_open(const struct cs_tsa_options *o, struct cs_tsa **out, struct cs_err *err)
{
    CS_AUTO(cs_tsa) t = cs_calloc(1, sizeof(*t));
    if (t == NULL || (t->urls = cs_strdup(o->urls)) == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    char *rest = NULL;
    for (char *w = strtok_r(t->urls, " ,\t\n", &rest); w != NULL && t->n < MAX_AUTHORITIES;
         w = strtok_r(NULL, " ,\t\n", &rest))
        t->authority[t->n++] = w;
    t->timeout_ms = o->timeout_ms;
    t->store = X509_STORE_new();
    if (t->store == NULL || X509_STORE_load_file(t->store, o->ca_file) != 1) {
        ERR_clear_error();
        return cs_err_code(err, CS_INVALID, "tsa.ca_file",
                           "tsa.ca_file: '%s' holds no certificates in PEM", o->ca_file);
    }
    X509_STORE_set_purpose(t->store, X509_PURPOSE_TIMESTAMP_SIGN);
    *out = CS_STEAL(t);
    return CS_OK;
}

static TS_REQ *make_request(struct cs_bytes data)
{
    uint8_t digest[CS_SHA256_SIZE];
    uint8_t nonce[8];
    TS_REQ *req = TS_REQ_new();
    TS_MSG_IMPRINT *imp = TS_MSG_IMPRINT_new();
    X509_ALGOR *alg = X509_ALGOR_new();
    BIGNUM *bn = NULL;
    ASN1_INTEGER *n = NULL;
    cs_sha256(data.ptr, data.len, digest);
    cs_random(nonce, sizeof(nonce));
    nonce[0] |= 0x40; /* a fixed length, never negative */
    nonce[0] &= 0x7f;
    bn = BN_bin2bn(nonce, sizeof(nonce), NULL);
    n = BN_to_ASN1_INTEGER(bn, NULL);
    const bool ok = req != NULL && imp != NULL && alg != NULL && n != NULL &&
                    X509_ALGOR_set0(alg, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 &&
                    TS_MSG_IMPRINT_set_algo(imp, alg) == 1 &&
                    TS_MSG_IMPRINT_set_msg(imp, digest, sizeof(digest)) == 1 &&
                    TS_REQ_set_version(req, 1) == 1 && TS_REQ_set_msg_imprint(req, imp) == 1 &&
                    TS_REQ_set_nonce(req, n) == 1 && TS_REQ_set_cert_req(req, 1) == 1;
    BN_free(bn);
    ASN1_INTEGER_free(n);
    X509_ALGOR_free(alg);
    TS_MSG_IMPRINT_free(imp);
    if (!ok) {
        TS_REQ_free(req);
        return NULL;
    }
    return req;
}

static size_t receive(char *p, size_t size, size_t n, void *ctx)
{
    struct cs_buf *b = ctx;
    return cs_buf_add(b, p, size * n, NULL) == CS_OK ? size * n : 0;
}

static enum cs_rc post(const struct cs_tsa *t, const char *url, const uint8_t *der, int n,
                       struct cs_buf *answer, struct cs_err *err)
{
    CURL *c = curl_easy_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/timestamp-query");
    if (c == NULL || headers == NULL) {
        curl_slist_free_all(headers);
        curl_easy_cleanup(c);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)t->timeout_ms);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, der);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)n);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    const CURLcode rc = curl_easy_perform(c);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (rc != CURLE_OK)
        return cs_err_code(err, CS_RETRY, "tsa.unreachable", "%s", curl_easy_strerror(rc));
    return CS_OK;
}

static enum cs_rc check_answer(const struct cs_tsa *t, TS_REQ *req, TS_RESP *resp,
                               struct cs_err *err)
{
    TS_VERIFY_CTX *ctx = TS_REQ_to_TS_VERIFY_CTX(req, NULL);
    if (ctx == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    X509_STORE_up_ref(t->store);
    TS_VERIFY_CTX_set_store(ctx, t->store);
    TS_VERIFY_CTX_add_flags(ctx, TS_VFY_SIGNATURE);
    const int ok = TS_RESP_verify_response(ctx, resp);
    TS_VERIFY_CTX_free(ctx);
    if (ok == 1)
        return CS_OK;
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    cs_err_code(err, CS_RETRY, "tsa.bad_answer", "bad answer: %s", why == NULL ? "unknown" : why);
    ERR_clear_error();
    return CS_RETRY;
}

static enum cs_rc take_token(TS_RESP *resp, struct cs_buf *token, int64_t *time_ms,
                             struct cs_err *err)
{
    struct tm tm;
    unsigned char *der = NULL;
    const int n = i2d_PKCS7(TS_RESP_get_token(resp), &der);
    if (n <= 0 || ASN1_TIME_to_tm(TS_TST_INFO_get_time(TS_RESP_get_tst_info(resp)), &tm) != 1) {
        OPENSSL_free(der);
        return cs_err_code(err, CS_RETRY, "tsa.bad_answer", "a token without a time");
    }
    *time_ms = (int64_t)timegm(&tm) * 1000;
    const enum cs_rc rc = cs_buf_add(token, der, (size_t)n, err);
    OPENSSL_free(der);
    return rc;
}

static enum cs_rc ask(const struct cs_tsa *t, const char *url, struct cs_bytes data,
                      struct cs_buf *token, int64_t *time_ms, struct cs_err *err)
{
    CS_AUTO_BUF answer = CS_BUF_INIT(MAX_ANSWER);
    unsigned char *der = NULL;
    TS_REQ *req = make_request(data);
    const int n = req == NULL ? 0 : i2d_TS_REQ(req, &der);
    enum cs_rc rc =
        n > 0 ? post(t, url, der, n, &answer, err) : cs_err_set(err, CS_NOMEM, "no memory");
    OPENSSL_free(der);
    if (rc == CS_OK) {
        const unsigned char *p = answer.ptr;
        TS_RESP *resp = answer.len == 0 ? NULL : d2i_TS_RESP(NULL, &p, (long)answer.len);
        rc = resp == NULL
                 ? cs_err_code(err, CS_RETRY, "tsa.bad_answer", "the answer is not a TimeStampResp")
                 : check_answer(t, req, resp, err);
        if (rc == CS_OK)
            rc = take_token(resp, token, time_ms, err);
        TS_RESP_free(resp);
        ERR_clear_error();
    }
    TS_REQ_free(req);
    return rc;
}

enum cs_rc cs_tsa_stamp(struct cs_tsa *t, struct cs_bytes data, struct cs_buf *token,
                        int64_t *time_ms, const char **authority, struct cs_err *err)
{
    CS_AUTO_BUF told = CS_BUF_INIT(400);
    struct cs_err one = {0};
    for (size_t i = 0; i < t->n; i++) {
        token->len = 0;
        if (ask(t, t->authority[i], data, token, time_ms, &one) == CS_OK) {
            *authority = t->authority[i];
            return CS_OK;
        }
        cs_ignore(
            cs_buf_addf(&told, NULL, "%s%s: %s", i == 0 ? "" : "; ", t->authority[i], one.msg),
            "a list that is too long is cut");
    }
    return cs_err_code(err, CS_RETRY, one.code[0] == '\0' ? "tsa.unreachable" : one.code,
                       "no timestamp: %.*s", (int)told.len,
                       told.len == 0 ? "" : (const char *)told.ptr);
}
