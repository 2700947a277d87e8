/* countersign: the command line for CI jobs, administrators and auditors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command *const groups[] = {cli_requests, cli_config, cli_trust,
                                                   cli_audit,    cli_events, NULL};

int cli_fail(const struct cs_err *err)
{
    fprintf(stderr, "countersign: %s\n", err->msg);
    switch (err->rc) {
    case CS_DENIED:
        return CLI_NOT_ALLOWED;
    case CS_RETRY:
        return CLI_UNREACHABLE;
    case CS_OK:
    case CS_CONFLICT:
    case CS_INVALID:
    case CS_NOT_FOUND:
    case CS_EXISTS:
    case CS_LIMIT:
    case CS_UNSUPPORTED:
    case CS_NOMEM:
    case CS_FATAL:
    default:
        return CLI_FAILED;
    }
}

/* Words of the command's name that argv begins with; 0: not this one. */
static int matches(const struct cli_command *c, int argc, char **argv)
{
    int words = 0;
    for (const char *p = c->name; *p != '\0'; words++) {
        const size_t n = strcspn(p, " ");
        if (words >= argc || strlen(argv[words]) != n || strncmp(argv[words], p, n) != 0)
            return 0;
        p += n + (p[n] == ' ' ? 1 : 0);
    }
    return words;
}

static const struct cli_command *find(int argc, char **argv, int *words)
{
    const struct cli_command *best = NULL;
    *words = 0;
    for (size_t g = 0; groups[g] != NULL; g++) {
        for (const struct cli_command *c = groups[g]; c->name != NULL; c++) {
            const int n = matches(c, argc, argv);
            if (n > *words) {
                best = c;
                *words = n;
            }
        }
    }
    return best;
}

static void help_one(FILE *to, const struct cli_command *c)
{
    fprintf(to, "usage: countersign %s%s%s%s\n%s\n", c->name, c->words[0] != '\0' ? " " : "",
            c->words, c->flags->name != NULL ? " [--option value]..." : "", c->summary);
    for (const struct cli_flag *f = c->flags; f->name != NULL; f++) {
        fprintf(to, "\n  --%s%s", f->name, f->kind == CLI_SWITCH ? "" : " VALUE");
        if (f->environment != NULL)
            fprintf(to, "  (or %s)", f->environment);
        if (f->fallback != NULL)
            fprintf(to, "  (default %s)", f->fallback);
        fprintf(to, "\n      %s\n", f->prose);
    }
}

static void help_all(FILE *to)
{
    fputs("usage: countersign COMMAND [--option value]...\n"
          "       countersign COMMAND --help\n\n",
          to);
    for (size_t g = 0; groups[g] != NULL; g++) {
        for (const struct cli_command *c = groups[g]; c->name != NULL; c++)
            fprintf(to, "  %-24s %s\n", c->name, c->summary);
    }
    fputs("\nExit status: 0 done, 2 failed, 3 denied or canceled, 4 timed out, 5 not allowed,\n"
          "6 unreachable, 64 usage. The audit commands: 0 pass, 1 integrity, 2 incomplete,\n"
          "3 unauthorized, 4 cannot verify.\n",
          to);
}

/* The reference page, docs/cli.md. */
static void help_markdown(void)
{
    for (size_t g = 0; groups[g] != NULL; g++) {
        for (const struct cli_command *c = groups[g]; c->name != NULL; c++) {
            printf("\n## countersign %s\n\n`countersign %s%s%s`\n\n%s\n", c->name, c->name,
                   c->words[0] != '\0' ? " " : "", c->words, c->summary);
            if (c->flags->name != NULL)
                puts("\n| option | environment | default | meaning |\n| --- | --- | --- | --- |");
            for (const struct cli_flag *f = c->flags; f->name != NULL; f++)
                printf("| `--%s`%s | %s | %s | %s |\n", f->name,
                       f->kind == CLI_LIST ? " (may be repeated)" : "",
                       f->environment == NULL ? "" : f->environment,
                       f->fallback == NULL ? "" : f->fallback, f->prose);
        }
    }
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    CS_AUTO(cli_args) args = NULL;
    struct cs_err err = {0};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help_one(stdout, c);
            return CLI_DONE;
        }
    }
    if (cli_args_parse(c->flags, argc, argv, &args, &err) == CS_OK)
        return c->run(args);
    fprintf(stderr, "countersign %s: %s\nTry: countersign %s --help\n", c->name, err.msg, c->name);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    int words = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        help_all(stdout);
        return CLI_DONE;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("countersign 0.1.0");
        return CLI_DONE;
    }
    if (argc > 1 && strcmp(argv[1], "--print-commands-markdown") == 0) {
        help_markdown();
        return CLI_DONE;
    }
    const struct cli_command *c = argc > 1 ? find(argc - 1, argv + 1, &words) : NULL;
    if (c == NULL) {
        if (argc > 1)
            fprintf(stderr, "countersign: there is no command '%s'\n\n", argv[1]);
        help_all(stderr);
        return CLI_USAGE;
    }
    return run(c, argc - 1 - words, argv + 1 + words);
}
