/* Looking for one request; see audit_wait.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_wait.h"

#include "audit_log.h"
#include "base/clock.h"
#include "codec/envelope.h"
#include "codec/message.h"

#include "proto/audit.pb-c.h"
#include "proto/events.pb-c.h"

#include <string.h>
#include <time.h>

enum { STEP_MS = 300 };

struct looking {
    const char *request;
    bool finished;
};

static enum cs_rc look(void *self, const struct audit_leaf *l, struct cs_err *err)
{
    struct looking *k = self;
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    const Cs__Audit__LogEntry *e = l->entry;
    (void)err;
    if (k->finished || e == NULL || strcmp(e->topic, "cs.events") != 0 ||
        !cs_bytes_eq(cs_bytes(e->key.data, e->key.len), cs_bytes_str(k->request)) ||
        cs_envelope_parse(cs_bytes(e->value.data, e->value.len), 0, l->arena, &raw, NULL) !=
            CS_OK ||
        strcmp(raw.type, "cs.events.RequestStateChanged") != 0 ||
        cs_message_unpack(&cs__events__request_state_changed__descriptor, raw.payload, l->arena, &m,
                          NULL) != CS_OK)
        return CS_OK;
    k->finished =
        ((const Cs__Events__RequestStateChanged *)m)->state >= CS__EVENTS__STATE__STATE_COMPLETED;
    return CS_OK;
}

static enum cs_rc wait_in(struct cs_log_source *source, const struct audit_question *q,
                          struct cs_err *err)
{
    const int64_t end = cs_monotonic_ms() + q->wait_ms;
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    struct looking k = {.request = q->request};
    uint64_t looked_at = 0;
    for (;;) {
        struct cs_checkpoint c;
        CS_TRY(audit_checkpoint(source, NULL, &c, err));
        const struct audit_walk w = {.source = source, .head = c.head, .self = &k, .leaf = look};
        if (c.head.size != looked_at)
            CS_TRY(audit_walk(&w, err));
        looked_at = c.head.size;
        if (k.finished || cs_monotonic_ms() >= end)
            return CS_OK;
        nanosleep(&step, NULL);
    }
}

enum cs_rc audit_wait(const struct audit_question *q, struct cs_err *err)
{
    CS_AUTO(cs_log_source) source = NULL;
    if (q->request == NULL)
        return CS_OK;
    CS_TRY(cs_log_source_open(q->log, q->ca_file, &source, err));
    return wait_in(source, q, err);
}
