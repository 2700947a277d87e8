/* The story of one request; see audit_show.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_show.h"

#include "audit_open.h"
#include "audit_tell.h"
#include "base/clock.h"
#include "base/mem.h"

#include "proto/audit.pb-c.h"
#include "proto/common.pb-c.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 2000 };

/* One event of the request. */
struct line {
    int64_t at_ms;
    uint64_t leaf;
    int64_t offset;
    int partition;
    char topic[64];
    char type[64];
    char *text;
};

struct showing {
    const char *request;
    const struct audit_version *newest;
    struct audit_names names;
    bool naming; /* the first reading: names only */
    struct line *lines;
    size_t n;
};

static enum cs_rc add_line(struct showing *s, const struct audit_leaf *l, const struct cs_event *e,
                           const char *text, struct cs_err *err)
{
    struct line *grown = cs_realloc(s->lines, s->n + 1, sizeof(*grown));
    if (grown == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    s->lines = grown;
    struct line *line = &s->lines[s->n];
    *line = (struct line){.at_ms = e != NULL ? e->header->occurred_at_ms : l->entry->timestamp_ms,
                          .leaf = l->index,
                          .offset = l->place.offset,
                          .partition = l->place.partition,
                          .text = cs_strdup(text)};
    snprintf(line->topic, sizeof(line->topic), "%.63s", l->entry->topic);
    snprintf(line->type, sizeof(line->type), "%.63s", e != NULL ? e->type->name : "");
    s->n++;
    return line->text != NULL ? CS_OK : cs_err_set(err, CS_NOMEM, "no memory");
}

static enum cs_rc each_leaf(void *self, const struct audit_leaf *l, struct cs_err *err)
{
    struct showing *s = self;
    struct cs_event e;
    struct cs_err why = {0};
    CS_AUTO_BUF text = CS_BUF_INIT(LINE);
    if (l->entry == NULL || strcmp(l->entry->topic, "cs.quarantine") == 0)
        return CS_OK;
    const bool ours =
        cs_bytes_eq(cs_bytes(l->entry->key.data, l->entry->key.len), cs_bytes_str(s->request));
    if (s->naming ? strcmp(l->entry->topic, "cs.config") != 0 : !ours)
        return CS_OK;
    const enum cs_rc rc =
        cs_open(s->newest->opener, cs_bytes(l->entry->value.data, l->entry->value.len),
                l->entry->topic, l->entry->partition, l->arena, &e, &why);
    if (s->naming)
        return rc == CS_OK ? audit_names_learn(&s->names, &e, l->arena, err) : CS_OK;
    if (rc != CS_OK) {
        CS_TRY(cs_buf_addf(&text, err, "NOT TO BE BELIEVED: %s", why.msg));
        return add_line(s, l, NULL, cs_buf_cstr(&text), err);
    }
    CS_TRY(audit_tell(&s->names, &e, l->arena, &text, err));
    return add_line(s, l, &e, cs_buf_cstr(&text), err);
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a;
    const struct line *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->leaf < y->leaf ? -1 : x->leaf > y->leaf;
}

static void print_json(const struct showing *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];
        char at[CS_TIME_TEXT];
        cs_time_format(l->at_ms, at);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I,s:s,s:i,s:I}", "at", at, "type",
                                              l->type, "text", l->text, "leaf", (json_int_t)l->leaf,
                                              "topic", l->topic, "partition", l->partition,
                                              "offset", (json_int_t)l->offset));
    }
    json_t *o = json_pack("{s:s,s:o}", "request", s->request, "events", list);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static void print_text(const struct showing *s)
{
    printf("Request %s\n", s->request);
    for (size_t i = 0; i < s->n; i++) {
        const struct line *l = &s->lines[i];
        char at[CS_TIME_TEXT];
        cs_time_format(l->at_ms, at);
        printf("%s  %s\n%26sleaf %llu, %s/%d offset %lld\n", at, l->text, "",
               (unsigned long long)l->leaf, l->topic, l->partition, (long long)l->offset);
    }
}

static enum cs_rc read_twice(struct showing *s, struct audit_opened *o, struct cs_err *err)
{
    const struct audit_walk w = {
        .source = o->source, .head = o->checkpoint.head, .self = s, .leaf = each_leaf};
    s->naming = true;
    CS_TRY(audit_walk(&w, err));
    s->naming = false;
    return audit_walk(&w, err);
}

static enum cs_rc show(struct audit_opened *o, const char *request_id, bool json,
                       struct cs_err *err)
{
    struct showing s = {.request = request_id, .newest = audit_trust_newest(&o->trust)};
    if (s.newest == NULL)
        return cs_err_code(err, CS_NOT_FOUND, "audit.no_registry",
                           "no registry that this root key signed was found");
    CS_TRY(audit_names_init(&s.names, err));
    enum cs_rc rc = read_twice(&s, o, err);
    if (rc == CS_OK && s.n == 0)
        rc = cs_err_code(err, CS_NOT_FOUND, "audit.request_missing",
                         "the log has nothing of request %s", request_id);
    if (s.n > 0)
        qsort(s.lines, s.n, sizeof(s.lines[0]), by_time);
    if (rc == CS_OK && json)
        print_json(&s);
    else if (rc == CS_OK)
        print_text(&s);
    for (size_t i = 0; i < s.n; i++)
        cs_free(s.lines[i].text);
    cs_free(s.lines);
    audit_names_done(&s.names);
    return rc;
}

enum cs_rc audit_show(const struct audit_question *q, const char *request_id, bool json,
                      struct audit_report *report, struct cs_err *err)
{
    struct audit_opened *o = cs_calloc(1, sizeof(*o));
    if (o == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    enum cs_rc rc = audit_open(q, report, o, err);
    if (rc == CS_OK)
        rc = show(o, request_id, json, err);
    audit_opened_done(o);
    cs_free(o);
    return rc;
}
