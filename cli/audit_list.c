/* Every completed signature as a line; see audit_show.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_show.h"

#include "audit_open.h"
#include "audit_tell.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"

#include "proto/audit.pb-c.h"
#include "proto/commands.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/results.pb-c.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one request. */
struct row {
    bool completed;
    int64_t at_ms;
    uint64_t leaf;
    char request[40];
    char file[160];
    char sha256[65];
    char signed_sha256[65];
    char certificate[104];
    char policy[104];
    char project[104];
    char submitter[104];
    char approvers[320];
};

struct listing {
    const struct audit_filter *filter;
    const struct audit_version *newest;
    struct audit_names names;
    struct audit_table *rows;
    struct row **sorted;
    size_t n;
    bool naming;
};

/* Cut to the room there is: a listing is for reading. */
static void set(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static void digest(const ProtobufCBinaryData *d, char out[65])
{
    if (d->len == 32)
        cs_hex_encode(d->data, d->len, out);
}

static void note_submitted(struct listing *l, struct row *r, const struct cs_event *e)
{
    const Cs__Commands__RequestSubmitted *m = (const Cs__Commands__RequestSubmitted *)e->message;
    set(r->project, sizeof(r->project), audit_name(&l->names, m->project_id));
    if (m->submitter != NULL)
        set(r->submitter, sizeof(r->submitter), audit_name(&l->names, m->submitter->user_id));
    if (m->artifact != NULL) {
        set(r->file, sizeof(r->file), m->artifact->file_name);
        digest(&m->artifact->sha256, r->sha256);
    } else if (m->hash != NULL) {
        set(r->file, sizeof(r->file), "(hash)");
        digest(&m->hash->hash, r->sha256);
    }
}

static void note_authorized(struct listing *l, struct row *r, const struct cs_event *e,
                            struct cs_arena *a)
{
    const Cs__Events__RequestAuthorized *m = (const Cs__Events__RequestAuthorized *)e->message;
    ProtobufCMessage *body = NULL;
    size_t at = 0;
    for (size_t i = 0; i < m->n_approver_ids && at < sizeof(r->approvers); i++)
        at += (size_t)snprintf(r->approvers + at, sizeof(r->approvers) - at, "%s%s",
                               i == 0 ? "" : " ", audit_name(&l->names, m->approver_ids[i]));
    if (cs_message_unpack(&cs__evidence__authorization_body__descriptor,
                          cs_bytes(m->authorization_body.data, m->authorization_body.len), a, &body,
                          NULL) != CS_OK)
        return;
    const Cs__Evidence__AuthorizationBody *b = (const Cs__Evidence__AuthorizationBody *)body;
    set(r->policy, sizeof(r->policy), audit_name(&l->names, b->policy_id));
    set(r->certificate, sizeof(r->certificate), audit_name(&l->names, b->certificate_id));
    if (l->filter->certificate != NULL && strcmp(b->certificate_id, l->filter->certificate) == 0)
        set(r->certificate, sizeof(r->certificate), b->certificate_id);
}

static void note_completed(struct row *r, const struct audit_leaf *leaf, const struct cs_event *e)
{
    const Cs__Results__SigningCompleted *m = (const Cs__Results__SigningCompleted *)e->message;
    if (r->completed)
        return;
    r->completed = true;
    r->at_ms = e->header->occurred_at_ms;
    r->leaf = leaf->index;
    if (m->signed_artifact != NULL)
        digest(&m->signed_artifact->sha256, r->signed_sha256);
}

static enum cs_rc each_leaf(void *self, const struct audit_leaf *leaf, struct cs_err *err)
{
    struct listing *l = self;
    struct cs_event e;
    if (leaf->entry == NULL ||
        cs_open(l->newest->opener, cs_bytes(leaf->entry->value.data, leaf->entry->value.len),
                leaf->entry->topic, leaf->entry->partition, leaf->arena, &e, NULL) != CS_OK)
        return CS_OK;
    if (l->naming)
        return audit_names_learn(&l->names, &e, leaf->arena, err);
    const bool submitted = strcmp(e.type->name, "cs.commands.RequestSubmitted") == 0;
    const bool authorized = strcmp(e.type->name, "cs.events.RequestAuthorized") == 0;
    const bool completed = strcmp(e.type->name, "cs.results.SigningCompleted") == 0;
    if (!submitted && !authorized && !completed)
        return CS_OK;
    const char *id = e.header->aggregate_id;
    struct row *r = audit_table_add(l->rows, id, strlen(id), NULL);
    if (r == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    set(r->request, sizeof(r->request), id);
    if (submitted)
        note_submitted(l, r, &e);
    else if (authorized)
        note_authorized(l, r, &e, leaf->arena);
    else
        note_completed(r, leaf, &e);
    return CS_OK;
}

static void collect(void *ctx, const void *key, size_t len, void *value)
{
    struct listing *l = ctx;
    struct row *r = value;
    (void)key;
    (void)len;
    if (!r->completed || r->at_ms < l->filter->since_ms)
        return;
    if (l->filter->certificate != NULL && strcmp(r->certificate, l->filter->certificate) != 0)
        return;
    l->sorted[l->n++] = r;
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a;
    const struct row *y = *(struct row *const *)b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->leaf < y->leaf ? -1 : x->leaf > y->leaf;
}

/* RFC 4180; a field that a spreadsheet would take for a formula gets a quote before it. */
static void csv_field(const char *text, bool last)
{
    putchar('"');
    if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL)
        putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar((unsigned char)*text < ' ' ? '?' : *text);
    }
    fputs(last ? "\"\r\n" : "\",", stdout);
}

static void print_csv(const struct row *r, const char *at)
{
    char leaf[24];
    snprintf(leaf, sizeof(leaf), "%llu", (unsigned long long)r->leaf);
    const char *const fields[] = {
        at,        r->request, r->file,      r->sha256,   r->signed_sha256, r->certificate,
        r->policy, r->project, r->submitter, r->approvers};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        csv_field(fields[i], false);
    csv_field(leaf, true);
}

static json_t *row_json(const struct row *r, const char *at)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "completedAt", at, "request",
                     r->request, "file", r->file, "sha256", r->sha256, "signedSha256",
                     r->signed_sha256, "certificate", r->certificate, "policy", r->policy,
                     "project", r->project, "submitter", r->submitter, "approvers", r->approvers,
                     "leaf", (json_int_t)r->leaf);
}

static void print_text(const struct row *r, const char *at)
{
    CS_AUTO_STR file = cs_strdup(r->file);
    for (char *p = file; p != NULL && *p != '\0'; p++)
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p;
    printf("%s  %s  %s  %s  by %s%s%s  leaf %llu\n", at, r->request, r->certificate,
           file == NULL ? "" : file, r->submitter, r->approvers[0] != '\0' ? ", approved by " : "",
           r->approvers, (unsigned long long)r->leaf);
}

static void print_rows(const struct listing *l)
{
    json_t *list = json_array();
    if (l->filter->csv)
        fputs("completed_at,request,file,sha256,signed_sha256,certificate,policy,project,submitter,"
              "approvers,leaf\r\n",
              stdout);
    for (size_t i = 0; i < l->n; i++) {
        char at[CS_TIME_TEXT];
        cs_time_format(l->sorted[i]->at_ms, at);
        if (l->filter->json)
            json_array_append_new(list, row_json(l->sorted[i], at));
        else if (l->filter->csv)
            print_csv(l->sorted[i], at);
        else
            print_text(l->sorted[i], at);
    }
    if (l->filter->json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
}

static enum cs_rc read_and_print(struct listing *l, struct audit_opened *o, struct cs_err *err)
{
    const struct audit_walk w = {
        .source = o->source, .head = o->checkpoint.head, .self = l, .leaf = each_leaf};
    l->naming = true;
    CS_TRY(audit_walk(&w, err));
    l->naming = false;
    CS_TRY(audit_walk(&w, err));
    l->sorted = cs_calloc(audit_table_count(l->rows) + 1, sizeof(struct row *));
    if (l->sorted == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    audit_table_each(l->rows, collect, l);
    qsort(l->sorted, l->n, sizeof(l->sorted[0]), by_time);
    print_rows(l);
    cs_free(l->sorted);
    return CS_OK;
}

static enum cs_rc list(struct audit_opened *o, const struct audit_filter *f, struct cs_err *err)
{
    struct listing l = {.filter = f, .newest = audit_trust_newest(&o->trust)};
    if (l.newest == NULL)
        return cs_err_code(err, CS_NOT_FOUND, "audit.no_registry",
                           "no registry that this root key signed was found");
    CS_TRY(audit_names_init(&l.names, err));
    l.rows = audit_table_new(sizeof(struct row));
    const enum cs_rc rc =
        l.rows == NULL ? cs_err_set(err, CS_NOMEM, "no memory") : read_and_print(&l, o, err);
    audit_table_free(l.rows);
    audit_names_done(&l.names);
    return rc;
}

enum cs_rc audit_list(const struct audit_question *q, const struct audit_filter *f,
                      struct audit_report *report, struct cs_err *err)
{
    struct audit_opened *o = cs_calloc(1, sizeof(*o));
    if (o == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    enum cs_rc rc = audit_open(q, report, o, err);
    if (rc == CS_OK)
        rc = list(o, f, err);
    audit_opened_done(o);
    cs_free(o);
    return rc;
}
