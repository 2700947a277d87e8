/* SHA-256, HMAC-SHA-256, constant-time comparison, randomness, wiping.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum { CS_SHA256_SIZE = 32 };

void cs_sha256(const void *p, size_t n, uint8_t out[CS_SHA256_SIZE]);
void cs_sha256_hex(const void *p, size_t n, char out[2 * CS_SHA256_SIZE + 1]);
/* SHA-256 of several pieces one after the other. */
void cs_sha256_parts(const struct cs_bytes *parts, size_t n, uint8_t out[CS_SHA256_SIZE]);

/* Streaming, with the processor's SHA instructions (OpenSSL). */
struct cs_sha256_stream;
struct cs_sha256_stream *cs_sha256_stream_new(void);
void cs_sha256_stream_add(struct cs_sha256_stream *s, const void *p, size_t n);
/* May be called once; the stream can only be freed afterwards. */
void cs_sha256_stream_final(struct cs_sha256_stream *s, uint8_t out[CS_SHA256_SIZE]);
void cs_sha256_stream_free(struct cs_sha256_stream *s);
void cs_sha256_stream_freep(struct cs_sha256_stream **s);

/* HMAC-SHA-256 over a label and parts; each part is preceded by its 64-bit length, so that no two
 * lists of parts collide. The label separates uses of one key ("countersign/request-id/v1"). */
void cs_hmac(struct cs_bytes key, const char *label, const struct cs_bytes *parts, size_t n,
             uint8_t out[CS_SHA256_SIZE]);

/* Equal without telling by its time where they differ. */
bool cs_equal_secret(const void *a, const void *b, size_t n);
void cs_random(void *out, size_t n);
void cs_wipe(void *p, size_t n);

/* What a mail approval proves: Argon2id(invitation id, view token, code), about 10 ms (design.md,
 * trust). 'code' is in canonical form (8 Crockford characters, upper case, no dash). Blocking. */
enum cs_rc cs_decision_proof(const char *invitation_id, const char *view_token, const char *code,
                             uint8_t out[CS_SHA256_SIZE], struct cs_err *err) CS_MUST_CHECK;
/* "o1l-il..." as a person types it -> canonical 8 characters; CS_INVALID when it cannot be a code.
 */
enum cs_rc cs_code_canonical(const char *typed, char out[9], struct cs_err *err) CS_MUST_CHECK;
/* The first 40 bits of 'bytes' as 8 Crockford base32 characters. */
void cs_code_from_bytes(const uint8_t bytes[5], char out[9]);
