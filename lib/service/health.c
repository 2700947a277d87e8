/* The private port; see health.h. Metrics are process-wide, as Prometheus sees a process.
 * SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "service/service.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHECKS = 16, MAX_METRICS = 256, ALIVE_MS = 10000, NAME = 120 };

struct check {
    char name[32];
    char reason[200];
    bool ok;
};

struct cs_health {
    struct MHD_Daemon *mhd;
    pthread_mutex_t lock; /* guards checks */
    struct check checks[MAX_CHECKS];
    size_t n;
    atomic_llong ticked_ms;
};

static struct metric {
    char name[NAME];
    int64_t value;
} metrics[MAX_METRICS];
static size_t n_metrics;
static pthread_mutex_t metrics_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */

static void metric(const char *name, int64_t n, bool add)
{
    pthread_mutex_lock(&metrics_lock);
    size_t i = 0;
    while (i < n_metrics && strcmp(metrics[i].name, name) != 0)
        i++;
    if (i == n_metrics && n_metrics < MAX_METRICS && strlen(name) < NAME)
        memcpy(metrics[n_metrics++].name, name, strlen(name) + 1);
    if (i < n_metrics)
        metrics[i].value = add ? metrics[i].value + n : n;
    pthread_mutex_unlock(&metrics_lock);
}

void cs_metric_add(const char *name, int64_t n)
{
    metric(name, n, true);
}

void cs_metric_set(const char *name, int64_t n)
{
    metric(name, n, false);
}

static unsigned write_metrics(struct cs_buf *out)
{
    enum cs_rc rc = CS_OK;
    pthread_mutex_lock(&metrics_lock);
    for (size_t i = 0; i < n_metrics && rc == CS_OK; i++)
        rc = cs_buf_addf(out, NULL, "%s %lld\n", metrics[i].name, (long long)metrics[i].value);
    pthread_mutex_unlock(&metrics_lock);
    return rc == CS_OK ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static unsigned write_ready(struct cs_health *h, struct cs_buf *out)
{
    bool ok = h->n > 0;
    enum cs_rc rc = CS_OK;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n && rc == CS_OK; i++) {
        ok = ok && h->checks[i].ok;
        rc =
            cs_buf_addf(out, NULL, "%s %s%s%s\n", h->checks[i].ok ? "ok" : "NOT", h->checks[i].name,
                        h->checks[i].ok ? "" : ": ", h->checks[i].ok ? "" : h->checks[i].reason);
    }
    pthread_mutex_unlock(&h->lock);
    return ok && rc == CS_OK ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static enum MHD_Result respond(void *cls, struct MHD_Connection *c, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **con)
{
    struct cs_health *h = cls;
    CS_AUTO_BUF out = CS_BUF_INIT(1 << 18);
    unsigned status = MHD_HTTP_NOT_FOUND;
    (void)method;
    (void)version;
    (void)data;
    (void)data_size;
    (void)con;
    if (strcmp(url, "/livez") == 0)
        status = cs_monotonic_ms() - atomic_load(&h->ticked_ms) < ALIVE_MS
                     ? MHD_HTTP_OK
                     : MHD_HTTP_SERVICE_UNAVAILABLE;
    else if (strcmp(url, "/readyz") == 0)
        status = write_ready(h, &out);
    else if (strcmp(url, "/metrics") == 0)
        status = write_metrics(&out);
    struct MHD_Response *r = MHD_create_response_from_buffer(
        out.len, out.ptr == NULL ? (void *)h : out.ptr, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    const enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum cs_rc parse_listen(const char *text, struct sockaddr_in *out, struct cs_err *err)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return cs_err_set(err, CS_INVALID, "health.listen: host:port expected, not '%s'", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10))};
    if (inet_pton(AF_INET, host, &out->sin_addr) != 1)
        return cs_err_set(err, CS_INVALID, "health.listen: '%s' is not an IPv4 address", host);
    return CS_OK;
}

enum cs_rc cs_health_start(const char *listen, struct cs_health **out, struct cs_err *err)
{
    struct sockaddr_in addr;
    CS_TRY(parse_listen(listen, &addr, err));
    struct cs_health *h = cs_calloc(1, sizeof(*h));
    if (h == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    pthread_mutex_init(&h->lock, NULL);
    atomic_store(&h->ticked_ms, cs_monotonic_ms());
    *out = h;
    if (addr.sin_port == 0)
        return CS_OK;
    h->mhd = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, respond, h,
                              MHD_OPTION_SOCK_ADDR, &addr, MHD_OPTION_CONNECTION_TIMEOUT, 10U,
                              MHD_OPTION_CONNECTION_LIMIT, 32U, MHD_OPTION_END);
    if (h->mhd == NULL)
        return cs_err_set(err, CS_RETRY, "health.listen: %s cannot be opened (in use?)", listen);
    return CS_OK;
}

void cs_health_stop(struct cs_health *h)
{
    if (h == NULL)
        return;
    if (h->mhd != NULL)
        MHD_stop_daemon(h->mhd);
    pthread_mutex_destroy(&h->lock);
    cs_free(h);
}

void cs_health_tick(struct cs_health *h)
{
    atomic_store(&h->ticked_ms, cs_monotonic_ms());
}

void cs_health_check(struct cs_health *h, const char *name, bool ok, const char *reason)
{
    pthread_mutex_lock(&h->lock);
    size_t i = 0;
    while (i < h->n && strcmp(h->checks[i].name, name) != 0)
        i++;
    if (i == h->n && h->n < MAX_CHECKS)
        snprintf(h->checks[h->n++].name, sizeof(h->checks[0].name), "%.31s", name);
    if (i < h->n) {
        h->checks[i].ok = ok;
        snprintf(h->checks[i].reason, sizeof(h->checks[i].reason), "%.199s", reason);
    }
    pthread_mutex_unlock(&h->lock);
}
