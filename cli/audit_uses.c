/* Counting key uses; see audit_uses.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_uses.h"

#include "base/guard.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/hash.h"

#include "proto/common.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/results.pb-c.h"

#include <string.h>

enum { KEY = 320, TOPIC = 64, SCAN = 100000 };

/* A place that outlives its leaf. */
struct kept {
    uint64_t leaf;
    int64_t offset;
    int64_t at_ms;
    int partition;
    char topic[TOPIC];
};

struct use {
    bool announced;
    bool made;
    struct kept announcement;
    struct kept making;
    char job[40]; /* of whichever came first */
    char item[40];
};

struct series {
    uint64_t whole; /* every number up to it was announced */
    uint64_t highest;
};

struct job {
    bool announced;
    bool completed;
    struct kept completion;
};

struct final {
    int state;
    char event_id[40];
};

enum cs_rc audit_uses_init(struct audit_uses *u, struct audit_report *report, struct cs_err *err)
{
    *u = (struct audit_uses){.report = report,
                             .uses = audit_table_new(sizeof(struct use)),
                             .series = audit_table_new(sizeof(struct series)),
                             .jobs = audit_table_new(sizeof(struct job)),
                             .finals = audit_table_new(sizeof(struct final))};
    if (u->uses == NULL || u->series == NULL || u->jobs == NULL || u->finals == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return CS_OK;
}

void audit_uses_done(struct audit_uses *u)
{
    audit_table_free(u->uses);
    audit_table_free(u->series);
    audit_table_free(u->jobs);
    audit_table_free(u->finals);
}

static void keep(struct kept *k, const struct audit_place *where, const struct cs_event *e)
{
    *k = (struct kept){.leaf = where->leaf,
                       .offset = where->offset,
                       .partition = where->partition,
                       .at_ms = e->header->occurred_at_ms};
    cs_ignore(cs_strf(k->topic, sizeof(k->topic), NULL, "%.63s", where->topic), "it fits");
}

static struct audit_place place_of(const struct kept *k)
{
    return (struct audit_place){.has_leaf = true,
                                .leaf = k->leaf,
                                .topic = k->topic,
                                .partition = k->partition,
                                .offset = k->offset};
}

static enum cs_rc series_key(const ProtobufCBinaryData *spki, const char *boot, char out[KEY],
                             struct cs_err *err)
{
    char hex[2 * CS_SHA256_SIZE + 1] = "";
    if (spki->len == CS_SHA256_SIZE)
        cs_hex_encode(spki->data, spki->len, hex);
    return cs_strf(out, KEY, err, "%s %.40s", hex, boot);
}

/* The use that a SigningStarted or SignatureMade speaks of. */
struct named {
    const ProtobufCBinaryData *spki;
    const char *boot;
    uint64_t number;
    const char *job;
    const char *item;
};

static enum cs_rc find_use(struct audit_uses *u, const struct audit_place *where,
                           const struct named *n, struct use **out, struct cs_err *err)
{
    char series[KEY];
    char key[KEY];
    bool fresh = false;
    CS_TRY(series_key(n->spki, n->boot, series, err));
    CS_TRY(cs_strf(key, sizeof(key), err, "%s %llu", series, (unsigned long long)n->number));
    struct use *use = audit_table_add(u->uses, key, strlen(key), &fresh);
    if (use == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (fresh) {
        CS_TRY(cs_strf(use->job, sizeof(use->job), err, "%.39s", n->job));
        CS_TRY(cs_strf(use->item, sizeof(use->item), err, "%.39s", n->item));
    } else if (CS_GUARD("audit-use-bound") &&
               (strncmp(use->job, n->job, 39) != 0 || strncmp(use->item, n->item, 39) != 0)) {
        audit_finding(u->report, AUDIT_UNAUTHORIZED, where, "audit.use_reused",
                      "use number %llu of this key was announced for another job or item",
                      (unsigned long long)n->number);
    }
    *out = use;
    return CS_OK;
}

/* The use of that number in the series, if it was announced. */
static const struct use *announced(const struct audit_uses *u, const char *series, uint64_t number)
{
    char key[KEY];
    if (cs_strf(key, sizeof(key), NULL, "%s %llu", series, (unsigned long long)number) != CS_OK)
        return NULL;
    const struct use *use = audit_table_get(u->uses, key, strlen(key));
    return use != NULL && use->announced ? use : NULL;
}

static enum cs_rc started(struct audit_uses *u, const struct audit_place *where,
                          const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__SigningStarted *m = (const Cs__Results__SigningStarted *)e->message;
    const struct named n = {&m->key_spki_sha256, m->keyd_boot_id, m->use_number, m->job_id,
                            m->item_id};
    char key[KEY];
    struct use *use = NULL;
    CS_TRY(find_use(u, where, &n, &use, err));
    struct job *job = audit_table_add(u->jobs, m->job_id, strlen(m->job_id), NULL);
    CS_TRY(series_key(&m->key_spki_sha256, m->keyd_boot_id, key, err));
    struct series *s = audit_table_add(u->series, key, strlen(key), NULL);
    if (job == NULL || s == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    job->announced = true;
    if (use->announced)
        return CS_OK; /* the same record, sent again */
    use->announced = true;
    keep(&use->announcement, where, e);
    u->announced++;
    if (m->use_number > s->highest)
        s->highest = m->use_number;
    while (s->whole < s->highest && announced(u, key, s->whole + 1) != NULL)
        s->whole++;
    return CS_OK;
}

static enum cs_rc made(struct audit_uses *u, const struct audit_place *where,
                       const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__SignatureMade *m = (const Cs__Results__SignatureMade *)e->message;
    const struct named n = {&m->key_spki_sha256, m->keyd_boot_id, m->use_number, m->job_id,
                            m->item_id};
    struct use *use = NULL;
    CS_TRY(find_use(u, where, &n, &use, err));
    u->made += use->made ? 0 : 1;
    use->made = true;
    keep(&use->making, where, e);
    return CS_OK;
}

static enum cs_rc completed(struct audit_uses *u, const struct audit_place *where,
                            const struct cs_event *e, struct cs_err *err)
{
    const Cs__Results__SigningCompleted *m = (const Cs__Results__SigningCompleted *)e->message;
    struct job *job = audit_table_add(u->jobs, m->job_id, strlen(m->job_id), NULL);
    if (job == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    u->completed += job->completed ? 0 : 1;
    job->completed = true;
    keep(&job->completion, where, e);
    return CS_OK;
}

static bool is_final(Cs__Events__State s)
{
    return s == CS__EVENTS__STATE__STATE_COMPLETED || s == CS__EVENTS__STATE__STATE_FAILED ||
           s == CS__EVENTS__STATE__STATE_DENIED || s == CS__EVENTS__STATE__STATE_CANCELED ||
           s == CS__EVENTS__STATE__STATE_EXPIRED;
}

static enum cs_rc changed(struct audit_uses *u, const struct audit_place *where,
                          const struct cs_event *e, struct cs_err *err)
{
    const Cs__Events__RequestStateChanged *m = (const Cs__Events__RequestStateChanged *)e->message;
    bool fresh = false;
    if (!is_final(m->state))
        return CS_OK;
    struct final *f = audit_table_add(u->finals, m->request_id, strlen(m->request_id), &fresh);
    if (f == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (fresh) {
        f->state = (int)m->state;
        return cs_strf(f->event_id, sizeof(f->event_id), err, "%.39s", e->header->event_id);
    }
    if (CS_GUARD("audit-one-final") && strcmp(f->event_id, e->header->event_id) != 0)
        audit_finding(u->report, AUDIT_UNAUTHORIZED, where, "audit.two_finals",
                      "request %.40s reached a second final state", m->request_id);
    return CS_OK;
}

enum cs_rc audit_uses_event(struct audit_uses *u, const struct audit_place *where,
                            const struct cs_event *e, struct cs_err *err)
{
    static const struct {
        const char *type;
        enum cs_rc (*fn)(struct audit_uses *, const struct audit_place *, const struct cs_event *,
                         struct cs_err *);
    } rows[] = {{"cs.results.SigningStarted", started},
                {"cs.results.SignatureMade", made},
                {"cs.results.SigningCompleted", completed},
                {"cs.events.RequestStateChanged", changed}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].type, e->type->name) == 0)
            return rows[i].fn(u, where, e, err);
    }
    return CS_OK;
}

bool audit_uses_finished(const struct audit_uses *u, const char *request_id)
{
    return audit_table_get(u->finals, request_id, strlen(request_id)) != NULL;
}

struct ending {
    struct audit_uses *u;
    int64_t settled_ms;
};

static void judge_use(void *ctx, const void *key, size_t len, void *value)
{
    const struct ending *e = ctx;
    const struct use *use = value;
    const struct audit_place where = place_of(&use->making);
    (void)key;
    (void)len;
    if (CS_GUARD("audit-use-announced") && use->made && !use->announced &&
        use->making.at_ms < e->settled_ms)
        audit_finding(e->u->report, AUDIT_INCOMPLETE, &where, "audit.use_not_announced",
                      "a signature was made, and its SigningStarted is not in the log");
}

/* Numbers of one series may come by several partitions: the hole counts once the use after it is
 * settled. */
static void judge_series(void *ctx, const void *key, size_t len, void *value)
{
    const struct ending *e = ctx;
    const struct series *s = value;
    char series[KEY];
    const struct use *after = NULL;
    if (cs_strf(series, sizeof(series), NULL, "%.*s", (int)len, (const char *)key) != CS_OK)
        return;
    for (uint64_t n = s->whole + 2; after == NULL && n <= s->highest && n < s->whole + SCAN; n++)
        after = announced(e->u, series, n);
    if (!CS_GUARD("audit-use-numbers") || s->highest == s->whole ||
        (after != NULL && after->announcement.at_ms >= e->settled_ms))
        return;
    const struct audit_place where =
        after == NULL ? (struct audit_place){.has_leaf = false} : place_of(&after->announcement);
    audit_finding(e->u->report, AUDIT_INCOMPLETE, &where, "audit.use_numbers",
                  "use number %llu of this key is not in the log, later ones are",
                  (unsigned long long)(s->whole + 1));
}

static void judge_job(void *ctx, const void *key, size_t len, void *value)
{
    const struct ending *e = ctx;
    const struct job *j = value;
    const struct audit_place where = place_of(&j->completion);
    if (CS_GUARD("audit-job-use") && j->completed && !j->announced &&
        j->completion.at_ms < e->settled_ms)
        audit_finding(e->u->report, AUDIT_INCOMPLETE, &where, "audit.job_without_use",
                      "job %.*s was completed, and no use of a key was announced for it", (int)len,
                      (const char *)key);
}

void audit_uses_end(struct audit_uses *u, int64_t settled_ms)
{
    struct ending e = {.u = u, .settled_ms = settled_ms};
    audit_table_each(u->uses, judge_use, &e);
    audit_table_each(u->series, judge_series, &e);
    audit_table_each(u->jobs, judge_job, &e);
    audit_fact(u->report, "key uses", "%llu announced, %llu signatures made, %llu jobs completed",
               (unsigned long long)u->announced, (unsigned long long)u->made,
               (unsigned long long)u->completed);
}
