/* Small text helpers that say when something does not fit.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* snprintf that reports truncation as CS_LIMIT. */
enum cs_rc cs_strf(char *out, size_t size, struct cs_err *err, const char *fmt, ...)
    CS_PRINTF(4, 5) CS_MUST_CHECK;
bool cs_str_eq_nocase(const char *a, const char *b);
bool cs_str_starts(const char *s, const char *prefix);
/* Well-formed UTF-8 without NUL, surrogates and overlong forms (RFC 3629). */
bool cs_utf8_valid(const char *s, size_t n);
/* A slug: 1 to 100 of [a-z0-9._-], starting with a letter or digit. */
bool cs_slug_valid(const char *s);
