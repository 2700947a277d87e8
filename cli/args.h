/* Arguments of one subcommand: flags from a table, words, and values from the environment.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum cli_flag_kind { CLI_VALUE, CLI_SWITCH, CLI_LIST };

struct cli_flag {
    const char *name; /* without dashes */
    enum cli_flag_kind kind;
    const char *environment; /* NULL: none */
    const char *fallback;    /* NULL: none */
    const char *prose;
};
#define CLI_FLAGS_END                                                                              \
    {                                                                                              \
        NULL, CLI_VALUE, NULL, NULL, NULL                                                          \
    }

struct cli_args;

/* CS_INVALID names the argument that is wrong. argv is borrowed. */
enum cs_rc cli_args_parse(const struct cli_flag *flags, int argc, char **argv,
                          struct cli_args **out, struct cs_err *err) CS_MUST_CHECK;
void cli_args_free(struct cli_args *a);
void cli_args_freep(struct cli_args **a);

/* NULL when neither given nor in the environment, and without fallback. Borrowed. */
const char *cli_value(const struct cli_args *a, const char *name);
bool cli_switch(const struct cli_args *a, const char *name);
/* The i-th value of a flag that may be repeated; NULL past the end. */
const char *cli_nth(const struct cli_args *a, const char *name, size_t i);
size_t cli_words(const struct cli_args *a, const char *const **words);
/* CS_INVALID "say --NAME (or set ENVIRONMENT)". */
enum cs_rc cli_need(const struct cli_args *a, const char *name, const char **out,
                    struct cs_err *err) CS_MUST_CHECK;
