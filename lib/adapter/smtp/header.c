/* Mail headers; see header.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "header.h"

#include "base/guard.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    ADDRESS_MAX = 254,
    LINE_MAX = 76,
    /* An encoded word is at most 75 characters: "=?UTF-8?B?" + base64 + "?="; 42 bytes give 56. */
    WORD_BYTES = 42
};

static enum cs_rc check(const char *name, const char *value, struct cs_err *err)
{
    const size_t n = strlen(value);
    for (size_t i = 0; CS_GUARD("mail-header-injection") && i < n; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return cs_err_code(err, CS_INVALID, "mail.header",
                               "%s holds a control character at byte %zu", name, i);
    }
    if (!cs_utf8_valid(value, n))
        return cs_err_code(err, CS_INVALID, "mail.header", "%s is not UTF-8", name);
    return CS_OK;
}

static bool plain(const char *value)
{
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value >= 0x7f)
            return false;
    }
    return true;
}

/* How many bytes of s fit into 'most' without cutting a UTF-8 sequence. */
static size_t whole(const char *s, size_t n, size_t most)
{
    if (n <= most)
        return n;
    while (most > 0 && ((unsigned char)s[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* RFC 2047: base64 words, one a line. */
static enum cs_rc add_words(struct cs_buf *out, const char *value, struct cs_err *err)
{
    size_t left = strlen(value);
    const char *separator = " ";
    while (left > 0) {
        const size_t n = whole(value, left, WORD_BYTES);
        CS_AUTO_STR word = cs_base64_encode(value, n);
        if (word == NULL)
            return cs_err_set(err, CS_NOMEM, "encoded word");
        CS_TRY(cs_buf_addf(out, err, "%s=?UTF-8?B?%s?=", separator, word));
        value += n;
        left -= n;
        separator = "\r\n ";
    }
    return CS_OK;
}

enum cs_rc cs_mail_header(struct cs_buf *out, const char *name, const char *value,
                          struct cs_err *err)
{
    CS_TRY(check(name, value, err));
    CS_TRY(cs_buf_addf(out, err, "%s:", name));
    /* A text that already looks like an encoded word is encoded, or it would be decoded. */
    if (plain(value) && strstr(value, "=?") == NULL && strlen(name) + 2 + strlen(value) <= LINE_MAX)
        return cs_buf_addf(out, err, " %s", value);
    return add_words(out, value, err);
}

bool cs_mail_address_valid(const char *address)
{
    const size_t n = strlen(address);
    const char *at = strchr(address, '@');
    if (n == 0 || n > ADDRESS_MAX || at == NULL || at == address || at[1] == '\0' ||
        address[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)address[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),:;<>[\\]", c) != NULL)
            return false;
    }
    return strchr(at + 1, '@') == NULL;
}

bool cs_mail_id_valid(const char *id)
{
    const size_t n = strlen(id);
    if (n == 0 || n > 200)
        return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)id[i];
        if (c <= 0x20 || c >= 0x7f || strchr("<>()\"\\,;:", c) != NULL)
            return false;
    }
    return true;
}

/* A display name of plain words goes unquoted, other ASCII quoted, the rest as encoded words. */
static enum cs_rc add_name(struct cs_buf *out, const char *name, struct cs_err *err)
{
    if (!plain(name) || strstr(name, "=?") != NULL || strlen(name) > 60)
        return add_words(out, name, err);
    CS_TRY(cs_buf_add_str(out, " \"", err));
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            CS_TRY(cs_buf_add(out, "\\", 1, err));
        CS_TRY(cs_buf_add(out, name, 1, err));
    }
    return cs_buf_add(out, "\"", 1, err);
}

enum cs_rc cs_mail_header_box(struct cs_buf *out, const char *name, const struct cs_mailbox *box,
                              struct cs_err *err)
{
    if (!cs_mail_address_valid(box->address))
        return cs_err_code(err, CS_INVALID, "mail.address", "%s is not an address we mail to",
                           name);
    CS_TRY(cs_buf_addf(out, err, "%s:", name));
    if (box->name != NULL && box->name[0] != '\0') {
        CS_TRY(check(name, box->name, err));
        CS_TRY(add_name(out, box->name, err));
    }
    return cs_buf_addf(out, err, "\r\n <%s>", box->address);
}

void cs_mail_date(int64_t ms, char out[CS_MAIL_DATE])
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    out[0] = '\0';
    /* Years that do not have four digits cannot be written in a mail; such a moment has no date. */
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 8099)
        return;
    cs_ignore(cs_strf(out, CS_MAIL_DATE, NULL, "%s, %02d %s %04d %02d:%02d:%02d +0000",
                      days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
                      tm.tm_hour, tm.tm_min, tm.tm_sec),
              "31 characters fit");
}
