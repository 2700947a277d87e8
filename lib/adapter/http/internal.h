/* Shared by the files of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/http/http.h"

#include <microhttpd.h>

enum { HTTP_MAX_HEADERS = 24, HTTP_ARENA = 32 << 20 };

struct http_call {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct cs_arena *arena;
    const char *method;
    const char *path;
    void *state;
    bool begun;
    bool queued;
    struct {
        const char *name;
        const char *value;
    } headers[HTTP_MAX_HEADERS];
    size_t n_headers;
    unsigned status;
    struct MHD_Response *response; /* given, not queued yet */
};

/* Hands the given reply to the connection. */
enum MHD_Result http_queue(struct http_call *c);
