/* Hexadecimal and base64; see hex.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include "base/mem.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char b64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void cs_hex_encode(const void *p, size_t n, char *out)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_digits[b[i] >> 4];
        out[2 * i + 1] = hex_digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum cs_rc cs_hex_decode(const char *text, uint8_t *out, size_t n, struct cs_err *err)
{
    if (strlen(text) != 2 * n)
        return cs_err_set(err, CS_INVALID, "%zu hexadecimal digits expected, %zu given", 2 * n,
                          strlen(text));
    for (size_t i = 0; i < n; i++) {
        const int hi = hex_value(text[2 * i]);
        const int lo = hex_value(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return cs_err_set(err, CS_INVALID, "not a hexadecimal digit at position %zu",
                              hi < 0 ? 2 * i : 2 * i + 1);
        out[i] = (uint8_t)(hi * 16 + lo);
    }
    return CS_OK;
}

static char *encode(const void *p, size_t n, const char *alphabet, bool pad)
{
    const uint8_t *b = p;
    char *out = cs_calloc(n / 3 + 2, 4);
    if (out == NULL)
        return NULL;
    size_t o = 0;
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
                           (left > 2 ? (uint32_t)b[i + 2] : 0);
        out[o++] = alphabet[v >> 18 & 63];
        out[o++] = alphabet[v >> 12 & 63];
        if (left > 1)
            out[o++] = alphabet[v >> 6 & 63];
        else if (pad)
            out[o++] = '=';
        if (left > 2)
            out[o++] = alphabet[v & 63];
        else if (pad)
            out[o++] = '=';
    }
    return out;
}

char *cs_base64_encode(const void *p, size_t n)
{
    return encode(p, n, b64_std, true);
}

char *cs_base64url_encode(const void *p, size_t n)
{
    return encode(p, n, b64_url, false);
}

/* Decodes digits without padding; leftover bits must be zero, so each value has one spelling. */
static enum cs_rc decode(const char *text, size_t len, const char *alphabet, struct cs_buf *out,
                         struct cs_err *err)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    if (len % 4 == 1)
        return cs_err_set(err, CS_INVALID, "not base64: impossible length %zu", len);
    CS_TRY(cs_buf_reserve(out, len / 4 * 3 + 3, err));
    const size_t start = out->len;
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (at == NULL) {
            out->len = start;
            return cs_err_set(err, CS_INVALID, "not a base64 character at position %zu", i);
        }
        acc = acc << 6 | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out->ptr[out->len++] = (uint8_t)(acc >> bits);
            acc &= (1U << bits) - 1;
        }
    }
    if (acc != 0) {
        out->len = start;
        return cs_err_set(err, CS_INVALID, "not base64: bits after the last byte");
    }
    return CS_OK;
}

enum cs_rc cs_base64_decode(const char *text, size_t len, struct cs_buf *out, struct cs_err *err)
{
    if (len % 4 != 0)
        return cs_err_set(err, CS_INVALID, "not base64: length %zu is not a multiple of 4", len);
    size_t digits = len;
    while (digits > 0 && len - digits < 2 && text[digits - 1] == '=')
        digits--;
    return decode(text, digits, b64_std, out, err);
}

enum cs_rc cs_base64url_decode(const char *text, size_t len, struct cs_buf *out, struct cs_err *err)
{
    return decode(text, len, b64_url, out, err);
}
