/* An HTTP/1.1 server by libmicrohttpd: bodies stream through, handlers may block, nothing is
 * buffered whole. RFC 9110, RFC 9112. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

struct http_call;
struct http_server;

/* What answers calls. Each call has a thread of its own while it lasts. Once a reply was given,
 * later callbacks but 'gone' do not come. */
struct http_service {
    void *ctx;
    /* The headers are in. May reply at once (413 before the body is read). */
    void (*begin)(void *ctx, struct http_call *c);
    /* A piece of the body. A reply given here is sent after the rest of the body was discarded. */
    void (*body)(void *ctx, struct http_call *c, struct cs_bytes piece);
    /* The body is complete: must reply. */
    void (*end)(void *ctx, struct http_call *c);
    /* Always last, also when the client went away: free what the call holds. */
    void (*gone)(void *ctx, struct http_call *c);
};

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" */
    unsigned connections;
    unsigned idle_timeout_s;
    const char *tls_certificate; /* PEM text; NULL: plain HTTP */
    const char *tls_key;
};

/* The service is borrowed. CS_INVALID for a bad address, CS_RETRY when the port is taken. */
enum cs_rc http_server_start(const struct http_options *o, const struct http_service *s,
                             struct http_server **out, struct cs_err *err) CS_MUST_CHECK;
/* Takes no new connections; those in hand go on. */
void http_server_quiesce(struct http_server *s);
void http_server_stop(struct http_server *s);
unsigned http_server_port(const struct http_server *s);
/* Calls that are being answered. */
unsigned http_server_active(const struct http_server *s);

/* Everything below belongs to the call's own thread. Text is borrowed from the call. */
const char *http_method(const struct http_call *c);
const char *http_path(const struct http_call *c); /* without the query, %XX decoded */
const char *http_header(const struct http_call *c, const char *name); /* NULL: not sent */
const char *http_query(const struct http_call *c, const char *name);  /* NULL: not sent */
/* Content-Length; -1 when it was not sent. */
int64_t http_content_length(const struct http_call *c);
struct cs_arena *http_arena(struct http_call *c);
/* The service's own state of this call. */
void *http_state(const struct http_call *c);
void http_set_state(struct http_call *c, void *state);
bool http_replied(const struct http_call *c);

/* Adds to the reply that follows. Copied. */
void http_reply_header(struct http_call *c, const char *name, const char *value);
/* The reply; bytes are copied. */
void http_reply(struct http_call *c, unsigned status, const char *content_type,
                struct cs_bytes body);
/* Length bytes of a file from offset; the descriptor is taken. */
void http_reply_file(struct http_call *c, unsigned status, const char *content_type, int fd,
                     uint64_t offset, uint64_t length);
