/* Test helpers: temporary directories, golden files, running a foreign tool, waiting for a
 * condition. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdbool.h>

/* cmocka's own header needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* A fresh directory below TMPDIR, removed by harness_tmpdir_remove. The path is the caller's
 * buffer. */
void harness_tmpdir(char *out, size_t size);
void harness_tmpdir_remove(const char *path);

/* Runs a program (argv[0] found on PATH), its stdout and stderr appended to *out (may be NULL).
 * Returns the exit status, 127 when it could not be started, 128+N when signal N ended it. */
int harness_run(const char *const argv[], struct cs_buf *out);

/* Calls ready(ctx) until it is true or the deadline passes; the last verdict is returned. */
bool harness_wait(bool (*ready)(void *ctx), void *ctx, int64_t timeout_ms);

/* Fails the test, printing the error, when rc is not CS_OK. */
#define assert_ok(rc, err)                                                                         \
    do {                                                                                           \
        const enum cs_rc assert_rc = (rc);                                                         \
        if (assert_rc != CS_OK)                                                                    \
            fail_msg("%s: %s", cs_rc_name(assert_rc), (err)->msg);                                 \
    } while (0)
#define assert_rc(want, rc) assert_string_equal(cs_rc_name(want), cs_rc_name(rc))
