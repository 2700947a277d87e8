/* The second reading: every event judged; see audit_verify.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_verify.h"

#include "audit_chain.h"
#include "audit_open.h"
#include "audit_order.h"
#include "audit_refused.h"
#include "audit_uses.h"
#include "audit_wait.h"
#include "base/guard.h"
#include "base/mem.h"

#include "proto/audit.pb-c.h"

#include <string.h>

/* Partitions of different topics arrive side by side: what is younger than this at the log's end
 * may lack a companion that is still on its way. */
enum { SETTLING_MS = 60000 };

struct judge {
    struct audit_report *report;
    const struct audit_version *newest;
    struct audit_order order;
    struct audit_uses uses;
    struct audit_chain chain;
    struct audit_refused refused;
    int64_t newest_ms;
};

static enum cs_rc judge_leaf(void *self, const struct audit_leaf *l, struct cs_err *err)
{
    struct judge *j = self;
    struct cs_event e;
    struct cs_err why = {0};
    const Cs__Audit__LogEntry *entry = l->entry;
    if (entry == NULL)
        return CS_OK; /* the first reading said so */
    if (entry->timestamp_ms > j->newest_ms)
        j->newest_ms = entry->timestamp_ms;
    CS_TRY(audit_order_offset(&j->order, &l->place, err));
    if (strcmp(entry->topic, "cs.quarantine") == 0)
        return audit_refused_quarantine(&j->refused, l, err);
    if (entry->value_sha256.len > 0) {
        cs_err_fill(&why, CS_LIMIT, "audit.left_out", "its value was too large for the log");
        return audit_refused_add(&j->refused, l, &why, err);
    }
    if (cs_open(j->newest->opener, cs_bytes(entry->value.data, entry->value.len), entry->topic,
                entry->partition, l->arena, &e, &why) != CS_OK)
        return audit_refused_add(&j->refused, l, &why, err);
    CS_TRY(audit_order_boot(&j->order, &l->place, &e, err));
    CS_TRY(audit_uses_event(&j->uses, &l->place, &e, err));
    return audit_chain_event(&j->chain, &l->place, &e, l->arena, err);
}

static enum cs_rc judge_init(struct judge *j, struct audit_opened *o, struct audit_report *report,
                             struct cs_err *err)
{
    *j = (struct judge){.report = report, .newest = audit_trust_newest(&o->trust)};
    CS_TRY(audit_order_init(&j->order, report, err));
    CS_TRY(audit_uses_init(&j->uses, report, err));
    CS_TRY(audit_refused_init(&j->refused, report, err));
    return audit_chain_init(&j->chain, report, o->source, &o->trust, err);
}

static void judge_end(struct judge *j, const char *request)
{
    const int64_t settled_ms = j->newest_ms - SETTLING_MS;
    if (request != NULL && audit_uses_finished(&j->uses, request))
        audit_fact(j->report, "request", "%s is finished, and its end is in the log", request);
    else if (request != NULL)
        audit_finding(j->report, AUDIT_INCOMPLETE, NULL, "audit.request_missing",
                      "the end of request %s is not in the log", request);
    audit_order_end(&j->order);
    audit_uses_end(&j->uses, settled_ms);
    audit_chain_end(&j->chain, settled_ms);
    audit_refused_end(&j->refused);
}

static void judge_done(struct judge *j)
{
    audit_order_done(&j->order);
    audit_uses_done(&j->uses);
    audit_chain_done(&j->chain);
    audit_refused_done(&j->refused);
}

static enum cs_rc second_reading(struct audit_opened *o, const struct audit_question *q,
                                 struct audit_report *report, struct cs_err *err)
{
    struct judge j = {0};
    if (audit_trust_newest(&o->trust) == NULL)
        return cs_err_code(err, CS_NOT_FOUND, "audit.no_registry",
                           "no registry that this root key signed was found");
    enum cs_rc rc = judge_init(&j, o, report, err);
    const struct audit_walk w = {.source = o->source,
                                 .head = o->checkpoint.head,
                                 .what = "authorization",
                                 .self = &j,
                                 .leaf = judge_leaf};
    if (rc == CS_OK)
        rc = audit_walk(&w, err);
    const struct audit_place refused = {.has_leaf = true, .leaf = o->refused_leaf};
    if (CS_GUARD("audit-registry") && rc == CS_OK && o->trust.refused > 0)
        audit_finding(report, AUDIT_UNAUTHORIZED, &refused, "audit.registry_refused",
                      "a registry was published that the root key did not sign");
    if (rc == CS_OK)
        judge_end(&j, q->request);
    judge_done(&j);
    return rc;
}

enum cs_rc audit_verify(const struct audit_question *q, struct audit_report *report,
                        struct cs_err *err)
{
    CS_TRY(audit_wait(q, err));
    struct audit_opened *o = cs_calloc(1, sizeof(*o));
    if (o == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    enum cs_rc rc = audit_open(q, report, o, err);
    /* What damaged bytes seem to say is not worth judging. */
    if (rc == CS_OK && audit_findings(report, AUDIT_INTEGRITY) == 0)
        rc = second_reading(o, q, report, err);
    audit_opened_done(o);
    cs_free(o);
    return rc;
}
