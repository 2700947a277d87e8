/* countersign config apply|show: configuration as code.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli.h"
#include "config_build.h"
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA = 64 << 20, MAX_FILE = 1 << 20 };

static const char *from_environment(const char *name)
{
    return getenv(name);
}

static enum cs_rc read_file(const char *path, struct cs_arena *a, struct cs_organization *out,
                            struct cs_err *err)
{
    CS_AUTO_BUF yaml = CS_BUF_INIT(MAX_FILE);
    CS_AUTO_BUF problems = CS_BUF_INIT(64 * 1024);
    CS_TRY(cs_file_read(path, &yaml, err));
    const enum cs_rc rc =
        cs_organization_parse(cs_buf_view(&yaml), from_environment, a, out, &problems);
    if (rc == CS_OK)
        return CS_OK;
    fprintf(stderr, "%s", problems.len > 0 ? cs_buf_cstr(&problems) : "");
    return cs_err_set(err, CS_INVALID, "%s: nothing was changed", path);
}

static enum cs_rc read_head(struct build *b, const json_t *e, struct cs_err *err)
{
    CS_AUTO_BUF body = CS_BUF_INIT(MAX_FILE);
    struct built_head *h = &b->heads[b->n_heads];
    const char *text = json_string_value(json_object_get(e, "body"));
    const char *id = json_string_value(json_object_get(e, "id"));
    const char *slug = json_string_value(json_object_get(e, "slug"));
    if (text == NULL || id == NULL || slug == NULL)
        return cs_err_set(err, CS_INVALID, "the gateway's configuration cannot be read");
    CS_TRY(cs_base64_decode(text, strlen(text), &body, err));
    h->kind = (int)json_integer_value(json_object_get(e, "kind"));
    h->id = cs_arena_strdup(b->a, id);
    h->slug = cs_arena_strdup(b->a, slug);
    h->revision = (uint64_t)json_integer_value(json_object_get(e, "revision"));
    h->deleted = json_is_true(json_object_get(e, "deleted"));
    h->body = cs_bytes(cs_arena_memdup(b->a, body.ptr, body.len), body.len);
    if (h->id == NULL || h->slug == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    b->n_heads++;
    return CS_OK;
}

static enum cs_rc read_heads(struct build *b, struct cli_http *h, struct cs_err *err)
{
    const struct cli_request q = {.method = "GET", .path = "/Configuration", .out_fd = -1};
    json_t *j = NULL;
    json_t *e = NULL;
    size_t i = 0;
    enum cs_rc rc = cli_http_json(h, &q, &j, err);
    const json_t *list = json_object_get(j, "entities");
    if (rc == CS_OK) {
        b->environment =
            cs_arena_strdup(b->a, json_string_value(json_object_get(j, "environment")));
        b->heads = cs_arena_alloc(b->a, (json_array_size(list) + 1) * sizeof(*b->heads));
        if (b->heads == NULL || b->environment == NULL)
            rc = cs_err_set(err, CS_NOMEM, "no memory");
    }
    json_array_foreach(list, i, e)
    {
        if (rc == CS_OK)
            rc = read_head(b, e, err);
    }
    json_decref(j);
    return rc;
}

/* What the file does not name any more. */
static void prune(struct build *b, bool remove)
{
    for (size_t i = 0; i < b->n_heads; i++) {
        const struct built_head *h = &b->heads[i];
        const bool bootstrap =
            h->kind == CS__CONFIG__ENTITY_KIND__ENTITY_TOKEN && strcmp(h->slug, "bootstrap") == 0;
        if (h->wanted || h->deleted || bootstrap)
            continue;
        printf("%s %s: it is not in the file%s\n", remove ? "removed:" : "kept:   ", h->slug,
               remove ? "" : " (--prune removes it)");
        CS_AUTO_STR body = cs_base64_encode(h->body.ptr, h->body.len);
        if (remove && body != NULL) {
            json_array_append_new(b->changes,
                                  json_pack("{s:i,s:s,s:I,s:s,s:b}", "kind", h->kind, "id", h->id,
                                            "revision", (json_int_t)(h->revision + 1), "body", body,
                                            "deleted", 1));
            b->n_changed++;
        }
    }
}

static enum cs_rc send_changes(struct build *b, struct cli_http *h, struct cs_err *err)
{
    json_t *body = json_pack("{s:O,s:O}", "changes", b->changes, "people", b->people);
    json_t *answer = NULL;
    const struct cli_request q = {
        .method = "POST", .path = "/Configuration", .json = body, .out_fd = -1};
    const enum cs_rc rc = cli_http_json(h, &q, &answer, err);
    json_decref(answer);
    json_decref(body);
    return rc;
}

static enum cs_rc directory_of(struct build *b, const char *path, struct cs_err *err)
{
    const char *slash = strrchr(path, '/');
    b->directory = slash == NULL ? "." : cs_arena_strndup(b->a, path, (size_t)(slash - path));
    return b->directory != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc apply(const struct cli_args *args, struct build *b, const char *path,
                        struct cs_err *err)
{
    CS_AUTO(cli_http) h = NULL;
    CS_AUTO(cs_signing_key) key = NULL;
    struct cs_organization *o = cs_arena_alloc(b->a, sizeof(*o));
    const char *key_file = cli_value(args, "key");
    if (o == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(read_file(path, b->a, o, err));
    CS_TRY(directory_of(b, path, err));
    CS_TRY(cli_http_open(args, &h, err));
    if (key_file != NULL)
        CS_TRY(cs_signing_key_load(key_file, getenv("COUNTERSIGN_KEY_PASSPHRASE"), &key, err));
    b->key = key;
    b->organization_id = cli_value(args, "organization-id");
    b->tokens_directory = cli_value(args, "tokens-directory");
    b->dry_run = cli_switch(args, "dry-run");
    CS_TRY(read_heads(b, h, err));
    CS_TRY(config_build(b, o, err));
    prune(b, cli_switch(args, "prune"));
    if (b->dry_run) {
        printf("%zu changes would be made\n", b->n_changed);
        return CS_OK;
    }
    CS_TRY(send_changes(b, h, err));
    printf("%zu changes made\n", b->n_changed);
    return CS_OK;
}

static int run_apply(const struct cli_args *args)
{
    struct cs_err err = {0};
    const char *const *words = NULL;
    struct build b = {.a = cs_arena_new(ARENA)};
    if (cli_words(args, &words) != 1) {
        fputs("countersign config apply: say which file\n", stderr);
        cs_arena_free(b.a);
        return CLI_USAGE;
    }
    b.changes = json_array();
    b.people = json_array();
    err.rc = b.a == NULL ? CS_NOMEM : apply(args, &b, words[0], &err);
    json_decref(b.changes);
    json_decref(b.people);
    cs_arena_free(b.a);
    return err.rc == CS_OK ? CLI_DONE : cli_fail(&err);
}

static const struct cli_flag apply_flags[] = {
    CLI_GATEWAY_FLAGS,
    {"key", CLI_VALUE, "COUNTERSIGN_ADMIN_KEY", NULL,
     "Key file of an administrator, who signs the revisions of signing policies."},
    {"tokens-directory", CLI_VALUE, NULL, NULL, "Where the secrets of new tokens are written."},
    {"prune", CLI_SWITCH, NULL, NULL, "Remove what the file does not name."},
    {"dry-run", CLI_SWITCH, NULL, NULL, "Say what would change; change nothing."},
    CLI_FLAGS_END};

const struct cli_command cli_config[] = {
    {"config apply",
     "Makes the organisation what the file says: users, tokens, certificates, projects, policies.",
     "FILE", apply_flags, run_apply},
    {NULL, NULL, NULL, NULL, NULL}};
