/* The life of a daemon; see service.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "health.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct cs_app {
    const struct cs_service *service;
    struct cs_options *options;
    struct cs_health *health;
    atomic_bool draining;
    atomic_bool failed;
    int wake_fd;
};

const struct cs_options *cs_app_options(const struct cs_app *app)
{
    return app->options;
}

bool cs_app_draining(const struct cs_app *app)
{
    return atomic_load(&app->draining);
}

void cs_app_fail(struct cs_app *app, const struct cs_err *err)
{
    const uint64_t one = 1;
    cs_log_error("service.failed", CS_KERR(err));
    atomic_store(&app->failed, true);
    if (write(app->wake_fd, &one, sizeof(one)) < 0)
        _exit(1);
}

void cs_app_check(struct cs_app *app, const char *name, bool ok, const char *reason)
{
    cs_health_check(app->health, name, ok, reason);
}

static enum cs_log_level level_of(const char *text)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum cs_log_level)i;
    }
    return CS_LOG_INFO;
}

/* Answers the questions that need no daemon; -1: none was asked. */
static int answer(const struct cs_service *s, int argc, char **argv)
{
    CS_AUTO_BUF out = CS_BUF_INIT(1 << 20);
    enum cs_rc rc = CS_NOT_FOUND;
    for (int i = 1; i < argc && rc == CS_NOT_FOUND; i++) {
        if (strcmp(argv[i], "--help") == 0)
            rc = cs_options_help(s->name, s->tables, &out, NULL);
        else if (strcmp(argv[i], "--print-options-markdown") == 0)
            rc = cs_options_markdown(s->name, s->tables, &out, NULL);
        else if (strcmp(argv[i], "--version") == 0)
            rc = cs_buf_addf(&out, NULL, "countersign-%s 0.1.0\n", s->name);
    }
    if (rc != CS_OK)
        return -1;
    return fwrite(out.ptr, 1, out.len, stdout) == out.len ? 0 : 1;
}

static int print_config(const struct cs_options *o)
{
    CS_AUTO_BUF out = CS_BUF_INIT(1 << 20);
    if (cs_options_print(o, &out, NULL) != CS_OK)
        return 1;
    return fwrite(out.ptr, 1, out.len, stdout) == out.len ? 0 : 1;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Waits for SIGTERM or failure. */
static void wait_for_end(struct cs_app *app, int signal_fd)
{
    struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
                           {.fd = app->wake_fd, .events = POLLIN}};
    while (!atomic_load(&app->failed)) {
        struct signalfd_siginfo si;
        if (poll(fds, 2, 1000) < 0)
            continue;
        cs_health_tick(app->health);
        if ((fds[0].revents & POLLIN) != 0 && read(signal_fd, &si, sizeof(si)) == sizeof(si) &&
            si.ssi_signo != SIGHUP)
            return;
    }
}

struct watchdog {
    int signal_fd;
    int64_t deadline_ms;
};

/* While draining: a second signal, or the deadline, ends the process at once. */
static void *watch(void *arg)
{
    const struct watchdog *w = arg;
    for (;;) {
        struct pollfd fd = {.fd = w->signal_fd, .events = POLLIN};
        const int64_t left = w->deadline_ms - cs_monotonic_ms();
        if (left <= 0 || poll(&fd, 1, (int)left) > 0) {
            cs_log_error("service.drain_cut",
                         CS_KS("msg", left <= 0 ? "the drain took too long" : "a second signal"));
            _exit(1);
        }
    }
    return NULL;
}

static void finish(struct cs_app *app, void *state, int signal_fd)
{
    static struct watchdog w;
    pthread_t thread;
    w = (struct watchdog){.signal_fd = signal_fd,
                          .deadline_ms =
                              cs_monotonic_ms() + cs_option_number(app->options, "drain_timeout")};
    atomic_store(&app->draining, true);
    cs_health_check(app->health, "lifecycle", false, "draining");
    sd_notify(0, "STOPPING=1");
    cs_log_info("service.draining",
                CS_KI("timeout_ms", cs_option_number(app->options, "drain_timeout")));
    if (pthread_create(&thread, NULL, watch, &w) == 0)
        pthread_detach(thread);
    app->service->drain(state);
}

static int run(struct cs_app *app, int signal_fd)
{
    struct cs_err err = {0};
    void *state = NULL;
    if (cs_health_start(cs_option_text(app->options, "health.listen"), &app->health, &err) !=
            CS_OK ||
        app->service->start(app, &state, &err) != CS_OK) {
        cs_log_error("service.start_failed", CS_KERR(&err), CS_KS("code", err.code));
        cs_health_stop(app->health);
        return 1;
    }
    cs_health_check(app->health, "lifecycle", true, "");
    sd_notify(0, "READY=1");
    cs_log_info("service.ready", CS_KI("pid", getpid()));
    wait_for_end(app, signal_fd);
    const bool failed = atomic_load(&app->failed);
    if (failed)
        _exit(1);
    finish(app, state, signal_fd);
    app->service->stop(state);
    cs_health_stop(app->health);
    cs_log_info("service.stopped", CS_KI("pid", getpid()));
    return 0;
}

int cs_service_main(int argc, char **argv, const struct cs_service *service)
{
    CS_AUTO_BUF problems = CS_BUF_INIT(65536);
    struct cs_app app = {.service = service};
    const char *const *words = NULL;
    const int answered = answer(service, argc, argv);
    if (answered >= 0)
        return answered;
    if (cs_options_load(service->name, service->tables, argc, argv, &app.options, &problems) !=
        CS_OK) {
        fprintf(stderr, "countersign-%s cannot start:\n%.*s", service->name, (int)problems.len,
                problems.len == 0 ? "" : (const char *)problems.ptr);
        return 2;
    }
    cs_log_init(service->name, level_of(cs_option_text(app.options, "log.level")));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--print-config") == 0)
            return print_config(app.options);
    }
    const size_t n = cs_options_words(app.options, &words);
    if (n > 0) {
        const int status = service->command == NULL
                               ? ((void)fprintf(stderr, "unknown command '%s'\n", words[0]), 2)
                               : service->command(app.options, words, n);
        cs_options_free(app.options);
        return status;
    }
    prctl(PR_SET_DUMPABLE, 0);
    const int signal_fd = block_signals();
    app.wake_fd = eventfd(0, EFD_CLOEXEC);
    /* The signal descriptor stays open to the end: the watchdog of the drain still polls it, and
     * its number must not become another file's. */
    const int status = run(&app, signal_fd);
    close(app.wake_fd);
    cs_options_free(app.options);
    return status;
}
