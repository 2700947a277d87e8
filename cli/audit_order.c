/* Completeness; see audit_order.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_order.h"

#include "base/guard.h"
#include "base/str.h"

#include "proto/common.pb-c.h"

#include <string.h>

enum { KEY = 320, HOLES_MAX = 10000 };

struct partition {
    int64_t next;
    uint64_t leaf; /* of the record before */
};

struct boot {
    uint64_t next;
};

struct hole {
    uint64_t leaf;
    int64_t offset;
    int partition;
    char topic[128];
    char boot[40];
    uint64_t number;
};

enum cs_rc audit_order_init(struct audit_order *o, struct audit_report *report, struct cs_err *err)
{
    *o = (struct audit_order){.report = report,
                              .partitions = audit_table_new(sizeof(struct partition)),
                              .boots = audit_table_new(sizeof(struct boot)),
                              .holes = audit_table_new(sizeof(struct hole))};
    if (o->partitions == NULL || o->boots == NULL || o->holes == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return CS_OK;
}

void audit_order_done(struct audit_order *o)
{
    audit_table_free(o->partitions);
    audit_table_free(o->boots);
    audit_table_free(o->holes);
}

static void offset_finding(struct audit_order *o, const struct audit_place *where,
                           const struct partition *p)
{
    if (where->offset < p->next)
        audit_finding(o->report, AUDIT_INCOMPLETE, where, "audit.offset_repeated",
                      "offset %lld stands after offset %lld: records were swapped or repeated",
                      (long long)where->offset, (long long)(p->next - 1));
    else if (where->offset == p->next + 1)
        audit_finding(o->report, AUDIT_INCOMPLETE, where, "audit.offset_gap",
                      "offset %lld is missing before it", (long long)p->next);
    else
        audit_finding(o->report, AUDIT_INCOMPLETE, where, "audit.offset_gap",
                      "offsets %lld to %lld are missing before it", (long long)p->next,
                      (long long)(where->offset - 1));
}

enum cs_rc audit_order_offset(struct audit_order *o, const struct audit_place *where,
                              struct cs_err *err)
{
    char key[KEY];
    CS_TRY(cs_strf(key, sizeof(key), err, "%.250s/%d", where->topic, where->partition));
    struct partition *p = audit_table_add(o->partitions, key, strlen(key), NULL);
    if (p == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (CS_GUARD("audit-offset-gap") && where->offset != p->next)
        offset_finding(o, where, p);
    if (where->offset >= p->next)
        *p = (struct partition){.next = where->offset + 1, .leaf = where->leaf};
    return CS_OK;
}

/* Remembers that a number is missing; a producer that sends again may still fill it. */
static enum cs_rc add_hole(struct audit_order *o, const struct audit_place *where,
                           const Cs__Common__Header *h, uint64_t number, struct cs_err *err)
{
    char key[KEY];
    CS_TRY(cs_strf(key, sizeof(key), err, "%.40s %.128s/%d %llu", h->boot_id, where->topic,
                   where->partition, (unsigned long long)number));
    struct hole *hole = audit_table_add(o->holes, key, strlen(key), NULL);
    if (hole == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *hole = (struct hole){.leaf = where->leaf,
                          .offset = where->offset,
                          .partition = where->partition,
                          .number = number};
    CS_TRY(cs_strf(hole->boot, sizeof(hole->boot), err, "%.39s", h->boot_id));
    return cs_strf(hole->topic, sizeof(hole->topic), err, "%.127s", where->topic);
}

static enum cs_rc fill_hole(struct audit_order *o, const struct audit_place *where,
                            const Cs__Common__Header *h, struct cs_err *err)
{
    char key[KEY];
    const size_t before = audit_table_count(o->holes);
    CS_TRY(cs_strf(key, sizeof(key), err, "%.40s %.128s/%d %llu", h->boot_id, where->topic,
                   where->partition, (unsigned long long)h->boot_sequence));
    audit_table_remove(o->holes, key, strlen(key));
    o->repeats += audit_table_count(o->holes) == before ? 1 : 0;
    return CS_OK;
}

enum cs_rc audit_order_boot(struct audit_order *o, const struct audit_place *where,
                            const struct cs_event *e, struct cs_err *err)
{
    char key[KEY];
    const Cs__Common__Header *h = e->header;
    CS_TRY(cs_strf(key, sizeof(key), err, "%.40s %.128s/%d", h->boot_id, where->topic,
                   where->partition));
    struct boot *b = audit_table_add(o->boots, key, strlen(key), NULL);
    if (b == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (b->next == 0)
        b->next = 1;
    if (h->boot_sequence < b->next)
        return fill_hole(o, where, h, err);
    for (uint64_t n = b->next; CS_GUARD("audit-boot-gap") && n < h->boot_sequence; n++) {
        if (audit_table_count(o->holes) >= HOLES_MAX)
            break;
        CS_TRY(add_hole(o, where, h, n, err));
    }
    b->next = h->boot_sequence + 1;
    return CS_OK;
}

static void hole_finding(void *ctx, const void *key, size_t len, void *value)
{
    const struct audit_order *o = ctx;
    const struct hole *h = value;
    const struct audit_place where = {.has_leaf = true,
                                      .leaf = h->leaf,
                                      .topic = h->topic,
                                      .partition = h->partition,
                                      .offset = h->offset};
    (void)key;
    (void)len;
    audit_finding(o->report, AUDIT_INCOMPLETE, &where, "audit.sequence_gap",
                  "event number %llu of boot %s is missing before it",
                  (unsigned long long)h->number, h->boot);
}

void audit_order_end(struct audit_order *o)
{
    audit_table_each(o->holes, hole_finding, o);
    audit_fact(o->report, "partitions", "%zu", audit_table_count(o->partitions));
    if (o->repeats > 0)
        audit_fact(o->report, "sent again", "%llu events (harmless: readers drop repeats)",
                   (unsigned long long)o->repeats);
}
