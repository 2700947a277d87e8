/* Wiring, and the thread that reads cs.events.
 * SPDX-License-Identifier: Apache-2.0 */
#include "notifier.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"
#include "crypto/hash.h"

#include "proto/audit.pb-c.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { RECORDS = 100, POLL_MS = 200, ARENA = 32 << 20, ACK_MS = 10000, MAX_QUARANTINED = 40960 };

enum cs_rc notifier_open_db(const struct notifier *n, struct cs_db **out, struct cs_err *err)
{
    const struct cs_options *o = n->options;
    const struct cs_db_options d = {.socket = cs_option_text(o, "mariadb.socket"),
                                    .host = cs_option_text(o, "mariadb.host"),
                                    .port = (int)cs_option_number(o, "mariadb.port"),
                                    .user = cs_option_text(o, "mariadb.user"),
                                    .password = cs_option_text(o, "mariadb.password"),
                                    .database = cs_option_text(o, "mariadb.database"),
                                    .allow_weak = cs_option_number(o, "mariadb.allow_weak") != 0};
    return cs_db_open(&d, out, err);
}

void notifier_wake(struct notifier *n)
{
    pthread_mutex_lock(&n->lock);
    n->work = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
}

static void until(int timeout_ms, struct timespec *out)
{
    clock_gettime(CLOCK_MONOTONIC, out);
    out->tv_sec += timeout_ms / 1000;
    out->tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (out->tv_nsec >= 1000000000L) {
        out->tv_sec++;
        out->tv_nsec -= 1000000000L;
    }
}

void notifier_sleep(struct notifier *n, int timeout_ms)
{
    struct timespec t;
    until(timeout_ms, &t);
    pthread_mutex_lock(&n->lock);
    for (int rc = 0; !n->work && rc == 0 && !atomic_load(&n->stop);)
        rc = pthread_cond_timedwait(&n->wake, &n->lock, &t);
    n->work = false;
    pthread_mutex_unlock(&n->lock);
}

struct reading {
    struct notifier *n;
    struct cs_db *db;
    struct cs_opener *opener;
    struct cs_arena *a;
};

/* Told to operators; then the next event. */
static enum cs_rc quarantine(struct reading *r, const struct cs_record *rec,
                             const struct cs_err *why, struct cs_err *err)
{
    Cs__Audit__Quarantined m = CS__AUDIT__QUARANTINED__INIT;
    union {
        const void *in;
        void *out;
    } topic = {.in = rec->topic}, code = {.in = why->code}, reason = {.in = why->msg},
      value = {.in = rec->value.ptr}, reader = {.in = "notifier"};
    uint8_t sha256[CS_SHA256_SIZE];
    struct cs_bytes bytes;
    cs_log_error("record.quarantined", CS_KS("topic", rec->topic),
                 CS_KI("partition", rec->partition), CS_KI("offset", rec->offset),
                 CS_KS("code", why->code), CS_KERR(why));
    cs_sha256(rec->value.ptr, rec->value.len, sha256);
    m.topic = topic.out;
    m.partition = rec->partition;
    m.offset = rec->offset;
    m.reader = reader.out;
    m.code = code.out;
    m.reason = reason.out;
    m.at_ms = cs_now_ms();
    m.value_sha256 = (ProtobufCBinaryData){.data = sha256, .len = sizeof(sha256)};
    if (rec->value.len <= MAX_QUARANTINED)
        m.value = (ProtobufCBinaryData){.data = value.out, .len = rec->value.len};
    CS_TRY(cs_message_pack(&m.base, r->a, &bytes, err));
    const struct cs_publication e = {.topic = "cs.quarantine",
                                     .key = "notifier",
                                     .sealed_type = "cs.audit.Quarantined",
                                     .sealed = bytes};
    return cs_publish_wait(r->n->publisher, &e, ACK_MS, err);
}

static bool passes(enum cs_rc rc)
{
    return rc == CS_RETRY || rc == CS_NOMEM || rc == CS_CONFLICT || rc == CS_UNSUPPORTED;
}

static enum cs_rc apply(struct reading *r, const struct cs_record *rec, struct cs_err *err)
{
    struct cs_event e;
    struct cs_err why = {0};
    cs_arena_reset(r->a);
    if (r->db == NULL)
        CS_TRY(notifier_open_db(r->n, &r->db, err));
    enum cs_rc rc = cs_open(r->opener, rec->value, rec->topic, rec->partition, r->a, &e, &why);
    if (rc == CS_OK)
        rc = events_apply(r->n, r->db, &e, r->a, &why);
    if (rc == CS_OK)
        return CS_OK;
    if (!passes(rc))
        return quarantine(r, rec, &why, err);
    *err = why;
    return rc;
}

static void pause_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

/* The event stays in hand until it is done: none is skipped. False when the notifier stops first.
 */
static bool apply_for_sure(struct reading *r, const struct cs_record *rec)
{
    for (int64_t wait = 100; !atomic_load(&r->n->stop); wait = wait < 5000 ? wait * 2 : 5000) {
        struct cs_err err = {0};
        const enum cs_rc rc = apply(r, rec, &err);
        cs_app_check(r->n->app, "events", rc == CS_OK, rc == CS_OK ? "" : err.msg);
        if (rc == CS_OK)
            return true;
        cs_log_warn("event.again", CS_KI("offset", rec->offset), CS_KERR(&err));
        if (r->db != NULL)
            cs_ignore(cs_db_ping(r->db, NULL), "the next try tells");
        pause_ms(wait);
    }
    return false;
}

static void read_events(struct reading *r)
{
    static struct cs_record records[RECORDS];
    const struct cs_bus_consumer *c = cs_kafka_consumer_port(r->n->consumer);
    while (!atomic_load(&r->n->stop)) {
        struct cs_err err = {0};
        size_t n = 0;
        const enum cs_rc rc = c->poll(c->self, records, RECORDS, POLL_MS, &n, &err);
        cs_app_check(r->n->app, "kafka", rc == CS_OK, rc == CS_OK ? "" : err.msg);
        if (rc == CS_FATAL) {
            cs_app_fail(r->n->app, &err);
            return;
        }
        for (size_t i = 0; i < n; i++) {
            if (!apply_for_sure(r, &records[i]))
                return;
            cs_ignore(c->commit(c->self, records[i].topic, records[i].partition,
                                records[i].offset + 1, NULL),
                      "a repeat changes nothing");
        }
        if (n > 0)
            notifier_wake(r->n);
    }
}

static void *reader_run(void *arg)
{
    struct notifier *n = arg;
    struct reading r = {.n = n, .opener = cs_opener_new(n->trust), .a = cs_arena_new(ARENA)};
    struct cs_err err = {0};
    if (r.opener == NULL || r.a == NULL) {
        cs_err_set(&err, CS_NOMEM, "no memory");
        cs_app_fail(n->app, &err);
    } else {
        read_events(&r);
    }
    cs_db_close(r.db);
    cs_opener_free(r.opener);
    cs_arena_free(r.a);
    return NULL;
}

static enum cs_rc read_secret(struct notifier *n, struct cs_err *err)
{
    const char *path = cs_option_text(n->options, "secret_file");
    CS_AUTO_BUF b = CS_BUF_INIT(1024);
    CS_TRY(cs_file_read(path, &b, err));
    if (b.len != sizeof(n->secret))
        return cs_err_set(err, CS_INVALID, "%s: 32 bytes are expected, it has %zu", path, b.len);
    memcpy(n->secret, b.ptr, sizeof(n->secret));
    cs_wipe(b.ptr, b.len);
    return CS_OK;
}

static enum cs_rc find_host(struct notifier *n, struct cs_err *err)
{
    const char *p = strstr(n->public_url, "://");
    if (p == NULL)
        return cs_err_set(err, CS_INVALID, "public_url '%s' is not a URL", n->public_url);
    return cs_strf(n->host, sizeof(n->host), err, "%.*s", (int)strcspn(p + 3, ":/"), p + 3);
}

static enum cs_rc open_bus(struct notifier *n, struct cs_err *err)
{
    static const char *const topics[] = {"cs.events"};
    const struct cs_options *o = n->options;
    const struct cs_kafka_options k = {
        .bootstrap = cs_option_text(o, "kafka.bootstrap"),
        .client_id = "countersign-notifier",
        .message_timeout_ms = (int)cs_option_number(o, "kafka.message_timeout"),
        .session_timeout_ms = (int)cs_option_number(o, "kafka.session_timeout"),
        .group = "notifier"};
    CS_TRY(cs_kafka_producer_open(&k, &n->producer, err));
    const struct cs_publisher_options p = {.bus = cs_kafka_producer_port(n->producer),
                                           .key = n->key,
                                           .environment = cs_trust_environment(n->trust),
                                           .producer_id = "notifier",
                                           .instance_id = cs_option_text(o, "service.instance")};
    CS_TRY(cs_publisher_open(&p, &n->publisher, err));
    return cs_kafka_consumer_join(&k, topics, 1, NULL, &n->consumer, err);
}

static enum cs_rc start_threads(struct notifier *n, struct cs_err *err)
{
    if (pthread_create(&n->reader, NULL, reader_run, n) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    n->reading = true;
    if (pthread_create(&n->sender, NULL, sender_run, n) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    n->sending = true;
    return CS_OK;
}

enum cs_rc notifier_start(struct cs_app *app, void **state, struct cs_err *err)
{
    pthread_condattr_t attr;
    struct notifier *n = cs_calloc(1, sizeof(*n));
    if (n == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *state = n;
    n->app = app;
    n->options = cs_app_options(app);
    n->public_url = cs_option_text(n->options, "public_url");
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->wake, &attr);
    pthread_condattr_destroy(&attr);
    cs_app_check(app, "kafka", false, "not connected yet");
    CS_TRY(find_host(n, err));
    CS_TRY(read_secret(n, err));
    CS_TRY(cs_trust_load(cs_option_text(n->options, "trust.root"),
                         cs_option_text(n->options, "trust.registry"), &n->trust, err));
    CS_TRY(cs_signing_key_load(cs_option_text(n->options, "service.key"), NULL, &n->key, err));
    CS_TRY(cs_blobs_open(cs_option_text(n->options, "blob.directory"), &n->blobs, err));
    CS_TRY(open_bus(n, err));
    return start_threads(n, err);
}

void notifier_drain(void *state)
{
    struct notifier *n = state;
    atomic_store(&n->stop, true);
    notifier_wake(n);
    if (n->reading)
        pthread_join(n->reader, NULL);
    if (n->sending)
        pthread_join(n->sender, NULL);
    n->reading = n->sending = false;
}

void notifier_stop(void *state)
{
    struct notifier *n = state;
    if (n == NULL)
        return;
    notifier_drain(n);
    cs_kafka_consumer_close(n->consumer);
    cs_publisher_close(n->publisher);
    cs_kafka_producer_close(n->producer);
    cs_blobs_close(n->blobs);
    cs_signing_key_free(n->key);
    cs_trust_free(n->trust);
    cs_wipe(n->secret, sizeof(n->secret));
    pthread_cond_destroy(&n->wake);
    pthread_mutex_destroy(&n->lock);
    cs_free(n);
}
