/* What the gateway's files share: connections, the configuration in memory, the waiters.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "adapter/http/http.h"
#include "adapter/kafka/kafka.h"
#include "adapter/mariadb/mariadb.h"
#include "config_view.h"
#include "core/route.h"
#include "dbpool.h"
#include "publish/publish.h"
#include "service/service.h"
#include "trust/opener.h"
#include "waiters.h"

#include "proto/common.pb-c.h"

#include <pthread.h>
#include <stdatomic.h>

struct config_writer;

struct gateway {
    struct cs_app *app;
    const struct cs_options *options;
    const char *public_url;
    struct cs_trust *trust;
    struct cs_signing_key *key;
    struct cs_blobs *blobs;
    struct dbpool *db;
    struct cs_kafka_producer *producer;
    struct cs_publisher *publisher;
    struct view *view;
    struct waiters *waiters;
    struct config_writer *writer;
    struct http_server *http;
    struct http_service service;
    char *tls_certificate;
    char *tls_key;
    pthread_t feed_thread;
    bool feeding;
    atomic_bool stop;
};

extern const struct cs_option *const gateway_options[];

enum cs_rc gateway_start(struct cs_app *app, void **state, struct cs_err *err) CS_MUST_CHECK;
void gateway_drain(void *state);
void gateway_stop(void *state);
int gateway_command(const struct cs_options *o, const char *const *words, size_t n);

/* wiring.c: what the daemon and bootstrap both open. */
enum cs_rc wiring_open(struct gateway *g, const struct cs_options *o,
                       struct cs_err *err) CS_MUST_CHECK;
void wiring_close(struct gateway *g);
/* feed.c: cs.config from the beginning, cs.events from now on. */
void *feed_run(void *gateway);

/* Who calls. Lives in the call's arena. */
struct principal {
    const struct Cs__Config__User *user;
    const struct Cs__Config__Token *token;
    Cs__Common__Principal id; /* for events */
};

/* One call while it is answered. */
struct call {
    struct gateway *g;
    struct http_call *http;
    struct cs_arena *a;
    struct route route;
    struct principal who;
    bool known;         /* 'who' is set */
    void *upload;       /* of submit.c */
    struct cs_buf body; /* of JSON routes */
    bool too_large;
};

/* dispatch.c */
void dispatch_begin(void *ctx, struct http_call *c);
void dispatch_body(void *ctx, struct http_call *c, struct cs_bytes piece);
void dispatch_end(void *ctx, struct http_call *c);
void dispatch_gone(void *ctx, struct http_call *c);

/* Handlers; each must answer. */
void submit_begin(struct call *c);
void submit_body(struct call *c, struct cs_bytes piece);
void submit_end(struct call *c);
void submit_gone(struct call *c);
void hash_end(struct call *c);
void policies_end(struct call *c);
void status_end(struct call *c);
void list_end(struct call *c);
void artifact_end(struct call *c);
void action_end(struct call *c); /* approve, deny, cancel, resend */
void decide_end(struct call *c);
void preview_end(struct call *c);
void configuration_end(struct call *c);
void file_end(struct call *c);

static inline char *gw_text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}
static inline ProtobufCBinaryData gw_data(struct cs_bytes b)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = b.ptr};
    return (ProtobufCBinaryData){.data = u.out, .len = b.len};
}
static inline struct cs_bytes gw_bytes(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}
