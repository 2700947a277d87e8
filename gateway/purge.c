/* countersign-gateway purge: removes artifacts whose retention is over. The log, manifests and
 * evidence stay. SPDX-License-Identifier: Apache-2.0 */
#include "purge.h"

#include "base/clock.h"
#include "codec/message.h"
#include "requests.h"

#include "proto/config.pb-c.h"
#include "proto/envelope.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 200, ARENA = 64 << 20, DAY_MS = 86400000 };

struct purge {
    struct gateway *g;
    struct cs_db *db;
    struct cs_arena *a;
    int64_t default_ms;
    size_t removed;
    int64_t after_ms; /* finished: the last one looked at */
};

/* How long the policy that the request was signed under keeps its artifacts. */
static int64_t retention_of(const struct purge *p, const Cs__Store__RequestRecord *r)
{
    ProtobufCMessage *m = NULL;
    if (r->policy_envelope.len == 0 ||
        cs_message_unpack(&cs__envelope__envelope__descriptor, gw_bytes(&r->policy_envelope), p->a,
                          &m, NULL) != CS_OK)
        return p->default_ms;
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)m;
    if (cs_message_unpack(&cs__config__config_changed__descriptor, gw_bytes(&e->payload), p->a, &m,
                          NULL) != CS_OK)
        return p->default_ms;
    const Cs__Config__ConfigChanged *c = (const Cs__Config__ConfigChanged *)m;
    if (cs_message_unpack(&cs__config__signing_policy__descriptor, gw_bytes(&c->body), p->a, &m,
                          NULL) != CS_OK)
        return p->default_ms;
    const uint32_t days = ((const Cs__Config__SigningPolicy *)m)->retention_days;
    return days == 0 ? p->default_ms : (int64_t)days * DAY_MS;
}

static enum cs_rc remove_blob(struct purge *p, const Cs__Common__Artifact *artifact,
                              struct cs_err *err)
{
    if (artifact == NULL || artifact->blob[0] == '\0')
        return CS_OK;
    p->removed++;
    return cs_blob_remove(p->g->blobs, artifact->blob, err);
}

static enum cs_rc purge_one(struct purge *p, struct cs_bytes record, int64_t finished_ms,
                            struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, record, p->a, &m, err));
    const Cs__Store__RequestRecord *r = (const Cs__Store__RequestRecord *)m;
    if (cs_now_ms() < finished_ms + retention_of(p, r))
        return CS_OK;
    CS_TRY(remove_blob(p, r->signed_artifact, err));
    CS_TRY(cs_message_unpack(&cs__envelope__envelope__descriptor, gw_bytes(&r->request_envelope),
                             p->a, &m, err));
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)m;
    CS_TRY(cs_message_unpack(&cs__commands__request_submitted__descriptor, gw_bytes(&e->payload),
                             p->a, &m, err));
    return remove_blob(p, ((const Cs__Commands__RequestSubmitted *)m)->artifact, err);
}

/* A page of finished requests, oldest first; *more says whether there may be another. */
static enum cs_rc page(struct purge *p, bool *more, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VI(p->after_ms)};
    cs_arena_reset(p->a);
    CS_TRY(cs_db_query(p->db,
                       "SELECT record, finished_at_ms FROM requests WHERE finished_at_ms>? "
                       "ORDER BY finished_at_ms LIMIT 200",
                       v, 1, p->a, &rows, err));
    for (size_t i = 0; i < rows.rows; i++) {
        p->after_ms = cs_cell_int(&rows, i, 1);
        CS_TRY(purge_one(p, cs_cell(&rows, i, 0), p->after_ms, err));
    }
    *more = rows.rows == BATCH;
    return CS_OK;
}

enum cs_rc purge_run(struct gateway *g, struct cs_err *err)
{
    struct purge p = {.g = g,
                      .a = cs_arena_new(ARENA),
                      .default_ms = cs_option_number(g->options, "retention.artifacts")};
    bool more = true;
    enum cs_rc rc =
        p.a == NULL ? cs_err_set(err, CS_NOMEM, "no memory") : dbpool_take(g->db, &p.db, err);
    while (rc == CS_OK && more)
        rc = page(&p, &more, err);
    dbpool_give(g->db, p.db);
    cs_arena_free(p.a);
    if (rc == CS_OK)
        printf("%zu artifacts whose retention is over are gone\n", p.removed);
    return rc;
}
