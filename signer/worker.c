/* Wiring and threads of the worker; see worker.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "children.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { POLL_RECORDS = 64, POLL_MS = 100, REVOKE_MS = 10000, KEYD_FLAGS = 40 };

static enum cs_rc commit_offset(void *ctx, const char *topic, int partition, int64_t next)
{
    struct worker *w = ctx;
    struct cs_err err = {0};
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(w->consumer);
    const enum cs_rc rc = c->commit(c->self, topic, partition, next, &err);
    if (rc != CS_OK)
        cs_log_warn("commit.failed", CS_KS("topic", topic), CS_KI("partition", partition),
                    CS_KERR(&err));
    return rc;
}

static void revoked(void *ctx, const struct cs_bus_position *p, size_t n, bool lost)
{
    struct worker *w = ctx;
    for (size_t i = 0; i < n; i++)
        queue_revoke(w->queue, p[i].topic, p[i].partition, lost ? 0 : REVOKE_MS,
                     lost ? NULL : commit_offset, w);
}

static void take_records(struct worker *w, const struct cs_record *records, size_t n)
{
    struct cs_err err = {0};
    for (size_t i = 0; i < n; i++) {
        while (queue_add(w->queue, &records[i], &err) != CS_OK && !atomic_load(&w->stop))
            usleep(100000); /* no memory: what is in hand frees some */
    }
}

static void *consume(void *arg)
{
    struct worker *w = arg;
    struct cs_record records[POLL_RECORDS];
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(w->consumer);
    while (!atomic_load(&w->stop)) {
        struct cs_err err = {0};
        size_t n = 0;
        const size_t held = queue_held(w->queue);
        const size_t room = held < WORKER_HELD ? WORKER_HELD - held : 1;
        const enum cs_rc rc =
            c->poll(c->self, records, room < POLL_RECORDS ? room : POLL_RECORDS, POLL_MS, &n, &err);
        cs_app_check(w->app, "kafka", rc == CS_OK, rc == CS_OK ? "" : err.msg);
        if (rc == CS_FATAL) {
            cs_app_fail(w->app, &err);
            break;
        }
        take_records(w, records, n);
        queue_commit(w->queue, commit_offset, w);
    }
    return NULL;
}

static void hand_done(struct hand *h)
{
    cs_opener_free(h->opener);
    cs_tsa_close(h->tsa);
    cs_arena_free(h->arena);
}

static enum cs_rc hand_init(struct hand *h, struct worker *w, struct cs_err *err)
{
    const struct cs_tsa_options o = {.urls = cs_option_text(w->options, "tsa.urls"),
                                     .ca_file = cs_option_text(w->options, "tsa.ca_file"),
                                     .timeout_ms =
                                         (int)cs_option_number(w->options, "tsa.timeout")};
    *h = (struct hand){
        .w = w, .opener = cs_opener_new(w->trust), .arena = cs_arena_new(WORKER_JOB_ARENA)};
    if (h->opener == NULL || h->arena == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return cs_tsa_open(&o, &h->tsa, err);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct hand h;
    struct cs_err err = {0};
    if (hand_init(&h, w, &err) != CS_OK) {
        cs_app_fail(w->app, &err);
    } else {
        for (struct job *j = queue_take(w->queue); j != NULL; j = queue_take(w->queue))
            jobs_run(&h, j);
    }
    hand_done(&h);
    return NULL;
}

static enum cs_rc add_topic(struct worker *w, struct cs_err *err, const char *kind,
                            const char *lane, size_t lane_len)
{
    if (w->n_topics == WORKER_TOPICS)
        return cs_err_set(err, CS_INVALID, "lanes: at most %d", WORKER_TOPICS - 1);
    char *name = w->topics[w->n_topics];
    CS_TRY(cs_strf(name, sizeof(w->topics[0]), err, "cs.%s.%s%s%.*s", kind, w->pool,
                   lane_len > 0 ? "." : "", (int)lane_len, lane));
    w->topic_list[w->n_topics++] = name;
    return CS_OK;
}

/* Preference: the first lane, then inspections, then the other lanes. */
static enum cs_rc choose_topics(struct worker *w, struct cs_err *err)
{
    const char *lanes = cs_option_text(w->options, "lanes");
    bool inspections = cs_option_number(w->options, "inspections") != 0;
    for (const char *p = lanes; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        if (n > 0)
            CS_TRY(add_topic(w, err, "jobs", p, n));
        p += n + (p[n] == ',' ? 1 : 0);
        if (inspections)
            CS_TRY(add_topic(w, err, "inspections", "", 0));
        inspections = false;
    }
    if (inspections)
        CS_TRY(add_topic(w, err, "inspections", "", 0));
    if (w->n_topics == 0)
        return cs_err_set(err, CS_INVALID, "lanes and inspections: nothing to do");
    w->queue = queue_new(w->topic_list, w->n_topics);
    return w->queue != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc open_trust(struct worker *w, struct cs_err *err)
{
    const struct cs_options *o = w->options;
    CS_TRY(cs_strf(w->producer_id, sizeof(w->producer_id), err, "signer/%s", w->pool));
    CS_TRY(child_path("countersign-parser", w->parser_path, sizeof(w->parser_path), err));
    CS_TRY(child_path("countersign-digest", w->digest_path, sizeof(w->digest_path), err));
    CS_TRY(cs_trust_load(cs_option_text(o, "trust.root"), cs_option_text(o, "trust.registry"),
                         &w->trust, err));
    CS_TRY(cs_signing_key_load(cs_option_text(o, "service.key"), NULL, &w->key, err));
    return cs_blobs_open(cs_option_text(o, "blob.directory"), &w->blobs, err);
}

static enum cs_rc open_bus(struct worker *w, struct cs_err *err)
{
    const struct cs_options *o = w->options;
    char group[100];
    CS_TRY(cs_strf(group, sizeof(group), err, "signer-%s", w->pool));
    const struct cs_kafka_options k = {
        .bootstrap = cs_option_text(o, "kafka.bootstrap"),
        .client_id = "countersign-signer",
        .message_timeout_ms = (int)cs_option_number(o, "kafka.message_timeout"),
        .session_timeout_ms = (int)cs_option_number(o, "kafka.session_timeout"),
        .group = group};
    const struct cs_bus_rebalance rb = {.ctx = w, .revoked = revoked};
    CS_TRY(cs_kafka_producer_open(&k, &w->producer, err));
    const struct cs_publisher_options p = {.bus = cs_kafka_producer_port(w->producer),
                                           .key = w->key,
                                           .environment = cs_trust_environment(w->trust),
                                           .producer_id = w->producer_id,
                                           .instance_id = cs_option_text(o, "service.instance")};
    CS_TRY(cs_publisher_open(&p, &w->publisher, err));
    return cs_kafka_consumer_join(&k, w->topic_list, w->n_topics, &rb, &w->consumer, err);
}

/* "--name value", unless there is none. */
static void add_flag(const char **argv, size_t *n, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    argv[(*n)++] = name;
    argv[(*n)++] = value;
}

static enum cs_rc check_backend(const struct cs_options *o, const char **pin_file,
                                struct cs_err *err)
{
    const bool soft = cs_option_text(o, "softkeys.directory")[0] != '\0';
    const bool token = cs_option_text(o, "pkcs11.module")[0] != '\0';
    *pin_file = cs_option_text(o, soft ? "softkeys.passphrase_file" : "pkcs11.pin_file");
    if (soft == token || (token && cs_option_text(o, "pkcs11.token")[0] == '\0') ||
        (*pin_file)[0] == '\0')
        return cs_err_set(err, CS_INVALID,
                          "say either pkcs11.module, pkcs11.token and pkcs11.pin_file, or "
                          "softkeys.directory and softkeys.passphrase_file");
    return CS_OK;
}

/* Flags only: keyd gets no environment, and none of them is a secret. */
static enum cs_rc open_keyd(struct worker *w, struct cs_err *err)
{
    static char path[512];
    static char resume[600];
    static const char *argv[KEYD_FLAGS];
    const struct cs_options *o = w->options;
    const char *pin_file = NULL;
    size_t n = 0;
    CS_TRY(check_backend(o, &pin_file, err));
    CS_TRY(child_path("countersign-keyd", path, sizeof(path), err));
    CS_TRY(cs_strf(resume, sizeof(resume), err, "%s.resume", pin_file));
    argv[n++] = path;
    add_flag(argv, &n, "--trust.root", cs_option_text(o, "trust.root"));
    add_flag(argv, &n, "--trust.registry", cs_option_text(o, "trust.registry"));
    add_flag(argv, &n, "--keyd.key", cs_option_text(o, "keyd.key"));
    add_flag(argv, &n, "--pool", w->pool);
    add_flag(argv, &n, "--service.instance", cs_option_text(o, "service.instance"));
    add_flag(argv, &n, "--resume_file", resume);
    add_flag(argv, &n, "--digest", w->digest_path);
    add_flag(argv, &n, "--pin_file", pin_file);
    add_flag(argv, &n, "--softkeys.directory", cs_option_text(o, "softkeys.directory"));
    add_flag(argv, &n, "--pkcs11.module", cs_option_text(o, "pkcs11.module"));
    add_flag(argv, &n, "--pkcs11.token", cs_option_text(o, "pkcs11.token"));
    add_flag(argv, &n, "--environment", cs_option_text(o, "pkcs11.environment"));
    argv[n] = NULL;
    const struct keyd_client_options k = {.path = path,
                                          .argv = argv,
                                          .publisher = w->publisher,
                                          .bus = cs_kafka_producer_port(w->producer)};
    return keyd_client_open(&k, &w->keyd, err);
}

static enum cs_rc start_threads(struct worker *w, struct cs_err *err)
{
    const size_t n = (size_t)cs_option_number(w->options, "concurrency");
    while (w->n_threads < n) {
        if (pthread_create(&w->threads[w->n_threads], NULL, work, w) != 0)
            return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
        w->n_threads++;
    }
    if (pthread_create(&w->consumer_thread, NULL, consume, w) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    w->consuming = true;
    return CS_OK;
}

enum cs_rc worker_start(struct cs_app *app, void **state, struct cs_err *err)
{
    struct worker *w = cs_calloc(1, sizeof(*w));
    if (w == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *state = w;
    w->app = app;
    w->options = cs_app_options(app);
    w->pool = cs_option_text(w->options, "pool");
    cs_app_check(app, "kafka", false, "not connected yet");
    cs_tsa_global();
    CS_TRY(choose_topics(w, err));
    CS_TRY(open_trust(w, err));
    CS_TRY(open_bus(w, err));
    CS_TRY(open_keyd(w, err));
    return start_threads(w, err);
}

static void end_threads(struct worker *w)
{
    for (size_t i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    w->n_threads = 0;
    atomic_store(&w->stop, true);
    if (w->consuming)
        pthread_join(w->consumer_thread, NULL);
    w->consuming = false;
}

/* No new job is begun; what is in hand is finished and committed; then the group is left. */
void worker_drain(void *state)
{
    struct worker *w = state;
    queue_stop(w->queue);
    end_threads(w);
    queue_commit(w->queue, commit_offset, w);
}

void worker_stop(void *state)
{
    struct worker *w = state;
    if (w == NULL)
        return;
    if (w->queue != NULL)
        queue_stop(w->queue);
    end_threads(w);
    cs_kafka_consumer_close(w->consumer);
    keyd_client_close(w->keyd);
    cs_publisher_close(w->publisher);
    cs_kafka_producer_close(w->producer);
    cs_blobs_close(w->blobs);
    cs_signing_key_free(w->key);
    cs_trust_free(w->trust);
    queue_free(w->queue);
    cs_free(w);
}
