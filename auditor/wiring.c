/* Opens the auditor's parts and starts its thread; see auditor.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "auditor.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

enum { EVENT_ARENA = 4 << 20 };

/* A checkpoint under a key that the registry does not know would convince nobody. */
static enum cs_rc check_key(const struct auditor *a, struct cs_err *err)
{
    struct cs_trust_key known;
    CS_TRY(cs_trust_service_key(a->trust, cs_signing_key_id(a->key), cs_now_ms(), &known, err));
    if (known.role != CS_ROLE_AUDITOR)
        return cs_err_code(err, CS_DENIED, "trust.wrong_role", "service.key is a %s's key",
                           cs_role_name(known.role));
    return CS_OK;
}

static enum cs_rc open_trust(struct auditor *a, const struct cs_options *o, struct cs_err *err)
{
    CS_TRY(cs_trust_load(cs_option_text(o, "trust.root"), cs_option_text(o, "trust.registry"),
                         &a->trust, err));
    CS_TRY(cs_signing_key_load(cs_option_text(o, "service.key"), NULL, &a->key, err));
    CS_TRY(check_key(a, err));
    return cs_blobs_open(cs_option_text(o, "blob.directory"), &a->blobs, err);
}

static enum cs_rc open_log(struct auditor *a, const struct cs_options *o, struct cs_err *err)
{
    char origin[CS_NOTE_NAME];
    const char *directory = cs_option_text(o, "log.directory");
    const char *given = cs_option_text(o, "log.origin");
    if (*given != '\0')
        CS_TRY(cs_strf(origin, sizeof(origin), err, "%s", given));
    else
        CS_TRY(
            cs_strf(origin, sizeof(origin), err, "countersign/%s", cs_trust_environment(a->trust)));
    CS_TRY(store_open(directory, origin, a->key, &a->store, err));
    cs_log_info("log.opened", CS_KS("origin", origin), CS_KI("size", store_published(a->store)));
    return serve_start(cs_option_text(o, "log.listen"), directory, a->store, &a->serve, err);
}

static enum cs_rc open_bus(struct auditor *a, const struct cs_options *o, struct cs_err *err)
{
    a->kafka = (struct cs_kafka_options){.bootstrap = cs_option_text(o, "kafka.bootstrap"),
                                         .client_id = "countersign-auditor",
                                         .message_timeout_ms =
                                             (int)cs_option_number(o, "kafka.message_timeout")};
    CS_TRY(cs_kafka_producer_open(&a->kafka, &a->producer, err));
    return republish_open(cs_kafka_producer_port(a->producer), a->store, &a->republish, err);
}

enum cs_rc auditor_start(struct cs_app *app, void **state, struct cs_err *err)
{
    struct auditor *a = cs_calloc(1, sizeof(*a));
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *state = a;
    a->app = app;
    a->arena = cs_arena_new(EVENT_ARENA);
    if (a->arena == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    cs_app_check(app, "kafka", false, "not connected yet");
    CS_TRY(open_trust(a, cs_app_options(app), err));
    CS_TRY(open_log(a, cs_app_options(app), err));
    CS_TRY(open_bus(a, cs_app_options(app), err));
    if (pthread_create(&a->thread, NULL, auditor_run, a) != 0)
        return cs_err_set(err, CS_FATAL, "no thread: %s", strerror(errno));
    a->started = true;
    return CS_OK;
}

/* The batch in hand is committed; what Kafka still holds is read after the next start. */
void auditor_drain(void *state)
{
    struct auditor *a = state;
    atomic_store(&a->stop, true);
    if (a->started)
        pthread_join(a->thread, NULL);
    a->started = false;
}

void auditor_stop(void *state)
{
    struct auditor *a = state;
    if (a == NULL)
        return;
    auditor_drain(a);
    cs_kafka_consumer_close(a->consumer);
    serve_stop(a->serve);
    cs_kafka_producer_close(a->producer);
    republish_close(a->republish);
    store_close(a->store);
    cs_blobs_close(a->blobs);
    cs_signing_key_free(a->key);
    cs_trust_free(a->trust);
    cs_arena_free(a->arena);
    cs_free(a);
}
