/* submit, status, wait, download, requests, approve, deny, cancel, sign-hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "cli.h"
#include "http.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 1024, MAX_FIELDS = 160, POLL_S = 20, DEFAULT_WAIT_S = 3600 };

static int usage(const char *command, const char *what)
{
    fprintf(stderr, "countersign %s: %s\n", command, what);
    return CLI_USAGE;
}

static const char *member(const json_t *j, const char *name)
{
    const char *v = json_string_value(json_object_get(j, name));
    return v == NULL ? "" : v;
}

static void print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int exit_of(const json_t *status)
{
    const char *s = member(status, "status");
    if (strcmp(s, "Completed") == 0)
        return CLI_DONE;
    if (strcmp(s, "Denied") == 0 || strcmp(s, "Canceled") == 0)
        return CLI_DENIED;
    return strcmp(s, "Failed") == 0 ? CLI_FAILED : CLI_DONE;
}

static void print_status(const json_t *j)
{
    const json_t *failure = json_object_get(j, "failure");
    const json_t *waiting = json_object_get(j, "waiting");
    const json_t *queue = json_object_get(j, "queue");
    printf("%s  %s (%s)\n", member(j, "signingRequestId"), member(j, "status"),
           member(j, "workflowStatus"));
    if (failure != NULL)
        printf("  %s: %s\n", member(failure, "code"), member(failure, "message"));
    if (waiting != NULL)
        printf("  waits: %s: %s\n", member(waiting, "code"), member(waiting, "message"));
    if (queue != NULL)
        printf("  position in the queue: %lld\n",
               (long long)json_integer_value(json_object_get(queue, "position")));
}

/* --- files appear complete or not at all ----------------------------------------------------- */

struct output {
    char path[PATH_ROOM];
    char draft[PATH_ROOM + 32];
    int fd;
};

static enum cs_rc output_begin(struct output *o, const char *path, struct cs_err *err)
{
    CS_TRY(cs_strf(o->path, sizeof(o->path), err, "%s", path));
    CS_TRY(cs_strf(o->draft, sizeof(o->draft), err, "%s.part-%d", path, (int)getpid()));
    o->fd = open(o->draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (o->fd < 0)
        return cs_err_set(err, CS_INVALID, "%s: %s", o->draft, strerror(errno));
    return CS_OK;
}

static enum cs_rc output_end(struct output *o, bool good, struct cs_err *err)
{
    const bool closed = fsync(o->fd) == 0 && close(o->fd) == 0;
    o->fd = -1;
    if (good && closed && rename(o->draft, o->path) == 0)
        return CS_OK;
    unlink(o->draft);
    return good ? cs_err_set(err, CS_INVALID, "%s cannot be written: %s", o->path, strerror(errno))
                : CS_OK;
}

static enum cs_rc download(struct cli_http *h, const char *id, const char *what, const char *path,
                           bool quiet, struct cs_err *err)
{
    struct output o;
    struct progress p;
    struct cli_response answer = {0};
    char url[128];
    CS_TRY(cs_strf(url, sizeof(url), err, "/SigningRequests/%s/%s", id, what));
    CS_TRY(output_begin(&o, path, err));
    progress_begin(&p, "downloading", quiet);
    const struct cli_request q = {.method = "GET",
                                  .path = url,
                                  .out_fd = o.fd,
                                  .progress = progress_bytes,
                                  .progress_ctx = &p};
    const enum cs_rc rc = cli_http_call(h, &q, &answer, err);
    progress_end(&p);
    cs_buf_done(&answer.body);
    const enum cs_rc written = output_end(&o, rc == CS_OK, rc == CS_OK ? err : NULL);
    return rc != CS_OK ? rc : written;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static enum cs_rc get_status(struct cli_http *h, const char *id, json_t **out, struct cs_err *err)
{
    char url[128];
    CS_TRY(cs_strf(url, sizeof(url), err, "/SigningRequests/%s", id));
    const struct cli_request q = {.method = "GET", .path = url, .out_fd = -1};
    return cli_http_json(h, &q, out, err);
}

/* Long polls until the state is final; CS_CONFLICT "timed out". */
static enum cs_rc wait_final(struct cli_http *h, const char *id, int64_t seconds, bool quiet,
                             json_t **out, struct cs_err *err)
{
    struct progress p;
    const int64_t until = cs_monotonic_ms() + seconds * 1000;
    char url[160];
    char last[64] = "";
    enum cs_rc rc = CS_OK;
    bool final = false;
    progress_begin(&p, id, quiet);
    while (rc == CS_OK && !final) {
        json_t *j = NULL;
        const int64_t left = (until - cs_monotonic_ms()) / 1000;
        if (left <= 0) {
            rc = cs_err_code(err, CS_CONFLICT, "timeout", "%s is not finished after %lld s", id,
                             (long long)seconds);
            break;
        }
        CS_TRY(cs_strf(url, sizeof(url), err, "/SigningRequests/%s/Status?waitSeconds=%lld", id,
                       (long long)(left < POLL_S ? left : POLL_S)));
        const struct cli_request q = {.method = "GET", .path = url, .out_fd = -1};
        rc = cli_http_json(h, &q, &j, err);
        final = json_is_true(json_object_get(j, "isFinalStatus"));
        if (rc == CS_OK && strcmp(last, member(j, "workflowStatus")) != 0) {
            cs_ignore(cs_strf(last, sizeof(last), NULL, "%s", member(j, "workflowStatus")),
                      "names are short");
            progress_text(&p, last);
        }
        json_decref(j);
    }
    progress_end(&p);
    return rc == CS_OK ? get_status(h, id, out, err) : rc;
}

static int64_t wait_time(const struct cli_args *a)
{
    const char *t = cli_value(a, "timeout");
    const long v = t == NULL ? DEFAULT_WAIT_S : strtol(t, NULL, 10);
    return v > 0 ? v : DEFAULT_WAIT_S;
}

static int fail(const struct cs_err *err)
{
    if (strcmp(err->code, "timeout") == 0) {
        fprintf(stderr, "countersign: %s\n", err->msg);
        return CLI_TIMED_OUT;
    }
    return cli_fail(err);
}

/* --- submit ----------------------------------------------------------------------------------- */

struct fields {
    const char *list[MAX_FIELDS];
    size_t n;
    char names[MAX_FIELDS / 2][160];
    size_t n_names;
};

static enum cs_rc add_field(struct fields *f, const char *name, const char *value,
                            struct cs_err *err)
{
    if (value == NULL)
        return CS_OK;
    if (f->n + 3 > MAX_FIELDS)
        return cs_err_set(err, CS_LIMIT, "too many parameters");
    f->list[f->n++] = name;
    f->list[f->n++] = value;
    return CS_OK;
}

/* --param k=v, --origin K=V */
static enum cs_rc add_pairs(struct fields *f, const struct cli_args *a, const char *flag,
                            const char *prefix, struct cs_err *err)
{
    const char *pair = NULL;
    for (size_t i = 0; (pair = cli_nth(a, flag, i)) != NULL; i++) {
        const char *eq = strchr(pair, '=');
        if (eq == NULL || eq == pair || f->n_names == MAX_FIELDS / 2)
            return cs_err_set(err, CS_INVALID, "--%s %s: NAME=VALUE is expected", flag, pair);
        char *name = f->names[f->n_names++];
        CS_TRY(cs_strf(name, sizeof(f->names[0]), err, "%s%.*s", prefix, (int)(eq - pair), pair));
        CS_TRY(add_field(f, name, eq + 1, err));
    }
    return CS_OK;
}

static enum cs_rc make_fields(const struct cli_args *a, struct fields *f, struct cs_err *err)
{
    const char *project = NULL;
    const char *policy = NULL;
    CS_TRY(cli_need(a, "project", &project, err));
    CS_TRY(cli_need(a, "policy", &policy, err));
    CS_TRY(add_field(f, "ProjectSlug", project, err));
    CS_TRY(add_field(f, "SigningPolicySlug", policy, err));
    CS_TRY(add_field(f, "ArtifactConfigurationSlug", cli_value(a, "configuration"), err));
    CS_TRY(add_field(f, "Description", cli_value(a, "description"), err));
    CS_TRY(add_pairs(f, a, "param", "Parameters.", err));
    return add_pairs(f, a, "origin", "Origin.", err);
}

static enum cs_rc post_file(const struct cli_args *a, struct cli_http *h, const char *file,
                            json_t **out, struct cs_err *err)
{
    struct progress p;
    struct fields *f = cs_calloc(1, sizeof(*f));
    char random_key[CS_UUID_TEXT];
    const char *slash = strrchr(file, '/');
    const char *key = cli_value(a, "idempotency-key");
    if (f == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_uuid_random(random_key); /* a retry after a timeout finds the first request */
    progress_begin(&p, "uploading", cli_switch(a, "json"));
    enum cs_rc rc = make_fields(a, f, err);
    if (rc == CS_OK && access(file, R_OK) != 0)
        rc = cs_err_set(err, CS_INVALID, "%s: %s", file, strerror(errno));
    const struct cli_request q = {.method = "POST",
                                  .path = "/SigningRequests",
                                  .file = file,
                                  .file_name = slash == NULL ? file : slash + 1,
                                  .fields = f->list,
                                  .idempotency_key = key != NULL ? key : random_key,
                                  .out_fd = -1,
                                  .progress = progress_bytes,
                                  .progress_ctx = &p};
    if (rc == CS_OK)
        rc = cli_http_json(h, &q, out, err);
    progress_end(&p);
    cs_free(f);
    return rc;
}

static enum cs_rc finish_submit(const struct cli_args *a, struct cli_http *h, const char *id,
                                json_t **status, struct cs_err *err)
{
    const char *out = cli_value(a, "output");
    const bool quiet = cli_switch(a, "json");
    CS_TRY(wait_final(h, id, wait_time(a), quiet, status, err));
    if (out != NULL && strcmp(member(*status, "status"), "Completed") == 0)
        CS_TRY(download(h, id, "SignedArtifact", out, quiet, err));
    return CS_OK;
}

static int run_submit(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    const char *const *words = NULL;
    json_t *created = NULL;
    json_t *status = NULL;
    const bool wait = cli_switch(a, "wait") || cli_value(a, "output") != NULL;
    if (cli_words(a, &words) != 1)
        return usage("submit", "say which file");
    err.rc = cli_http_open(a, &h, &err);
    if (err.rc == CS_OK)
        err.rc = post_file(a, h, words[0], &created, &err);
    if (err.rc == CS_OK && !cli_switch(a, "json"))
        fprintf(wait ? stderr : stdout, "%s\n", member(created, "signingRequestId"));
    if (err.rc == CS_OK && wait)
        err.rc = finish_submit(a, h, member(created, "signingRequestId"), &status, &err);
    const json_t *shown = status != NULL ? status : created;
    if (err.rc == CS_OK && cli_switch(a, "json"))
        print_json(shown);
    else if (err.rc == CS_OK && status != NULL)
        print_status(status);
    const int code = err.rc != CS_OK ? fail(&err) : exit_of(shown);
    json_decref(created);
    json_decref(status);
    return code;
}

/* --- one request ------------------------------------------------------------------------------ */

static int run_status(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    const char *const *words = NULL;
    json_t *j = NULL;
    if (cli_words(a, &words) != 1)
        return usage("status", "say which request");
    err.rc = cli_http_open(a, &h, &err);
    if (err.rc == CS_OK)
        err.rc = get_status(h, words[0], &j, &err);
    if (err.rc != CS_OK)
        return fail(&err);
    if (cli_switch(a, "json"))
        print_json(j);
    else
        print_status(j);
    json_decref(j);
    return CLI_DONE;
}

static int run_wait(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    const char *const *words = NULL;
    json_t *j = NULL;
    if (cli_words(a, &words) != 1)
        return usage("wait", "say which request");
    err.rc = cli_http_open(a, &h, &err);
    if (err.rc == CS_OK)
        err.rc = wait_final(h, words[0], wait_time(a), cli_switch(a, "json"), &j, &err);
    if (err.rc != CS_OK)
        return fail(&err);
    if (cli_switch(a, "json"))
        print_json(j);
    else
        print_status(j);
    const int code = exit_of(j);
    json_decref(j);
    return code;
}

static int run_download(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    const char *const *words = NULL;
    const char *out = cli_value(a, "output");
    if (cli_words(a, &words) != 1 || out == NULL)
        return usage("download", "say which request, and -o FILE");
    err.rc = cli_http_open(a, &h, &err);
    if (err.rc == CS_OK)
        err.rc =
            download(h, words[0], cli_switch(a, "unsigned") ? "UnsignedArtifact" : "SignedArtifact",
                     out, cli_switch(a, "json"), &err);
    return err.rc == CS_OK ? CLI_DONE : fail(&err);
}

static int act(const struct cli_args *a, const char *command, const char *route)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    char url[128];
    const char *const *words = NULL;
    const char *comment = cli_value(a, "comment");
    json_t *answer = NULL;
    if (cli_words(a, &words) != 1)
        return usage(command, "say which request");
    json_t *body = json_pack("{s:s}", "comment", comment == NULL ? "" : comment);
    err.rc = cs_strf(url, sizeof(url), &err, "/SigningRequests/%s/%s", words[0], route);
    if (err.rc == CS_OK)
        err.rc = cli_http_open(a, &h, &err);
    const struct cli_request q = {.method = "POST", .path = url, .json = body, .out_fd = -1};
    if (err.rc == CS_OK)
        err.rc = cli_http_json(h, &q, &answer, &err);
    json_decref(body);
    if (err.rc != CS_OK)
        return fail(&err);
    if (cli_switch(a, "json"))
        print_json(answer);
    else
        printf("%s: %s\n", words[0],
               member(answer, "status")[0] != '\0' ? member(answer, "status") : "done");
    json_decref(answer);
    return CLI_DONE;
}

static int run_approve(const struct cli_args *a)
{
    return act(a, "approve", "Approve");
}

static int run_deny(const struct cli_args *a)
{
    return act(a, "deny", "Deny");
}

static int run_cancel(const struct cli_args *a)
{
    return act(a, "cancel", "Cancel");
}

static int run_resend(const struct cli_args *a)
{
    return act(a, "requests resend", "Resend");
}

static int run_list(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    char url[256];
    json_t *j = NULL;
    json_t *r = NULL;
    size_t i = 0;
    const char *sha256 = cli_value(a, "sha256");
    const char *before = cli_value(a, "before");
    err.rc = cs_strf(url, sizeof(url), &err, "/SigningRequests?%s%s%s%s",
                     sha256 != NULL ? "sha256=" : "", sha256 != NULL ? sha256 : "",
                     before != NULL ? "&before=" : "", before != NULL ? before : "");
    if (err.rc == CS_OK)
        err.rc = cli_http_open(a, &h, &err);
    const struct cli_request q = {.method = "GET", .path = url, .out_fd = -1};
    if (err.rc == CS_OK)
        err.rc = cli_http_json(h, &q, &j, &err);
    if (err.rc != CS_OK)
        return fail(&err);
    if (cli_switch(a, "json"))
        print_json(j);
    json_array_foreach(json_object_get(j, "signingRequests"), i, r)
    {
        if (!cli_switch(a, "json"))
            printf("%s  %s  %-20s %s/%s\n", member(r, "submittedAt"), member(r, "signingRequestId"),
                   member(r, "status"), member(r, "projectSlug"), member(r, "signingPolicySlug"));
    }
    json_decref(j);
    return CLI_DONE;
}

/* --- sign-hash -------------------------------------------------------------------------------- */

static enum cs_rc hash_body(const struct cli_args *a, const char *hex, json_t **out,
                            struct cs_err *err)
{
    static const char *const oids[] = {"2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.2",
                                       "2.16.840.1.101.3.4.2.3"};
    uint8_t hash[64];
    const size_t n = strlen(hex) / 2;
    const char *project = NULL;
    const char *policy = NULL;
    if (n != 32 && n != 48 && n != 64)
        return cs_err_set(err, CS_INVALID,
                          "a SHA-256, SHA-384 or SHA-512 hash in hexadecimal is expected");
    CS_TRY(cs_hex_decode(hex, hash, n, err));
    CS_TRY(cli_need(a, "project", &project, err));
    CS_TRY(cli_need(a, "policy", &policy, err));
    CS_AUTO_STR encoded = cs_base64_encode(hash, n);
    *out = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "ProjectSlug", project, "SigningPolicySlug",
                     policy, "SignatureAlgorithm", cli_value(a, "algorithm"), "RsaHashAlgorithm",
                     oids[n / 16 - 2], "EcdsaSignatureFormat", cli_value(a, "ecdsa-format"),
                     "Base64EncodedHash", encoded);
    return *out != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc write_signature(const char *path, const char *base64, struct cs_err *err)
{
    CS_AUTO_BUF raw = CS_BUF_INIT(4096);
    CS_TRY(cs_base64_decode(base64, strlen(base64), &raw, err));
    return cs_file_write_atomic(path, raw.ptr, raw.len, 0644, err);
}

static int run_sign_hash(const struct cli_args *a)
{
    CS_AUTO(cli_http) h = NULL;
    struct cs_err err = {0};
    const char *const *words = NULL;
    const char *out = cli_value(a, "output");
    json_t *body = NULL;
    json_t *answer = NULL;
    if (cli_words(a, &words) != 1)
        return usage("sign-hash", "say which hash, in hexadecimal");
    err.rc = cli_http_open(a, &h, &err);
    if (err.rc == CS_OK)
        err.rc = hash_body(a, words[0], &body, &err);
    const struct cli_request q = {
        .method = "POST", .path = "/SigningRequests/SignHash", .json = body, .out_fd = -1};
    if (err.rc == CS_OK)
        err.rc = cli_http_json(h, &q, &answer, &err);
    if (err.rc == CS_OK && out != NULL)
        err.rc = write_signature(out, member(answer, "signature"), &err);
    if (err.rc == CS_OK && cli_switch(a, "json"))
        print_json(answer);
    else if (err.rc == CS_OK && out == NULL)
        puts(member(answer, "signature"));
    json_decref(body);
    json_decref(answer);
    return err.rc == CS_OK ? CLI_DONE : fail(&err);
}

/* --- the table -------------------------------------------------------------------------------- */

#define WAIT_FLAG                                                                                  \
    {                                                                                              \
        "timeout", CLI_VALUE, NULL, "3600", "How long to wait, in seconds."                        \
    }

static const struct cli_flag submit_flags[] = {
    CLI_GATEWAY_FLAGS,
    {"project", CLI_VALUE, "COUNTERSIGN_PROJECT", NULL, "The project's slug."},
    {"policy", CLI_VALUE, "COUNTERSIGN_POLICY", NULL, "The signing policy's slug."},
    {"configuration", CLI_VALUE, NULL, NULL,
     "The artifact configuration's slug; the project's default without it."},
    {"description", CLI_VALUE, NULL, NULL, "A sentence for the approvers."},
    {"param", CLI_LIST, NULL, NULL, "NAME=VALUE: a parameter of the artifact configuration."},
    {"origin", CLI_LIST, NULL, NULL,
     "NAME=VALUE, such as RepositoryData.CommitId=...: where it comes from."},
    {"idempotency-key", CLI_VALUE, NULL, NULL, "The same key finds the same request again."},
    {"wait", CLI_SWITCH, NULL, NULL, "Wait until the request is finished."},
    {"output", CLI_VALUE, NULL, NULL, "(-o) Write the signed file here; waits for it."},
    WAIT_FLAG,
    CLI_FLAGS_END};
static const struct cli_flag request_flags[] = {CLI_GATEWAY_FLAGS, CLI_FLAGS_END};
static const struct cli_flag wait_flags[] = {CLI_GATEWAY_FLAGS, WAIT_FLAG, CLI_FLAGS_END};
static const struct cli_flag download_flags[] = {
    CLI_GATEWAY_FLAGS,
    {"output", CLI_VALUE, NULL, NULL, "(-o) Where the file goes; it appears complete or not."},
    {"unsigned", CLI_SWITCH, NULL, NULL, "The file as it was submitted."},
    CLI_FLAGS_END};
static const struct cli_flag action_flags[] = {
    CLI_GATEWAY_FLAGS, {"comment", CLI_VALUE, NULL, NULL, "A sentence why."}, CLI_FLAGS_END};
static const struct cli_flag list_flags[] = {
    CLI_GATEWAY_FLAGS,
    {"sha256", CLI_VALUE, NULL, NULL, "Only requests of the artifact with this digest."},
    {"before", CLI_VALUE, NULL, NULL, "The cursor 'next' of the page before."},
    CLI_FLAGS_END};
static const struct cli_flag hash_flags[] = {
    CLI_GATEWAY_FLAGS,
    {"project", CLI_VALUE, "COUNTERSIGN_PROJECT", NULL, "The project's slug."},
    {"policy", CLI_VALUE, "COUNTERSIGN_POLICY", NULL, "The signing policy's slug."},
    {"algorithm", CLI_VALUE, NULL, "RsaPkcs1", "RsaPkcs1, RsaPss or Ecdsa."},
    {"ecdsa-format", CLI_VALUE, NULL, "Asn1", "Asn1 or Ieee."},
    {"output", CLI_VALUE, NULL, NULL, "(-o) Write the raw signature here."},
    CLI_FLAGS_END};

const struct cli_command cli_requests[] = {
    {"submit", "Sends a file to be signed.", "FILE", submit_flags, run_submit},
    {"status", "Shows a signing request.", "ID", request_flags, run_status},
    {"wait", "Waits until a signing request is finished.", "ID", wait_flags, run_wait},
    {"download", "Fetches the signed file.", "ID", download_flags, run_download},
    {"requests", "Lists signing requests, newest first.", "", list_flags, run_list},
    {"requests resend", "Sends the mails of a waiting request again.", "ID", action_flags,
     run_resend},
    {"approve", "Approves a signing request with your own token.", "ID", action_flags, run_approve},
    {"deny", "Denies a signing request with your own token.", "ID", action_flags, run_deny},
    {"cancel", "Cancels a signing request.", "ID", action_flags, run_cancel},
    {"sign-hash", "Signs a bare hash.", "HEX", hash_flags, run_sign_hash},
    {NULL, NULL, NULL, NULL, NULL}};
