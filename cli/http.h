/* The gateway, as the command line sees it: one connection, retries where they help.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdint.h>

/* Every command that speaks with the gateway takes these. */
#define CLI_GATEWAY_FLAGS                                                                          \
    {"url", CLI_VALUE, "COUNTERSIGN_URL", NULL, "The gateway, like https://sign.example.com."},    \
        {"organization-id", CLI_VALUE, "COUNTERSIGN_ORGANIZATION_ID", NULL,                        \
         "The organisation's id."},                                                                \
        {"token", CLI_VALUE, "COUNTERSIGN_TOKEN", NULL,                                            \
         "API token; better given in the environment than here."},                                 \
        {"tls-ca-file", CLI_VALUE, "COUNTERSIGN_TLS_CA_FILE", NULL,                                \
         "PEM file of the authorities that the gateway's certificate may come from."},             \
    {                                                                                              \
        "json", CLI_SWITCH, NULL, NULL, "Answer in JSON."                                          \
    }

struct cli_http;
enum cs_rc cli_http_open(const struct cli_args *a, struct cli_http **out,
                         struct cs_err *err) CS_MUST_CHECK;
void cli_http_close(struct cli_http *h);
void cli_http_freep(struct cli_http **h);

/* Progress of a transfer in bytes; total 0 when it is not known. */
typedef void cli_progress(void *ctx, int64_t done, int64_t total);

struct cli_request {
    const char *method;
    const char *path; /* below /Api/v1/ORG, or starting with "//" below /Api/v1 */
    json_t *json;     /* body, borrowed; or */
    const char *file; /* a multipart body with this file as Artifact and */
    const char *file_name;
    const char *const *fields; /* name, value, name, value, NULL */
    const char *idempotency_key;
    int out_fd; /* where the answer goes; -1: into 'answer' */
    cli_progress *progress;
    void *progress_ctx;
    int timeout_s; /* of the whole call, with its retries; 0: 120 */
};
struct cli_response {
    long status;
    struct cs_buf body;
};
/* CS_OK for 2xx; else the problem's text: CS_DENIED for 401 and 403, CS_RETRY when unreachable or
 * 5xx to the end, CS_CONFLICT for 409, CS_INVALID for other 4xx. */
enum cs_rc cli_http_call(struct cli_http *h, const struct cli_request *r, struct cli_response *out,
                         struct cs_err *err) CS_MUST_CHECK;
/* The body as JSON; the caller decrefs. */
enum cs_rc cli_http_json(struct cli_http *h, const struct cli_request *r, json_t **out,
                         struct cs_err *err) CS_MUST_CHECK;
