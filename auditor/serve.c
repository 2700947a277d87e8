/* HTTP for readers of the log; see serve.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "base/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IDLE_S = 30, CONNECTIONS = 256, PER_ADDRESS = 64, THREADS = 2 };

struct serve {
    struct MHD_Daemon *mhd;
    const struct store *store;
    char directory[256];
};

/* What a path names, and how long it may be kept. */
struct resource {
    const char *type;
    const char *cache;
};
static const struct resource mutable_text = {"text/plain; charset=utf-8", "public, max-age=1"};
static const struct resource immutable = {"application/octet-stream",
                                          "public, max-age=31536000, immutable"};

static bool is_bundle(const char *name)
{
    return cs_str_starts(name, "bundles/") && strlen(name) == 8 + 64 &&
           strspn(name + 8, "0123456789abcdef") == 64;
}

/* Nothing else is a resource: no other file of the directory can be named. A tile that the
 * published checkpoint does not cover may still change after a crash, so it is not there yet. */
static const struct resource *find(const struct serve *s, const char *name)
{
    struct cs_tlog_tile t;
    if (strcmp(name, "checkpoint") == 0)
        return &mutable_text;
    if (is_bundle(name))
        return &immutable;
    if (cs_tlog_path_parse(name, &t, NULL) == CS_OK &&
        (!CS_GUARD("audit-serve-published") || cs_tlog_covered(&t, store_published(s->store))))
        return &immutable;
    return NULL;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    union {
        const char *in;
        void *out;
    } u = {.in = text};
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), u.out, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    const enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result answer_file(const struct serve *s, struct MHD_Connection *c,
                                   const char *name, const struct resource *what)
{
    char path[FILES_PATH];
    struct stat st;
    const int fd = cs_strf(path, sizeof(path), NULL, "%s/%s", s->directory, name) == CS_OK
                       ? open(path, O_RDONLY | O_CLOEXEC)
                       : -1;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return answer_text(c, MHD_HTTP_NOT_FOUND, "not here\n");
    }
    struct MHD_Response *r = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    MHD_add_response_header(r, "Content-Type", what->type);
    MHD_add_response_header(r, "Cache-Control", what->cache);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Access-Control-Allow-Origin", "*");
    const enum MHD_Result rc = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result respond(void *cls, struct MHD_Connection *c, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **con)
{
    const struct serve *s = cls;
    (void)version;
    (void)data;
    (void)con;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        *data_size = 0;
        return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this log can only be read\n");
    }
    const char *name = url[0] == '/' ? url + 1 : url;
    const struct resource *what = find(s, name);
    if (what == NULL)
        return answer_text(c, MHD_HTTP_NOT_FOUND, "not here\n");
    return answer_file(s, c, name, what);
}

static enum cs_rc parse_listen(const char *text, struct sockaddr_in *out, struct cs_err *err)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    const long port = colon == NULL ? -1 : strtol(colon + 1, &end, 10);
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) || *end != '\0' || port < 0 ||
        port > 65535)
        return cs_err_set(err, CS_INVALID, "log.listen: host:port expected, not '%s'", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &out->sin_addr) != 1)
        return cs_err_set(err, CS_INVALID, "log.listen: '%s' is not an IPv4 address", host);
    return CS_OK;
}

enum cs_rc serve_start(const char *listen, const char *directory, const struct store *store,
                       struct serve **out, struct cs_err *err)
{
    struct sockaddr_in addr;
    CS_TRY(parse_listen(listen, &addr, err));
    if (addr.sin_port == 0)
        return CS_OK;
    struct serve *s = cs_calloc(1, sizeof(*s));
    if (s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *out = s;
    s->store = store;
    CS_TRY(cs_strf(s->directory, sizeof(s->directory), err, "%s", directory));
    s->mhd = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, respond, s, MHD_OPTION_SOCK_ADDR, &addr,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS, MHD_OPTION_END);
    if (s->mhd == NULL)
        return cs_err_set(err, CS_RETRY, "log.listen: %s cannot be opened (in use?)", listen);
    return CS_OK;
}

void serve_stop(struct serve *s)
{
    if (s == NULL)
        return;
    if (s->mhd != NULL)
        MHD_stop_daemon(s->mhd);
    cs_free(s);
}
