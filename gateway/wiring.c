/* What the gateway and its bootstrap both open, and the gateway's start and end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config_writer.h"
#include "gateway.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { IDLE_S = 60, DRAIN_STEPS = 300 };

static struct cs_db_options db_options(const struct cs_options *o)
{
    return (struct cs_db_options){.socket = cs_option_text(o, "mariadb.socket"),
                                  .host = cs_option_text(o, "mariadb.host"),
                                  .port = (int)cs_option_number(o, "mariadb.port"),
                                  .user = cs_option_text(o, "mariadb.user"),
                                  .password = cs_option_text(o, "mariadb.password"),
                                  .database = cs_option_text(o, "mariadb.database"),
                                  .allow_weak = cs_option_number(o, "mariadb.allow_weak") != 0};
}

static enum cs_rc open_publisher(struct gateway *g, struct cs_err *err)
{
    const struct cs_options *o = g->options;
    const struct cs_kafka_options k = {.bootstrap = cs_option_text(o, "kafka.bootstrap"),
                                       .client_id = "countersign-gateway",
                                       .message_timeout_ms =
                                           (int)cs_option_number(o, "kafka.message_timeout")};
    CS_TRY(cs_kafka_producer_open(&k, &g->producer, err));
    const struct cs_publisher_options p = {.bus = cs_kafka_producer_port(g->producer),
                                           .key = g->key,
                                           .environment = cs_trust_environment(g->trust),
                                           .producer_id = "gateway",
                                           .instance_id = cs_option_text(o, "service.instance")};
    CS_TRY(cs_publisher_open(&p, &g->publisher, err));
    const struct config_writer_options w = {.trust = g->trust,
                                            .key = g->key,
                                            .instance = cs_option_text(o, "service.instance"),
                                            .publisher = g->publisher};
    g->writer = config_writer_new(&w);
    return g->writer != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

enum cs_rc wiring_open(struct gateway *g, const struct cs_options *o, struct cs_err *err)
{
    const struct cs_db_options db = db_options(o);
    g->options = o;
    CS_TRY(cs_trust_load(cs_option_text(o, "trust.root"), cs_option_text(o, "trust.registry"),
                         &g->trust, err));
    CS_TRY(cs_signing_key_load(cs_option_text(o, "service.key"), NULL, &g->key, err));
    CS_TRY(cs_blobs_open(cs_option_text(o, "blob.directory"), &g->blobs, err));
    g->db = dbpool_new(&db);
    g->view = view_new();
    g->waiters = waiters_new();
    if (g->db == NULL || g->view == NULL || g->waiters == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return open_publisher(g, err);
}

void wiring_close(struct gateway *g)
{
    config_writer_free(g->writer);
    cs_publisher_close(g->publisher);
    cs_kafka_producer_close(g->producer);
    waiters_free(g->waiters);
    view_free(g->view);
    dbpool_free(g->db);
    cs_blobs_close(g->blobs);
    cs_signing_key_free(g->key);
    cs_trust_free(g->trust);
    cs_free(g->tls_certificate);
    cs_free(g->tls_key);
}

static enum cs_rc read_text(const char *path, char **out, struct cs_err *err)
{
    CS_AUTO_BUF b = CS_BUF_INIT(1 << 20);
    *out = NULL;
    if (path[0] == '\0')
        return CS_OK;
    CS_TRY(cs_file_read(path, &b, err));
    *out = cs_strndup((const char *)b.ptr, b.len);
    return *out != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

/* What an earlier process left in the outbox, and the registry when it is new. */
static void send_leftovers(struct gateway *g)
{
    struct cs_err err = {0};
    struct cs_db *db = NULL;
    enum cs_rc rc = dbpool_take(g->db, &db, &err);
    if (rc == CS_OK)
        rc = config_writer_registry(g->writer, db, &err);
    dbpool_give(g->db, db);
    if (rc != CS_OK)
        cs_log_warn("config.relay", CS_KERR(&err));
}

static enum cs_rc open_http(struct gateway *g, struct cs_err *err)
{
    const struct cs_options *o = g->options;
    CS_TRY(read_text(cs_option_text(o, "tls.certificate"), &g->tls_certificate, err));
    CS_TRY(read_text(cs_option_text(o, "tls.key"), &g->tls_key, err));
    const struct http_options h = {.listen = cs_option_text(o, "listen"),
                                   .connections =
                                       (unsigned)cs_option_number(o, "limits.connections"),
                                   .idle_timeout_s = IDLE_S,
                                   .tls_certificate = g->tls_certificate,
                                   .tls_key = g->tls_key};
    g->service = (struct http_service){.ctx = g,
                                       .begin = dispatch_begin,
                                       .body = dispatch_body,
                                       .end = dispatch_end,
                                       .gone = dispatch_gone};
    return http_server_start(&h, &g->service, &g->http, err);
}

enum cs_rc gateway_start(struct cs_app *app, void **state, struct cs_err *err)
{
    struct gateway *g = cs_calloc(1, sizeof(*g));
    if (g == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *state = g;
    g->app = app;
    g->public_url = cs_option_text(cs_app_options(app), "public_url");
    cs_app_check(app, "kafka", false, "not connected yet");
    cs_app_check(app, "configuration", false, "not read yet");
    if (g->public_url[0] == '\0')
        return cs_err_set(err, CS_INVALID, "public_url: how do clients reach the gateway?");
    CS_TRY(wiring_open(g, cs_app_options(app), err));
    send_leftovers(g);
    if (pthread_create(&g->feed_thread, NULL, feed_run, g) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    g->feeding = true;
    return open_http(g, err);
}

/* No new connections; what is being answered is answered. */
void gateway_drain(void *state)
{
    struct gateway *g = state;
    const struct timespec step = {.tv_nsec = 100000000L};
    if (g->http == NULL)
        return;
    http_server_quiesce(g->http);
    for (int i = 0; i < DRAIN_STEPS && http_server_active(g->http) > 0; i++)
        nanosleep(&step, NULL);
}

void gateway_stop(void *state)
{
    struct gateway *g = state;
    if (g == NULL)
        return;
    atomic_store(&g->stop, true);
    http_server_stop(g->http);
    if (g->feeding)
        pthread_join(g->feed_thread, NULL);
    wiring_close(g);
    cs_free(g);
}
