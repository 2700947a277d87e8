/* Digests by OpenSSL (it uses the processor's SHA instructions), the rest by libsodium.
 * SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include "base/hex.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cs_sha256_stream {
    EVP_MD_CTX *ctx;
};

/* Hashing cannot fail for a reason a caller could act on; carrying on with a wrong digest is worse.
 */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void cs_sha256(const void *p, size_t n, uint8_t out[CS_SHA256_SIZE])
{
    must(SHA256(p, n, out) != NULL);
}

void cs_sha256_hex(const void *p, size_t n, char out[2 * CS_SHA256_SIZE + 1])
{
    uint8_t digest[CS_SHA256_SIZE];
    cs_sha256(p, n, digest);
    cs_hex_encode(digest, sizeof(digest), out);
}

struct cs_sha256_stream *cs_sha256_stream_new(void)
{
    struct cs_sha256_stream *s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->ctx = EVP_MD_CTX_new();
    if (s->ctx == NULL || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
        cs_sha256_stream_free(s);
        return NULL;
    }
    return s;
}

void cs_sha256_stream_add(struct cs_sha256_stream *s, const void *p, size_t n)
{
    must(EVP_DigestUpdate(s->ctx, p, n));
}

void cs_sha256_stream_final(struct cs_sha256_stream *s, uint8_t out[CS_SHA256_SIZE])
{
    must(EVP_DigestFinal_ex(s->ctx, out, NULL));
}

void cs_sha256_stream_free(struct cs_sha256_stream *s)
{
    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->ctx);
    cs_free(s);
}

void cs_sha256_stream_freep(struct cs_sha256_stream **s)
{
    cs_sha256_stream_free(*s);
    *s = NULL;
}

void cs_sha256_parts(const struct cs_bytes *parts, size_t n, uint8_t out[CS_SHA256_SIZE])
{
    crypto_hash_sha256_state st;
    crypto_hash_sha256_init(&st);
    for (size_t i = 0; i < n; i++)
        crypto_hash_sha256_update(&st, parts[i].ptr, parts[i].len);
    crypto_hash_sha256_final(&st, out);
}

static void hmac_part(crypto_auth_hmacsha256_state *st, struct cs_bytes part)
{
    uint8_t len[8];
    for (size_t i = 0; i < sizeof(len); i++)
        len[i] = (uint8_t)((uint64_t)part.len >> (56 - 8 * i));
    crypto_auth_hmacsha256_update(st, len, sizeof(len));
    crypto_auth_hmacsha256_update(st, part.ptr, part.len);
}

void cs_hmac(struct cs_bytes key, const char *label, const struct cs_bytes *parts, size_t n,
             uint8_t out[CS_SHA256_SIZE])
{
    crypto_auth_hmacsha256_state st;
    crypto_auth_hmacsha256_init(&st, key.ptr, key.len);
    hmac_part(&st, cs_bytes_str(label));
    for (size_t i = 0; i < n; i++)
        hmac_part(&st, parts[i]);
    crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof(st));
}

bool cs_equal_secret(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

void cs_random(void *out, size_t n)
{
    must(sodium_init() >= 0);
    randombytes_buf(out, n);
}

void cs_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void cs_code_from_bytes(const uint8_t bytes[5], char out[9])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 5; i++)
        v = v << 8 | bytes[i];
    for (size_t i = 0; i < 8; i++)
        out[i] = crockford[v >> (35 - 5 * i) & 31];
    out[8] = '\0';
}

static char crockford_fold(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        return '0';
    if (c == 'I' || c == 'L')
        return '1';
    return c;
}

enum cs_rc cs_code_canonical(const char *typed, char out[9], struct cs_err *err)
{
    char code[9] = {0};
    size_t n = 0;
    for (const char *s = typed; *s != '\0'; s++) {
        const char c = crockford_fold(*s);
        if (c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (strchr(crockford, c) == NULL || n == 8)
            return cs_err_code(err, CS_INVALID, "decision.code_malformed",
                               "a code has eight letters and digits, such as 7K4M-9QXD");
        code[n++] = c;
    }
    if (n != 8)
        return cs_err_code(err, CS_INVALID, "decision.code_malformed",
                           "a code has eight letters and digits, %zu were given", n);
    memcpy(out, code, sizeof(code));
    return CS_OK;
}

enum cs_rc cs_decision_proof(const char *invitation_id, const char *view_token, const char *code,
                             uint8_t out[CS_SHA256_SIZE], struct cs_err *err)
{
    uint8_t salt[CS_SHA256_SIZE];
    uint8_t secret[CS_SHA256_SIZE];
    const struct cs_bytes invitation[] = {cs_bytes_str(invitation_id)};
    const struct cs_bytes parts[] = {cs_bytes_str(view_token), cs_bytes_str(code)};
    if (sodium_init() < 0)
        return cs_err_set(err, CS_FATAL, "libsodium cannot start");
    cs_hmac(cs_bytes_str("countersign"), "countersign/decision-salt/v1", invitation, 1, salt);
    cs_hmac(cs_bytes_str(invitation_id), "countersign/decision-secret/v1", parts, 2, secret);
    /* 8 MiB and 3 passes: about 10 ms; the code is short, but lives a day and has five tries. */
    const int rc = crypto_pwhash(out, CS_SHA256_SIZE, (const char *)secret, sizeof(secret), salt, 3,
                                 8U * 1024 * 1024, crypto_pwhash_ALG_ARGON2ID13);
    sodium_memzero(secret, sizeof(secret));
    return rc == 0 ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory for a decision proof");
}
