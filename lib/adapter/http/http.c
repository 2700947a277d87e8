/* The server; see http.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511, STACK_BYTES = 512 * 1024 };

struct http_server {
    const struct http_service *service;
    struct MHD_Daemon *daemon;
    int listen_fd;
    unsigned port;
    atomic_uint active;
};

static struct http_call *new_call(struct http_server *s, struct MHD_Connection *connection,
                                  const char *method, const char *path)
{
    struct http_call *c = cs_calloc(1, sizeof(*c));
    if (c == NULL || (c->arena = cs_arena_new(HTTP_ARENA)) == NULL) {
        cs_free(c);
        return NULL;
    }
    c->server = s;
    c->connection = connection;
    c->method = cs_arena_strdup(c->arena, method);
    c->path = cs_arena_strdup(c->arena, path);
    atomic_fetch_add(&s->active, 1);
    return c;
}

struct framing {
    unsigned lengths;
    unsigned encodings;
    bool odd_encoding;
    unsigned hosts;
};

static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct framing *f = ctx;
    (void)kind;
    f->lengths += strcasecmp(name, "Content-Length") == 0;
    f->hosts += strcasecmp(name, "Host") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->encodings++;
        f->odd_encoding = f->odd_encoding || value == NULL || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* Whatever two readers could understand differently is refused (RFC 9112, section 6.3). */
static bool bad_framing(struct http_call *c)
{
    struct framing f = {0};
    MHD_get_connection_values(c->connection, MHD_HEADER_KIND, look_at_header, &f);
    return f.lengths + f.encodings > 1 || f.odd_encoding || f.hosts > 1;
}

static void begin(struct http_call *c)
{
    c->begun = true;
    if (bad_framing(c)) {
        static const char text[] =
            "{\"title\":\"Bad Request\",\"status\":400,\"detail\":\"send one "
            "Content-Length or one chunked Transfer-Encoding, and one Host\"}";
        http_reply_header(c, "Connection", "close");
        http_reply(c, 400, "application/json", cs_bytes(text, sizeof(text) - 1));
        return;
    }
    c->server->service->begin(c->server->service->ctx, c);
}

static enum MHD_Result on_call(void *ctx, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **state)
{
    struct http_server *s = ctx;
    struct http_call *c = *state;
    (void)version;
    if (c == NULL) {
        c = new_call(s, connection, method, url);
        *state = c;
        if (c == NULL)
            return MHD_NO;
        begin(c);
        return c->response != NULL ? http_queue(c) : MHD_YES;
    }
    if (*size > 0) {
        if (c->response == NULL)
            s->service->body(s->service->ctx, c, cs_bytes(data, *size));
        *size = 0;
        return MHD_YES;
    }
    if (c->response == NULL)
        s->service->end(s->service->ctx, c);
    if (c->response == NULL) {
        cs_log_error("http.no_reply", CS_KS("path", c->path));
        return MHD_NO;
    }
    return http_queue(c);
}

static void on_done(void *ctx, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode how)
{
    struct http_server *s = ctx;
    struct http_call *c = *state;
    (void)connection;
    (void)how;
    if (c == NULL)
        return;
    s->service->gone(s->service->ctx, c);
    if (c->response != NULL && !c->queued)
        MHD_destroy_response(c->response);
    cs_arena_free(c->arena);
    cs_free(c);
    *state = NULL;
    atomic_fetch_sub(&s->active, 1);
}

static enum cs_rc split(const char *listen, char *host, size_t size, const char **port,
                        struct cs_err *err)
{
    const char *colon = strrchr(listen, ':');
    const char *from = listen;
    size_t n = colon == NULL ? 0 : (size_t)(colon - listen);
    if (n >= 2 && listen[0] == '[' && listen[n - 1] == ']') {
        from = listen + 1;
        n -= 2;
    }
    if (colon == NULL || n == 0 || n >= size || colon[1] == '\0')
        return cs_err_set(err, CS_INVALID, "listen '%s': expected like 127.0.0.1:8080", listen);
    memcpy(host, from, n);
    host[n] = '\0';
    *port = colon + 1;
    return CS_OK;
}

static int open_socket(const struct addrinfo *a)
{
    const int one = 1;
    const int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static enum cs_rc open_listener(struct http_server *s, const char *listen, struct cs_err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char host[256];
    char service[16];
    const char *port = NULL;
    CS_TRY(split(listen, host, sizeof(host), &port, err));
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return cs_err_set(err, CS_INVALID, "listen '%s': no such address", listen);
    s->listen_fd = open_socket(found);
    freeaddrinfo(found);
    if (s->listen_fd < 0)
        return cs_err_set(err, CS_RETRY, "%s cannot be listened on: is the port taken?", listen);
    if (getsockname(s->listen_fd, (struct sockaddr *)&bound, &len) == 0 &&
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, service, sizeof(service),
                    NI_NUMERICSERV) == 0)
        s->port = (unsigned)strtoul(service, NULL, 10);
    return CS_OK;
}

static struct MHD_Daemon *start_daemon(const struct http_options *o, struct http_server *s)
{
    const bool tls = o->tls_certificate != NULL && o->tls_key != NULL;
    const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                           MHD_USE_POLL | MHD_USE_ITC | (tls ? MHD_USE_TLS : 0U);
    union {
        const char *in;
        char *out;
    } key = {.in = o->tls_key}, certificate = {.in = o->tls_certificate};
    const struct MHD_OptionItem tls_options[] = {{MHD_OPTION_HTTPS_MEM_KEY, 0, key.out},
                                                 {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate.out},
                                                 {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_call, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_done, s, MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout_s,
        MHD_OPTION_CONNECTION_LIMIT, o->connections, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)STACK_BYTES, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(128 * 1024),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls ? tls_options : none,
        MHD_OPTION_END);
}

enum cs_rc http_server_start(const struct http_options *o, const struct http_service *service,
                             struct http_server **out, struct cs_err *err)
{
    struct http_server *s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->service = service;
    s->listen_fd = -1;
    enum cs_rc rc = open_listener(s, o->listen, err);
    if (rc == CS_OK && (s->daemon = start_daemon(o, s)) == NULL)
        rc = cs_err_set(err, CS_INVALID,
                        "the HTTP server does not start: is the TLS certificate "
                        "and key right?");
    if (rc != CS_OK) {
        http_server_stop(s);
        return rc;
    }
    *out = s;
    return CS_OK;
}

void http_server_quiesce(struct http_server *s)
{
    if (s->daemon != NULL && MHD_quiesce_daemon(s->daemon) == MHD_INVALID_SOCKET)
        cs_log_warn("http.quiesce", CS_KI("port", s->port));
}

void http_server_stop(struct http_server *s)
{
    if (s == NULL)
        return;
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    cs_free(s);
}

unsigned http_server_port(const struct http_server *s)
{
    return s->port;
}

unsigned http_server_active(const struct http_server *s)
{
    return atomic_load(&s->active);
}

const char *http_method(const struct http_call *c)
{
    return c->method;
}

const char *http_path(const struct http_call *c)
{
    return c->path;
}

const char *http_header(const struct http_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, name);
}

int64_t http_content_length(const struct http_call *c)
{
    const char *text = http_header(c, "Content-Length");
    char *end = NULL;
    if (text == NULL)
        return -1;
    const long long n = strtoll(text, &end, 10);
    return *end == '\0' && n >= 0 ? n : -1;
}

struct cs_arena *http_arena(struct http_call *c)
{
    return c->arena;
}

void *http_state(const struct http_call *c)
{
    return c->state;
}

void http_set_state(struct http_call *c, void *state)
{
    c->state = state;
}
