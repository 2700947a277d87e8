/* Unbelievable records; see audit_refused.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_refused.h"

#include "base/guard.h"
#include "base/str.h"
#include "codec/message.h"

#include "proto/audit.pb-c.h"

#include <string.h>

enum { KEY = 320 };

struct refusal {
    uint64_t leaf;
    int64_t offset;
    int partition;
    enum cs_rc rc;
    char topic[128];
    char code[48];
    char why[200];
};

enum cs_rc audit_refused_init(struct audit_refused *r, struct audit_report *report,
                              struct cs_err *err)
{
    *r = (struct audit_refused){.report = report,
                                .refused = audit_table_new(sizeof(struct refusal)),
                                .quarantined = audit_table_new(1)};
    if (r->refused == NULL || r->quarantined == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return CS_OK;
}

void audit_refused_done(struct audit_refused *r)
{
    audit_table_free(r->refused);
    audit_table_free(r->quarantined);
}

static enum cs_rc key_of(const char *topic, int partition, int64_t offset, char out[KEY],
                         struct cs_err *err)
{
    return cs_strf(out, KEY, err, "%.250s/%d/%lld", topic, partition, (long long)offset);
}

enum cs_rc audit_refused_add(struct audit_refused *r, const struct audit_leaf *l,
                             const struct cs_err *why, struct cs_err *err)
{
    char key[KEY];
    CS_TRY(key_of(l->place.topic, l->place.partition, l->place.offset, key, err));
    struct refusal *f = audit_table_add(r->refused, key, strlen(key), NULL);
    if (f == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *f = (struct refusal){.leaf = l->index,
                          .offset = l->place.offset,
                          .partition = l->place.partition,
                          .rc = why->rc};
    CS_TRY(cs_strf(f->topic, sizeof(f->topic), err, "%.127s", l->place.topic));
    CS_TRY(cs_strf(f->code, sizeof(f->code), err, "%.47s", why->code));
    return cs_strf(f->why, sizeof(f->why), err, "%.199s", why->msg);
}

enum cs_rc audit_refused_quarantine(struct audit_refused *r, const struct audit_leaf *l,
                                    struct cs_err *err)
{
    char key[KEY];
    ProtobufCMessage *m = NULL;
    if (cs_message_unpack(&cs__audit__quarantined__descriptor,
                          cs_bytes(l->entry->value.data, l->entry->value.len), l->arena, &m,
                          NULL) != CS_OK)
        return CS_OK; /* it proves nothing then */
    const Cs__Audit__Quarantined *q = (const Cs__Audit__Quarantined *)m;
    CS_TRY(key_of(q->topic, q->partition, q->offset, key, err));
    return audit_table_add(r->quarantined, key, strlen(key), NULL) != NULL
               ? CS_OK
               : cs_err_set(err, CS_NOMEM, "no memory");
}

struct counts {
    struct audit_refused *r;
    size_t set_aside;
};

static void judge(void *ctx, const void *key, size_t len, void *value)
{
    struct counts *c = ctx;
    const struct refusal *f = value;
    const struct audit_place where = {.has_leaf = true,
                                      .leaf = f->leaf,
                                      .topic = f->topic,
                                      .partition = f->partition,
                                      .offset = f->offset};
    if (audit_table_get(c->r->quarantined, key, len) != NULL) {
        c->set_aside++;
        return;
    }
    if (f->rc == CS_UNSUPPORTED)
        audit_finding(c->r->report, AUDIT_CANNOT, &where, f->code, "%s", f->why);
    else if (CS_GUARD("audit-refused"))
        audit_finding(c->r->report, AUDIT_UNAUTHORIZED, &where, f->code,
                      "a record that nobody may believe, and nobody set aside: %s", f->why);
}

void audit_refused_end(struct audit_refused *r)
{
    struct counts c = {.r = r};
    audit_table_each(r->refused, judge, &c);
    if (c.set_aside > 0)
        audit_fact(r->report, "quarantined", "%zu records that readers refused and set aside",
                   c.set_aside);
}
