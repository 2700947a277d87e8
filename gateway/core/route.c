/* The table of routes; see route.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <string.h>
#include <strings.h>

enum { MAX_SEGMENTS = 8, MAX_SEGMENT = 64 };

struct row {
    const char *method; /* "GET" answers HEAD too */
    const char *path;   /* '@' stands for the organisation, '#' for the request */
    enum route_id id;
};

static const struct row rows[] = {
    {"GET", "api/healthz", ROUTE_HEALTHZ},
    {"POST", "api/v1/decisions", ROUTE_DECIDE},
    {"POST", "api/v1/decisions/preview", ROUTE_PREVIEW},
    {"POST", "api/v1/@/signingrequests", ROUTE_SUBMIT},
    {"GET", "api/v1/@/signingrequests", ROUTE_LIST},
    {"POST", "api/v1/@/signingrequests/submitwithartifact", ROUTE_SUBMIT},
    {"POST", "api/v1/@/signingrequests/signhash", ROUTE_SIGN_HASH},
    {"GET", "api/v1/@/signingrequests/#", ROUTE_REQUEST},
    {"GET", "api/v1/@/signingrequests/#/status", ROUTE_STATUS},
    {"GET", "api/v1/@/signingrequests/#/signedartifact", ROUTE_SIGNED},
    {"GET", "api/v1/@/signingrequests/#/unsignedartifact", ROUTE_UNSIGNED},
    {"POST", "api/v1/@/signingrequests/#/approve", ROUTE_APPROVE},
    {"POST", "api/v1/@/signingrequests/#/deny", ROUTE_DENY},
    {"POST", "api/v1/@/signingrequests/#/cancel", ROUTE_CANCEL},
    {"POST", "api/v1/@/signingrequests/#/resend", ROUTE_RESEND},
    {"GET", "api/v1/@/cryptoki/mysigningpolicies", ROUTE_POLICIES},
    {"GET", "api/v1/@/configuration", ROUTE_CONFIGURATION},
    {"POST", "api/v1/@/configuration", ROUTE_CONFIGURATION},
};

struct segment {
    const char *text;
    size_t len;
};

static size_t split(const char *path, struct segment out[MAX_SEGMENTS + 1])
{
    size_t n = 0;
    while (*path == '/')
        path++;
    while (*path != '\0' && n <= MAX_SEGMENTS) {
        out[n].text = path;
        out[n].len = strcspn(path, "/");
        path += out[n].len;
        n++;
        if (*path == '/')
            path++;
    }
    return n;
}

static bool take_id(const struct segment *s, char out[CS_UUID_TEXT])
{
    char text[MAX_SEGMENT];
    if (s->len >= sizeof(text))
        return false;
    memcpy(text, s->text, s->len);
    text[s->len] = '\0';
    return cs_uuid_parse(text, out, NULL) == CS_OK;
}

static bool matches(const struct row *row, const struct segment *have, size_t n, struct route *out)
{
    struct segment want[MAX_SEGMENTS + 1];
    if (split(row->path, want) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char c = want[i].text[0];
        if (want[i].len == 1 && c == '@')
            out->bad_id = !take_id(&have[i], out->organization) || out->bad_id;
        else if (want[i].len == 1 && c == '#')
            out->bad_id = !take_id(&have[i], out->request) || out->bad_id;
        else if (want[i].len != have[i].len ||
                 strncasecmp(want[i].text, have[i].text, want[i].len) != 0)
            return false;
    }
    return true;
}

static bool method_fits(const struct row *row, const char *method)
{
    return strcmp(row->method, method) == 0 ||
           (strcmp(row->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* A path with a word where an id could stand is that word's route, if there is one. */
static bool better(const struct route *a, const struct route *b)
{
    return b->id == ROUTE_NONE || (b->wrong_method && !a->wrong_method) ||
           (a->wrong_method == b->wrong_method && b->bad_id && !a->bad_id);
}

struct route route_find(const char *method, const char *path)
{
    struct segment have[MAX_SEGMENTS + 1];
    struct route best = {.id = ROUTE_NONE};
    const size_t n = split(path, have);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route r = {.id = rows[i].id};
        if (n > MAX_SEGMENTS || !matches(&rows[i], have, n, &r))
            continue;
        r.wrong_method = !method_fits(&rows[i], method);
        if (better(&r, &best))
            best = r;
    }
    const bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const bool api = n > 0 && have[0].len == 3 && strncasecmp(have[0].text, "api", 3) == 0;
    if (best.id == ROUTE_NONE && reads && !api)
        best.id = ROUTE_FILE;
    return best;
}
