/* What the subcommands of `countersign` share: their table, exit codes, help.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"

/* Documented in docs/cli.md; scripts rely on them. The audit commands have their own (0 to 4). */
enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 2,
    CLI_DENIED = 3, /* denied or canceled */
    CLI_TIMED_OUT = 4,
    CLI_NOT_ALLOWED = 5,
    CLI_UNREACHABLE = 6,
    CLI_USAGE = 64
};

struct cli_command {
    const char *name;    /* "trust init" */
    const char *summary; /* one line */
    const char *words;   /* "FILE", for the usage line; "" */
    const struct cli_flag *flags;
    int (*run)(const struct cli_args *args);
};

/* Ended by a NULL name. */
extern const struct cli_command cli_trust[];
extern const struct cli_command cli_config[];
extern const struct cli_command cli_requests[];
extern const struct cli_command cli_events[];
extern const struct cli_command cli_audit[];

/* Prints "countersign: message" and returns the exit code for the error's class. */
int cli_fail(const struct cs_err *err);
