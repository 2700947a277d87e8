/* What every daemon's life is made of: options, signals, drain, health, metrics.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "service/options.h"

/* The running daemon, handed to its callbacks. */
struct cs_app;

struct cs_service {
    const char *name;                      /* "scheduler" */
    const struct cs_option *const *tables; /* ended by NULL */
    /* Opens what it needs and starts its threads; *state is the daemon's own. Errors end the
     * process with status 1 and their message. */
    enum cs_rc (*start)(struct cs_app *app, void **state, struct cs_err *err);
    /* SIGTERM: stop intake, finish what is in flight. May block up to drain_timeout. */
    void (*drain)(void *state);
    /* Free everything. */
    void (*stop)(void *state);
    /* Words after the options ("bootstrap"): a command that runs instead of the daemon. May be
     * NULL. */
    int (*command)(const struct cs_options *o, const char *const *words, size_t n);
};

/* The whole of main(). Exit status: 0 after a drain, 1 failure or second signal, 2 bad options. */
int cs_service_main(int argc, char **argv, const struct cs_service *service);

const struct cs_options *cs_app_options(const struct cs_app *app);
/* Any thread: the daemon cannot go on. Logged; the process ends with status 1. */
void cs_app_fail(struct cs_app *app, const struct cs_err *err);
/* Any thread: true from SIGTERM on. */
bool cs_app_draining(const struct cs_app *app);

/* Readiness: every named check must be ok. Any thread. 'reason' is copied. */
void cs_app_check(struct cs_app *app, const char *name, bool ok, const char *reason);

/* A counter or gauge by its full Prometheus name with labels, e.g.
 * "cs_requests_total{state=\"completed\"}". Any thread; at most 256 names. */
void cs_metric_add(const char *name, int64_t n);
void cs_metric_set(const char *name, int64_t n);
