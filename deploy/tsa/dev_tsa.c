/* A timestamp authority for development and tests: RFC 3161 over HTTP. Its clock is this machine's
 * and its key is a file: never use it for anything real. SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_QUERY = 65536 };

struct tsa {
    X509 *cert;
    EVP_PKEY *key;
};

static ASN1_INTEGER *random_serial(TS_RESP_CTX *ctx, void *data)
{
    uint8_t bytes[16];
    (void)ctx;
    (void)data;
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return NULL;
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    BIGNUM *bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ASN1_INTEGER *n = BN_to_ASN1_INTEGER(bn, NULL);
    BN_free(bn);
    return n;
}

static TS_RESP_CTX *make_ctx(const struct tsa *t)
{
    static const EVP_MD *(*const mds[])(void) = {EVP_sha256, EVP_sha384, EVP_sha512};
    TS_RESP_CTX *ctx = TS_RESP_CTX_new();
    ASN1_OBJECT *policy = OBJ_txt2obj("1.3.6.1.4.1.13762.3", 1);
    TS_RESP_CTX_set_serial_cb(ctx, random_serial, NULL);
    int ok = TS_RESP_CTX_set_signer_cert(ctx, t->cert) & TS_RESP_CTX_set_signer_key(ctx, t->key) &
             TS_RESP_CTX_set_signer_digest(ctx, EVP_sha256()) &
             TS_RESP_CTX_set_ess_cert_id_digest(ctx, EVP_sha256()) &
             TS_RESP_CTX_set_def_policy(ctx, policy);
    for (size_t i = 0; i < 3; i++)
        ok &= TS_RESP_CTX_add_md(ctx, mds[i]());
    ASN1_OBJECT_free(policy);
    if (ok != 1) {
        TS_RESP_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static int respond_der(const struct tsa *t, const struct cs_buf *query, unsigned char **der)
{
    TS_RESP_CTX *ctx = make_ctx(t);
    BIO *in = BIO_new_mem_buf(query->ptr, (int)query->len);
    TS_RESP *resp = ctx == NULL || in == NULL ? NULL : TS_RESP_create_response(ctx, in);
    const int n = resp == NULL ? 0 : i2d_TS_RESP(resp, der);
    TS_RESP_free(resp);
    BIO_free(in);
    TS_RESP_CTX_free(ctx);
    ERR_clear_error();
    return n;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type,
                             const void *p, size_t n)
{
    union {
        const void *in;
        void *out; /* copied by the library */
    } u = {.in = p};
    struct MHD_Response *r = MHD_create_response_from_buffer(n, u.out, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", type);
    const enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result serve(void *cls, struct MHD_Connection *c, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *data_size, void **con)
{
    struct cs_buf *query = *con;
    (void)url;
    (void)version;
    if (query == NULL) {
        query = calloc(1, sizeof(*query));
        *con = query;
        if (query == NULL)
            return MHD_NO;
        query->max = MAX_QUERY;
        return MHD_YES;
    }
    if (*data_size > 0) {
        const enum cs_rc rc = cs_buf_add(query, data, *data_size, NULL);
        *data_size = 0;
        return rc == CS_OK ? MHD_YES : MHD_NO;
    }
    if (strcmp(method, "POST") != 0)
        return reply(c, 405, "text/plain", "POST a timestamp query\n", 23);
    unsigned char *der = NULL;
    const int n = respond_der(cls, query, &der);
    const enum MHD_Result rc = n > 0 ? reply(c, 200, "application/timestamp-reply", der, (size_t)n)
                                     : reply(c, 400, "text/plain", "not a timestamp query\n", 22);
    OPENSSL_free(der);
    return rc;
}

static void completed(void *cls, struct MHD_Connection *c, void **con,
                      enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)c;
    (void)why;
    if (*con != NULL)
        cs_buf_done(*con);
    free(*con);
}

static int load(struct tsa *t, const char *cert, const char *key)
{
    FILE *f = fopen(cert, "r");
    if (f != NULL) {
        t->cert = PEM_read_X509(f, NULL, NULL, NULL);
        fclose(f);
    }
    f = fopen(key, "r");
    if (f != NULL) {
        t->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        fclose(f);
    }
    return t->cert != NULL && t->key != NULL;
}

int main(int argc, char **argv)
{
    struct tsa t = {NULL, NULL};
    sigset_t set;
    int sig = 0;
    if (argc != 4) {
        fprintf(stderr, "usage: countersign-dev-tsa PORT CERTIFICATE.pem KEY.pem\n"
                        "A timestamp authority for development only, on 127.0.0.1:PORT.\n");
        return 2;
    }
    if (!load(&t, argv[2], argv[3])) {
        fprintf(stderr, "countersign-dev-tsa: %s or %s cannot be read\n", argv[2], argv[3]);
        return 1;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtol(argv[1], NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, serve, &t,
                         MHD_OPTION_SOCK_ADDR, &addr, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                         MHD_OPTION_CONNECTION_TIMEOUT, 10U, MHD_OPTION_END);
    if (d == NULL) {
        fprintf(stderr, "countersign-dev-tsa: port %s cannot be opened (in use?)\n", argv[1]);
        return 1;
    }
    fprintf(stderr, "countersign-dev-tsa: DEVELOPMENT timestamps on http://127.0.0.1:%s/\n",
            argv[1]);
    sigwait(&set, &sig);
    MHD_stop_daemon(d);
    X509_free(t.cert);
    EVP_PKEY_free(t.key);
    return 0;
}
