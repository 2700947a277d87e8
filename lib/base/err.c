/* Fills error values; see err.h for the contract.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

static CS_PRINTF(4, 0) void fill(struct cs_err *err, enum cs_rc rc, const char *code,
                                 const char *fmt, va_list ap)
{
    if (err == NULL)
        return;
    err->rc = rc;
    if (code != NULL) {
        const size_t n = strnlen(code, sizeof(err->code) - 1);
        memcpy(err->code, code, n);
        err->code[n] = '\0';
    } else {
        err->code[0] = '\0';
    }
    /* A message that is too long is cut: it is for people. */
    if (vsnprintf(err->msg, sizeof(err->msg), fmt, ap) < 0)
        err->msg[0] = '\0';
}

void cs_err_fill(struct cs_err *err, enum cs_rc rc, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fill(err, rc, code, fmt, ap);
    va_end(ap);
}

enum cs_rc cs_err_wrap(struct cs_err *err, const char *fmt, ...)
{
    if (err == NULL)
        return CS_FATAL;
    char old[sizeof(err->msg)];
    memcpy(old, err->msg, sizeof(old));

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    if ((size_t)n < sizeof(err->msg)) {
        const size_t room = sizeof(err->msg) - (size_t)n;
        if (snprintf(err->msg + n, room, ": %s", old) < 0)
            err->msg[n] = '\0';
    }
    return err->rc;
}

void cs_err_clear(struct cs_err *err)
{
    if (err != NULL)
        *err = (struct cs_err){0};
}

const char *cs_rc_name(enum cs_rc rc)
{
    switch (rc) {
    case CS_OK:
        return "ok";
    case CS_RETRY:
        return "retry";
    case CS_CONFLICT:
        return "conflict";
    case CS_INVALID:
        return "invalid";
    case CS_DENIED:
        return "denied";
    case CS_NOT_FOUND:
        return "not-found";
    case CS_EXISTS:
        return "exists";
    case CS_LIMIT:
        return "limit";
    case CS_UNSUPPORTED:
        return "unsupported";
    case CS_NOMEM:
        return "no-memory";
    case CS_FATAL:
        return "fatal";
    }
    return "unknown";
}
