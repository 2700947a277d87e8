/* From a call to its handler: route, token, organisation; small bodies are collected here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <string.h>
#include <strings.h>

enum { MAX_JSON = 256 * 1024, MAX_CONFIGURATION = 16 << 20, MAX_TOKEN_TEXT = 512 };

enum needs { NEEDS_TOKEN = 1, NEEDS_VIEW = 2 };

static const struct handler {
    enum route_id id;
    unsigned needs;
    void (*end)(struct call *c);
} handlers[] = {{ROUTE_SUBMIT, NEEDS_TOKEN | NEEDS_VIEW, submit_end},
                {ROUTE_LIST, NEEDS_TOKEN | NEEDS_VIEW, list_end},
                {ROUTE_SIGN_HASH, NEEDS_TOKEN | NEEDS_VIEW, hash_end},
                {ROUTE_REQUEST, NEEDS_TOKEN | NEEDS_VIEW, status_end},
                {ROUTE_STATUS, NEEDS_TOKEN | NEEDS_VIEW, status_end},
                {ROUTE_SIGNED, NEEDS_TOKEN | NEEDS_VIEW, artifact_end},
                {ROUTE_UNSIGNED, NEEDS_TOKEN | NEEDS_VIEW, artifact_end},
                {ROUTE_APPROVE, NEEDS_TOKEN | NEEDS_VIEW, action_end},
                {ROUTE_DENY, NEEDS_TOKEN | NEEDS_VIEW, action_end},
                {ROUTE_CANCEL, NEEDS_TOKEN | NEEDS_VIEW, action_end},
                {ROUTE_RESEND, NEEDS_TOKEN | NEEDS_VIEW, action_end},
                {ROUTE_POLICIES, NEEDS_TOKEN | NEEDS_VIEW, policies_end},
                {ROUTE_CONFIGURATION, NEEDS_TOKEN | NEEDS_VIEW, configuration_end},
                {ROUTE_DECIDE, NEEDS_VIEW, decide_end},
                {ROUTE_PREVIEW, NEEDS_VIEW, preview_end},
                {ROUTE_FILE, 0, file_end}};

static const struct handler *handler_of(enum route_id id)
{
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (handlers[i].id == id)
            return &handlers[i];
    }
    return NULL;
}

/* "Bearer token" or "Bearer token:tbs-token"; only the hash of it is looked up. */
static bool token_hash(const char *header, uint8_t out[CS_SHA256_SIZE])
{
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    const char *token = header + 7;
    while (*token == ' ')
        token++;
    const size_t n = strcspn(token, ": \t");
    if (n == 0 || n > MAX_TOKEN_TEXT)
        return false;
    cs_sha256(token, n, out);
    return true;
}

static bool token_counts(const Cs__Config__Token *t, int64_t now_ms)
{
    return !CS_GUARD("gateway-token-revoked") ||
           (!t->revoked && (t->expires_at_ms == 0 || now_ms < t->expires_at_ms));
}

static bool identify(struct call *c)
{
    uint8_t sha256[CS_SHA256_SIZE];
    struct view_entity token;
    struct view_entity user;
    struct view *v = c->g->view;
    if (!token_hash(http_header(c->http, "Authorization"), sha256) ||
        view_token(v, cs_bytes(sha256, sizeof(sha256)), c->a, &token, NULL) != CS_OK)
        return false;
    const Cs__Config__Token *t = (const Cs__Config__Token *)token.message;
    if (!token_counts(t, cs_now_ms()) || view_get(v, CS__CONFIG__ENTITY_KIND__ENTITY_USER,
                                                  t->user_id, false, c->a, &user, NULL) != CS_OK)
        return false;
    const Cs__Config__User *u = (const Cs__Config__User *)user.message;
    if (u->disabled)
        return false;
    c->who = (struct principal){.user = u, .token = t};
    cs__common__principal__init(&c->who.id);
    c->who.id.user_id = u->id;
    c->who.id.is_ci = u->is_ci;
    c->who.id.responsible_user_id = u->responsible_user_id;
    c->who.id.token_id = t->id;
    c->known = true;
    return true;
}

/* True when the call may go on. */
static bool admit(struct call *c, const struct handler *h)
{
    if ((h->needs & NEEDS_VIEW) != 0 && !view_complete(c->g->view)) {
        answer_later(c, "the configuration is still being read");
        return false;
    }
    if ((h->needs & NEEDS_TOKEN) == 0)
        return true;
    if (!identify(c)) {
        http_reply_header(c->http, "WWW-Authenticate", "Bearer");
        answer_problem(c, 401, "token.unknown", NULL,
                       "send an API token that is valid: Authorization: Bearer <token>");
        return false;
    }
    if (CS_GUARD("gateway-organization") &&
        strcmp(c->who.user->organization_id, c->route.organization) != 0) {
        answer_forbidden(c);
        return false;
    }
    return true;
}

static void no_route(struct call *c)
{
    if (c->route.id == ROUTE_HEALTHZ && !c->route.wrong_method)
        http_reply(c->http, 200, "text/plain", cs_bytes_str("ok\n"));
    else if (c->route.wrong_method)
        answer_problem(c, 405, "method", NULL, "this route does not take %s", http_method(c->http));
    else
        answer_problem(c, 404, "route", NULL, "there is no such route; docs/openapi.yaml has all");
}

void dispatch_begin(void *ctx, struct http_call *http)
{
    struct gateway *g = ctx;
    struct call *c = cs_arena_alloc(http_arena(http), sizeof(*c));
    if (c == NULL) {
        http_reply(http, 503, "text/plain", cs_bytes_str("no memory\n"));
        return;
    }
    *c = (struct call){.g = g, .http = http, .a = http_arena(http)};
    c->route = route_find(http_method(http), http_path(http));
    c->body = CS_BUF_INIT(c->route.id == ROUTE_CONFIGURATION ? MAX_CONFIGURATION : MAX_JSON);
    http_set_state(http, c);
    const struct handler *h = handler_of(c->route.id);
    if (h == NULL || c->route.wrong_method) {
        no_route(c);
        return;
    }
    if (!admit(c, h))
        return;
    if (c->route.bad_id) { /* an id of any other form cannot exist */
        answer_forbidden(c);
        return;
    }
    if (c->route.id == ROUTE_SUBMIT)
        submit_begin(c);
}

void dispatch_body(void *ctx, struct http_call *http, struct cs_bytes piece)
{
    struct call *c = http_state(http);
    (void)ctx;
    if (c->route.id == ROUTE_SUBMIT)
        submit_body(c, piece);
    else if (!c->too_large && cs_buf_add(&c->body, piece.ptr, piece.len, NULL) != CS_OK)
        c->too_large = true;
}

void dispatch_end(void *ctx, struct http_call *http)
{
    struct call *c = http_state(http);
    (void)ctx;
    const struct handler *h = handler_of(c->route.id);
    if (h != NULL) /* a call without one was answered at its beginning */
        h->end(c);
}

void dispatch_gone(void *ctx, struct http_call *http)
{
    struct call *c = http_state(http);
    (void)ctx;
    if (c == NULL)
        return;
    submit_gone(c);
    cs_buf_done(&c->body);
}
