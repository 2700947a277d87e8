/* Mail headers out of text that people chose: RFC 5322 lines, RFC 2047 words, nothing injected.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "port/mail.h"

/* Appends "Name: value" without a line end; text that is not plain ASCII becomes encoded words,
 * folded so that no line is longer than 76 characters. CS_INVALID ("mail.header") for control
 * characters and for bytes that are not UTF-8; CS_LIMIT. */
enum cs_rc cs_mail_header(struct cs_buf *out, const char *name, const char *value,
                          struct cs_err *err) CS_MUST_CHECK;
/* The same for an address with its display name. CS_INVALID ("mail.address"). */
enum cs_rc cs_mail_header_box(struct cs_buf *out, const char *name, const struct cs_mailbox *box,
                              struct cs_err *err) CS_MUST_CHECK;
/* An address we are willing to give to a relay: ASCII, one '@', no white space, quotes, brackets or
 * control characters, at most 254 bytes (RFC 5321). */
bool cs_mail_address_valid(const char *address);
/* A Message-ID without brackets: printable ASCII without white space and brackets. */
bool cs_mail_id_valid(const char *id);
/* "Tue, 24 Nov 2026 11:05:48 +0000" */
enum { CS_MAIL_DATE = 40 };
void cs_mail_date(int64_t ms, char out[CS_MAIL_DATE]);
