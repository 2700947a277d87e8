/* One error pattern for the whole tree: a class that decides what happens, and a message for
 * people. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

/* 0 is success, every failure is negative. The class alone decides what the caller's shell does:
 *   RETRY       back off and do it again (broker, database, timeout)
 *   CONFLICT    a compare-and-set lost: reload and decide again
 *   INVALID     the input is wrong and always will be
 *   DENIED      understood, and refused
 *   NOT_FOUND   there is no such thing
 *   EXISTS      it is there already
 *   LIMIT       larger than we accept
 *   UNSUPPORTED valid, but not something we do (yet)
 *   NOMEM       no memory
 *   FATAL       an invariant is broken: log and exit */
enum cs_rc {
    CS_OK = 0,
    CS_RETRY = -1,
    CS_CONFLICT = -2,
    CS_INVALID = -3,
    CS_DENIED = -4,
    CS_NOT_FOUND = -5,
    CS_EXISTS = -6,
    CS_LIMIT = -7,
    CS_UNSUPPORTED = -8,
    CS_NOMEM = -9,
    CS_FATAL = -10
};

#define CS_MUST_CHECK __attribute__((warn_unused_result))
#define CS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Caller-owned, fixed size, never on the heap. 'code' is a stable machine name such as
 * "pe.truncated" (may be empty); 'msg' says what, where and what to do. */
struct cs_err {
    enum cs_rc rc;
    char code[48];
    char msg[512];
};

/* Fills *err (NULL is allowed); 'code' may be NULL. Use cs_err_set and cs_err_code. */
void cs_err_fill(struct cs_err *err, enum cs_rc rc, const char *code, const char *fmt, ...)
    CS_PRINTF(4, 5);

/* Failing is one statement: return cs_err_set(err, CS_INVALID, "what, where, what to do");
 * The value is rc itself, so that compilers can see that a failure is never CS_OK. */
#define cs_err_set(err, rc, ...) cs_err_code(err, rc, NULL, __VA_ARGS__)

/* The same with a machine code, for failures that reach a user as failure{code,message}. */
#define cs_err_code(err, rc, code, ...)                                                            \
    __extension__({                                                                                \
        const enum cs_rc cs_err_rc = (rc);                                                         \
        cs_err_fill((err), cs_err_rc, (code), __VA_ARGS__);                                        \
        cs_err_rc;                                                                                 \
    })

/* Puts "context: " before the message that is there; keeps class and code. Returns err's class. */
enum cs_rc cs_err_wrap(struct cs_err *err, const char *fmt, ...) CS_PRINTF(2, 3);

void cs_err_clear(struct cs_err *err);

/* "retry", "invalid", ...: for logs and tests. Static text. */
const char *cs_rc_name(enum cs_rc rc);

/* Says in code that a result is ignored on purpose, and why. */
static inline void cs_ignore(enum cs_rc rc, const char *why)
{
    (void)rc;
    (void)why;
}

/* The only macro that may return. */
#define CS_TRY(expr)                                                                               \
    do {                                                                                           \
        const enum cs_rc cs_try_rc = (expr);                                                       \
        if (cs_try_rc != CS_OK)                                                                    \
            return cs_try_rc;                                                                      \
    } while (0)

/* Declares a local that NAME##_freep releases on every exit: CS_AUTO(cs_buf) b = ... */
#define CS_CLEANUP(fn) __attribute__((cleanup(fn)))
#define CS_AUTO(name) CS_CLEANUP(name##_freep) struct name *

/* Moves ownership out of a pointer, leaving NULL behind. */
#define CS_STEAL(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) cs_steal_tmp = (p);                                                          \
        (p) = NULL;                                                                                \
        cs_steal_tmp;                                                                              \
    })
