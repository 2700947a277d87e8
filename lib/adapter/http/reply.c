/* Replies; see http.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <unistd.h>

void http_reply_header(struct http_call *c, const char *name, const char *value)
{
    if (c->n_headers == HTTP_MAX_HEADERS)
        return;
    c->headers[c->n_headers].name = cs_arena_strdup(c->arena, name);
    c->headers[c->n_headers].value = cs_arena_strdup(c->arena, value);
    if (c->headers[c->n_headers].name != NULL && c->headers[c->n_headers].value != NULL)
        c->n_headers++;
}

static void give(struct http_call *c, unsigned status, const char *content_type,
                 struct MHD_Response *response)
{
    if (c->response != NULL || response == NULL) {
        if (response != NULL)
            MHD_destroy_response(response);
        return;
    }
    if (content_type != NULL && content_type[0] != '\0')
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (size_t i = 0; i < c->n_headers; i++)
        MHD_add_response_header(response, c->headers[i].name, c->headers[i].value);
    c->status = status;
    c->response = response;
}

void http_reply(struct http_call *c, unsigned status, const char *content_type,
                struct cs_bytes body)
{
    union {
        const void *in;
        void *out; /* copied, never written */
    } u = {.in = body.ptr};
    give(c, status, content_type,
         MHD_create_response_from_buffer(body.len, u.out, MHD_RESPMEM_MUST_COPY));
}

void http_reply_file(struct http_call *c, unsigned status, const char *content_type, int fd,
                     uint64_t offset, uint64_t length)
{
    struct MHD_Response *r = MHD_create_response_from_fd_at_offset64(length, fd, offset);
    if (r == NULL)
        close(fd);
    give(c, status, content_type, r);
}

bool http_replied(const struct http_call *c)
{
    return c->response != NULL;
}

enum MHD_Result http_queue(struct http_call *c)
{
    const enum MHD_Result ok = MHD_queue_response(c->connection, c->status, c->response);
    MHD_destroy_response(c->response);
    c->queued = true;
    return ok;
}
