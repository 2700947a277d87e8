/* The web application's files, under a strict content security policy.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *ending;
    const char *type;
} types[] = {{".html", "text/html; charset=utf-8"},
             {".js", "text/javascript; charset=utf-8"},
             {".css", "text/css; charset=utf-8"},
             {".svg", "image/svg+xml"},
             {".woff2", "font/woff2"},
             {".png", "image/png"}};

static const char *type_of(const char *path)
{
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const size_t k = strlen(types[i].ending);
        if (n > k && strcmp(path + n - k, types[i].ending) == 0)
            return types[i].type;
    }
    return NULL;
}

/* Letters, digits and a few signs; no "..", nothing hidden. */
static bool harmless(const char *path)
{
    return path[0] == '/' && strstr(path, "..") == NULL && strstr(path, "/.") == NULL &&
           strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
               strlen(path);
}

static void add_headers(struct call *c, const char *path)
{
    http_reply_header(c->http, "Content-Security-Policy",
                      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                      "data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                      "frame-ancestors 'none'");
    http_reply_header(c->http, "Referrer-Policy", "no-referrer");
    http_reply_header(c->http, "X-Content-Type-Options", "nosniff");
    http_reply_header(c->http, "Cross-Origin-Opener-Policy", "same-origin");
    http_reply_header(c->http, "Cache-Control",
                      cs_str_starts(path, "/assets/") ? "public, max-age=31536000, immutable"
                                                      : "no-store");
}

void file_end(struct call *c)
{
    const char *directory = cs_option_text(c->g->options, "web.directory");
    const char *path = http_path(c->http);
    char full[1024];
    struct stat st;
    if (strcmp(path, "/decide") == 0 || strcmp(path, "/decide/") == 0)
        path = "/decide.html";
    const char *type = type_of(path);
    if (directory[0] == '\0' || type == NULL || !harmless(path) ||
        cs_strf(full, sizeof(full), NULL, "%s%s", directory, path) != CS_OK) {
        answer_problem(c, 404, "route", NULL, "there is no such page");
        return;
    }
    const int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        answer_problem(c, 404, "route", NULL, "there is no such page");
        return;
    }
    add_headers(c, path);
    http_reply_file(c->http, 200, type, fd, 0, (uint64_t)st.st_size);
}
