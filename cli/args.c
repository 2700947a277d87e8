/* Reads arguments by table; see args.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 256 };

struct given {
    const struct cli_flag *flag;
    const char *value;
};

struct cli_args {
    const struct cli_flag *flags;
    struct given given[MAX_ARGS];
    size_t n_given;
    const char *words[MAX_ARGS];
    size_t n_words;
};

void cli_args_free(struct cli_args *a)
{
    cs_free(a);
}

void cli_args_freep(struct cli_args **a)
{
    cli_args_free(*a);
    *a = NULL;
}

static const struct cli_flag *find(const struct cli_flag *flags, const char *name, size_t n)
{
    for (; flags->name != NULL; flags++) {
        if (strlen(flags->name) == n && strncmp(flags->name, name, n) == 0)
            return flags;
    }
    return NULL;
}

static enum cs_rc take_flag(struct cli_args *a, int argc, char **argv, int *i, struct cs_err *err)
{
    const char *text = argv[*i] + 2;
    const size_t n = strcspn(text, "=");
    const struct cli_flag *f = find(a->flags, text, n);
    if (f == NULL)
        return cs_err_set(err, CS_INVALID, "there is no option --%.*s", (int)n, text);
    struct given g = {.flag = f, .value = "true"};
    if (f->kind == CLI_SWITCH && text[n] == '=')
        return cs_err_set(err, CS_INVALID, "--%s takes no value", f->name);
    if (f->kind != CLI_SWITCH && text[n] == '=')
        g.value = text + n + 1;
    else if (f->kind != CLI_SWITCH && ++*i < argc)
        g.value = argv[*i];
    else if (f->kind != CLI_SWITCH)
        return cs_err_set(err, CS_INVALID, "--%s needs a value", f->name);
    a->given[a->n_given++] = g;
    return CS_OK;
}

enum cs_rc cli_args_parse(const struct cli_flag *flags, int argc, char **argv,
                          struct cli_args **out, struct cs_err *err)
{
    CS_AUTO(cli_args) a = cs_calloc(1, sizeof(*a));
    bool only_words = false;
    if (a == NULL || argc > MAX_ARGS)
        return cs_err_set(err, CS_INVALID, "more than %d arguments", MAX_ARGS);
    a->flags = flags;
    for (int i = 0; i < argc; i++) {
        const bool dashes = strncmp(argv[i], "--", 2) == 0;
        if (!only_words && dashes && argv[i][2] == '\0') {
            only_words = true;
        } else if (!only_words && dashes) {
            CS_TRY(take_flag(a, argc, argv, &i, err));
        } else if (!only_words && strcmp(argv[i], "-o") == 0 && i + 1 < argc &&
                   find(flags, "output", 6) != NULL) {
            a->given[a->n_given++] = (struct given){find(flags, "output", 6), argv[++i]};
        } else {
            a->words[a->n_words++] = argv[i];
        }
    }
    *out = CS_STEAL(a);
    return CS_OK;
}

const char *cli_nth(const struct cli_args *a, const char *name, size_t i)
{
    for (size_t k = 0; k < a->n_given; k++) {
        if (strcmp(a->given[k].flag->name, name) == 0 && i-- == 0)
            return a->given[k].value;
    }
    return NULL;
}

const char *cli_value(const struct cli_args *a, const char *name)
{
    const char *last = NULL;
    const struct cli_flag *f = find(a->flags, name, strlen(name));
    for (size_t i = 0; cli_nth(a, name, i) != NULL; i++)
        last = cli_nth(a, name, i);
    if (last != NULL || f == NULL)
        return last;
    const char *from_environment = f->environment == NULL ? NULL : getenv(f->environment);
    return from_environment != NULL && *from_environment != '\0' ? from_environment : f->fallback;
}

bool cli_switch(const struct cli_args *a, const char *name)
{
    return cli_nth(a, name, 0) != NULL;
}

size_t cli_words(const struct cli_args *a, const char *const **words)
{
    *words = a->words;
    return a->n_words;
}

enum cs_rc cli_need(const struct cli_args *a, const char *name, const char **out,
                    struct cs_err *err)
{
    const struct cli_flag *f = find(a->flags, name, strlen(name));
    *out = cli_value(a, name);
    if (*out != NULL && **out != '\0')
        return CS_OK;
    if (f != NULL && f->environment != NULL)
        return cs_err_set(err, CS_INVALID, "say --%s, or set %s", name, f->environment);
    return cs_err_set(err, CS_INVALID, "say --%s", name);
}
