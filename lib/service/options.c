/* Reads options from a file, the environment and flags; see options.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "service/options.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_OPTIONS = 128, MAX_WORDS = 64, MAX_CONFIG = 1 << 20, MAX_NESTING = 4 };

struct slot {
    const struct cs_option *row;
    char *text;
    int64_t number;
};

struct cs_options {
    struct slot slots[MAX_OPTIONS];
    size_t n;
    const char *words[MAX_WORDS];
    size_t n_words;
};

void cs_options_free(struct cs_options *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n; i++)
        cs_free(o->slots[i].text);
    cs_free(o);
}

void cs_options_freep(struct cs_options **o)
{
    cs_options_free(*o);
    *o = NULL;
}

static struct slot *find(const struct cs_options *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (strcmp(o->slots[i].row->name, name) == 0) {
            union {
                const struct slot *in;
                struct slot *out;
            } u = {.in = &o->slots[i]};
            return u.out;
        }
    }
    return NULL;
}

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit durations[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1},          {"B", 1},         {"KiB", 1024},
                                    {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

static bool with_unit(const char *text, const struct unit *units, int64_t *out)
{
    char *end = NULL;
    const long long v = strtoll(text, &end, 10);
    if (end == text || v < 0)
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0 && v <= INT64_MAX / units->factor) {
            *out = v * units->factor;
            return true;
        }
    }
    return false;
}

static bool boolean(const char *text, int64_t *out)
{
    *out = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
    return *out != 0 || strcmp(text, "false") == 0 || strcmp(text, "no") == 0;
}

static bool parse_number(const struct cs_option *row, const char *text, int64_t *out)
{
    char *end = NULL;
    switch (row->type) {
    case CS_OPTION_TEXT:
    case CS_OPTION_PATH:
        *out = 0;
        return true;
    case CS_OPTION_BOOLEAN:
        return boolean(text, out);
    case CS_OPTION_DURATION:
        return with_unit(text, durations, out);
    case CS_OPTION_SIZE:
        return with_unit(text, sizes, out);
    case CS_OPTION_INTEGER:
        *out = strtoll(text, &end, 10);
        return end != text && *end == '\0';
    }
    return false;
}

static const char *type_name(enum cs_option_type t)
{
    static const char *const names[] = {"text", "integer", "duration", "size", "boolean", "path"};
    return names[t];
}

static void problem(struct cs_buf *problems, const char *where, const char *name, const char *what)
{
    cs_ignore(cs_buf_addf(problems, NULL, "%s: %s: %s\n", where, name, what),
              "a list that is too long is cut");
}

static void set(struct cs_options *o, const char *name, const char *value, const char *where,
                struct cs_buf *problems)
{
    struct slot *s = find(o, name);
    int64_t number = 0;
    if (s == NULL) {
        problem(problems, where, name, "there is no such option (--help lists them)");
        return;
    }
    if (!parse_number(s->row, value, &number)) {
        char what[120];
        snprintf(what, sizeof(what), "'%.40s' is not a %s", value, type_name(s->row->type));
        problem(problems, where, name, what);
        return;
    }
    if ((s->row->min != 0 || s->row->max != 0) && (number < s->row->min || number > s->row->max)) {
        char what[120];
        snprintf(what, sizeof(what), "%lld is outside %lld..%lld", (long long)number,
                 (long long)s->row->min, (long long)s->row->max);
        problem(problems, where, name, what);
        return;
    }
    cs_free(s->text);
    s->text = cs_strdup(value);
    s->number = number;
}

/* Scalars of nested mappings become "outer.inner". Only mappings and scalars are accepted. */
struct yaml_state {
    struct cs_options *o;
    const char *path;
    struct cs_buf *problems;
};

static void yaml_mapping(const struct yaml_state *st, yaml_document_t *doc, yaml_node_t *node,
                         const char *prefix, int depth) /* NOLINT(misc-no-recursion) */
{
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        yaml_node_t *value = yaml_document_get_node(doc, p->value);
        char name[200];
        char where[400];
        if (key == NULL || key->type != YAML_SCALAR_NODE)
            continue;
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix == '\0' ? "" : ".",
                 (const char *)key->data.scalar.value);
        snprintf(where, sizeof(where), "%s:%zu", st->path, key->start_mark.line + 1);
        if (value != NULL && value->type == YAML_SCALAR_NODE)
            set(st->o, name, (const char *)value->data.scalar.value, where, st->problems);
        else if (value != NULL && value->type == YAML_MAPPING_NODE && depth < MAX_NESTING)
            yaml_mapping(st, doc, value, name, depth + 1);
        else
            problem(st->problems, where, name, "a text, a number or a mapping was expected");
    }
}

static void read_file(struct cs_options *o, const char *path, struct cs_buf *problems)
{
    CS_AUTO_BUF text = CS_BUF_INIT(MAX_CONFIG);
    struct cs_err err = {0};
    yaml_parser_t parser;
    yaml_document_t doc;
    if (cs_file_read(path, &text, &err) != CS_OK) {
        problem(problems, "--config", path, err.msg);
        return;
    }
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    if (yaml_parser_load(&parser, &doc) != 1) {
        char what[160];
        snprintf(what, sizeof(what), "line %zu: %s", parser.problem_mark.line + 1,
                 parser.problem == NULL ? "not YAML" : parser.problem);
        problem(problems, path, "YAML", what);
    } else {
        yaml_node_t *root = yaml_document_get_root_node(&doc);
        const struct yaml_state st = {.o = o, .path = path, .problems = problems};
        if (root != NULL && root->type == YAML_MAPPING_NODE)
            yaml_mapping(&st, &doc, root, "", 0);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
}

static void env_name(const char *daemon, const char *option, char *out, size_t size)
{
    snprintf(out, size, "COUNTERSIGN_%s%s%s", daemon, *daemon == '\0' ? "" : "_", option);
    for (char *s = out; *s != '\0'; s++)
        *s = *s == '.' || *s == '-' ? '_' : (char)toupper((unsigned char)*s);
}

static void read_environment(struct cs_options *o, const char *daemon, struct cs_buf *problems)
{
    const char *const prefixes[] = {"", daemon};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < o->n; i++) {
            char name[200];
            env_name(prefixes[k], o->slots[i].row->name, name, sizeof(name));
            const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): before threads */
            if (v != NULL)
                set(o, o->slots[i].row->name, v, name, problems);
        }
    }
}

static int read_flag(struct cs_options *o, int argc, char **argv, int i, struct cs_buf *problems)
{
    char name[200];
    const char *eq = strchr(argv[i], '=');
    const size_t n = eq == NULL ? strlen(argv[i] + 2) : (size_t)(eq - argv[i]) - 2;
    snprintf(name, sizeof(name), "%.*s", (int)(n < 150 ? n : 150), argv[i] + 2);
    const struct slot *s = find(o, name);
    if (s != NULL && (s->row->flags & CS_OPTION_SECRET) != 0) {
        problem(problems, "flag", name,
                "a secret on a command line can be seen by others: use a file or the environment");
        return i;
    }
    if (eq == NULL && i + 1 >= argc) {
        problem(problems, "flag", name, "a value is missing");
        return i;
    }
    if (strcmp(name, "config") != 0)
        set(o, name, eq != NULL ? eq + 1 : argv[i + 1], "flag", problems);
    return eq != NULL ? i : i + 1;
}

static void read_flags(struct cs_options *o, int argc, char **argv, struct cs_buf *problems)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (o->n_words < MAX_WORDS)
                o->words[o->n_words++] = argv[i];
        } else if (strcmp(argv[i], "--print-config") != 0) {
            i = read_flag(o, argc, argv, i, problems);
        }
    }
}

static const char *config_path(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (cs_str_starts(argv[i], "--config="))
            return argv[i] + strlen("--config=");
    }
    return NULL;
}

static void fill_fallbacks(struct cs_options *o, const struct cs_option *const tables[],
                           struct cs_buf *problems)
{
    for (size_t t = 0; tables[t] != NULL; t++) {
        for (const struct cs_option *row = tables[t]; row->name != NULL; row++) {
            assert(o->n < MAX_OPTIONS);
            o->slots[o->n++].row = row;
            if (row->fallback != NULL)
                set(o, row->name, row->fallback, "default", problems);
        }
    }
}

enum cs_rc cs_options_load(const char *daemon, const struct cs_option *const tables[], int argc,
                           char **argv, struct cs_options **out, struct cs_buf *problems)
{
    CS_AUTO(cs_options) o = cs_calloc(1, sizeof(*o));
    if (o == NULL)
        return CS_NOMEM;
    fill_fallbacks(o, tables, problems);
    const char *path = config_path(argc, argv);
    if (path != NULL)
        read_file(o, path, problems);
    read_environment(o, daemon, problems);
    read_flags(o, argc, argv, problems);
    for (size_t i = 0; i < o->n; i++) {
        if ((o->slots[i].row->flags & CS_OPTION_REQUIRED) != 0 && o->slots[i].text == NULL)
            problem(problems, "missing", o->slots[i].row->name, o->slots[i].row->prose);
    }
    if (problems->len > 0)
        return CS_INVALID;
    *out = CS_STEAL(o);
    return CS_OK;
}

const char *cs_option_text(const struct cs_options *o, const char *name)
{
    const struct slot *s = find(o, name);
    assert(s != NULL);
    return s->text == NULL ? "" : s->text;
}

int64_t cs_option_number(const struct cs_options *o, const char *name)
{
    const struct slot *s = find(o, name);
    assert(s != NULL);
    return s->number;
}

size_t cs_options_words(const struct cs_options *o, const char *const **words)
{
    *words = o->words;
    return o->n_words;
}

enum cs_rc cs_options_help(const char *daemon, const struct cs_option *const tables[],
                           struct cs_buf *out, struct cs_err *err)
{
    CS_TRY(cs_buf_addf(out, err,
                       "usage: countersign-%s [--config FILE] [--OPTION=VALUE]...\n"
                       "       countersign-%s --help | --version | --print-config\n\n"
                       "Each option can also stand in the YAML file or, as COUNTERSIGN_NAME with\n"
                       "underscores, in the environment.\n\n",
                       daemon, daemon));
    for (size_t t = 0; tables[t] != NULL; t++) {
        for (const struct cs_option *row = tables[t]; row->name != NULL; row++)
            CS_TRY(cs_buf_addf(out, err, "  --%s  (%s%s%s%s)\n      %s\n", row->name,
                               type_name(row->type), row->fallback == NULL ? "" : ", default ",
                               row->fallback == NULL ? "" : row->fallback,
                               (row->flags & CS_OPTION_REQUIRED) != 0 ? ", required" : "",
                               row->prose));
    }
    return CS_OK;
}

enum cs_rc cs_options_print(const struct cs_options *o, struct cs_buf *out, struct cs_err *err)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct slot *s = &o->slots[i];
        const bool secret = (s->row->flags & CS_OPTION_SECRET) != 0;
        CS_TRY(cs_buf_addf(out, err, "%s: \"%s\"\n", s->row->name,
                           s->text == NULL ? ""
                           : secret        ? "********"
                                           : s->text));
    }
    return CS_OK;
}

enum cs_rc cs_options_markdown(const char *daemon, const struct cs_option *const tables[],
                               struct cs_buf *out, struct cs_err *err)
{
    CS_TRY(cs_buf_addf(out, err,
                       "## countersign-%s\n\n| option | type | default | meaning |\n"
                       "| --- | --- | --- | --- |\n",
                       daemon));
    for (size_t t = 0; tables[t] != NULL; t++) {
        for (const struct cs_option *row = tables[t]; row->name != NULL; row++)
            CS_TRY(cs_buf_addf(out, err, "| `%s` | %s%s | %s | %s |\n", row->name,
                               type_name(row->type),
                               (row->flags & CS_OPTION_SECRET) != 0 ? ", secret" : "",
                               (row->flags & CS_OPTION_REQUIRED) != 0 ? "**required**"
                               : row->fallback == NULL                ? ""
                                                                      : row->fallback,
                               row->prose));
    }
    return cs_buf_add_str(out, "\n", err);
}

const struct cs_option cs_options_common[] = {
    {"health.listen", CS_OPTION_TEXT, "127.0.0.1:0", 0, 0, 0,
     "Address and port of /livez, /readyz and /metrics; port 0 turns them off."},
    {"log.level", CS_OPTION_TEXT, "info", 0, 0, 0,
     "Least level written: debug, info, warn, error."},
    {"drain_timeout", CS_OPTION_DURATION, "30s", 100, 3600000, 0,
     "How long work in flight may take to finish after SIGTERM."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option cs_options_kafka[] = {
    {"kafka.bootstrap", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_REQUIRED,
     "Kafka brokers, host:port separated by commas."},
    {"kafka.message_timeout", CS_OPTION_DURATION, "8s", 1000, 300000, 0,
     "After this an unacknowledged event is in doubt."},
    {"kafka.session_timeout", CS_OPTION_DURATION, "10s", 6000, 300000, 0,
     "How long a silent member of a consumer group keeps its partitions."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option cs_options_mariadb[] = {
    {"mariadb.socket", CS_OPTION_PATH, NULL, 0, 0, 0, "MariaDB's socket; or give host and port."},
    {"mariadb.host", CS_OPTION_TEXT, NULL, 0, 0, 0, "MariaDB's host."},
    {"mariadb.port", CS_OPTION_INTEGER, "3306", 1, 65535, 0, "MariaDB's port."},
    {"mariadb.user", CS_OPTION_TEXT, "countersign", 0, 0, 0, "MariaDB user."},
    {"mariadb.password", CS_OPTION_TEXT, NULL, 0, 0, CS_OPTION_SECRET, "MariaDB password."},
    {"mariadb.database", CS_OPTION_TEXT, "countersign", 0, 0, 0, "MariaDB database."},
    {"mariadb.allow_weak", CS_OPTION_BOOLEAN, "false", 0, 0, 0,
     "Development only: accept a server that may lose commits."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option cs_options_trust[] = {
    {"trust.root", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "The trust root file (root.pub)."},
    {"trust.registry", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "The registry that the root key signed (registry.bin)."},
    {"service.key", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "This service's private key file."},
    {"service.instance", CS_OPTION_TEXT, "1", 0, 0, 0, "Name of this instance among its equals."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};

const struct cs_option cs_options_blob[] = {
    {"blob.directory", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED,
     "The artifact store, a directory that gateway, scheduler, signers and auditor share."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};
