/* Findings as text or JSON; see audit_report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_report.h"

#include "base/clock.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN = 50, CLASSES = 5, PROGRESS_MS = 200, TEXT = 700 };

struct audit_report {
    FILE *to;
    bool json;
    bool terminal;
    bool progress_shown;
    int64_t progress_ms;
    size_t counts[CLASSES];
    json_t *findings;
    json_t *facts;
};

static const char *const names[CLASSES] = {"pass", "integrity", "incomplete", "unauthorized",
                                           "cannot verify"};

struct audit_report *audit_report_new(FILE *to, bool json)
{
    struct audit_report *r = cs_calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->to = to;
    r->json = json;
    r->terminal = isatty(STDERR_FILENO) != 0;
    r->findings = json_array();
    r->facts = json_object();
    return r;
}

void audit_report_free(struct audit_report *r)
{
    if (r == NULL)
        return;
    json_decref(r->findings);
    json_decref(r->facts);
    cs_free(r);
}

void audit_report_freep(struct audit_report **r)
{
    audit_report_free(*r);
    *r = NULL;
}

static void clear_progress(struct audit_report *r)
{
    if (r->progress_shown)
        fputs("\r\033[K", stderr);
    r->progress_shown = false;
}

static void print_place(FILE *to, const struct audit_place *w)
{
    if (w == NULL)
        return;
    if (w->has_leaf)
        fprintf(to, " leaf %llu", (unsigned long long)w->leaf);
    if (w->topic != NULL)
        fprintf(to, " (%s/%d offset %lld)", w->topic, w->partition, (long long)w->offset);
}

static void remember(struct audit_report *r, enum audit_class c, const struct audit_place *w,
                     const char *code, const char *text)
{
    json_t *o = json_object();
    json_object_set_new(o, "class", json_string(names[c]));
    json_object_set_new(o, "code", json_string(code));
    json_object_set_new(o, "message", json_string(text));
    if (w != NULL && w->has_leaf)
        json_object_set_new(o, "leaf", json_integer((json_int_t)w->leaf));
    if (w != NULL && w->topic != NULL) {
        json_object_set_new(o, "topic", json_string(w->topic));
        json_object_set_new(o, "partition", json_integer(w->partition));
        json_object_set_new(o, "offset", json_integer((json_int_t)w->offset));
    }
    json_array_append_new(r->findings, o);
}

void audit_finding(struct audit_report *r, enum audit_class c, const struct audit_place *where,
                   const char *code, const char *fmt, ...)
{
    char text[TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->counts[c]++;
    if (r->counts[c] > SHOWN)
        return;
    if (r->json) {
        remember(r, c, where, code, text);
        return;
    }
    clear_progress(r);
    fprintf(r->to, "%s:", names[c]);
    print_place(r->to, where);
    fprintf(r->to, " %s [%s]\n", text, code);
}

size_t audit_findings(const struct audit_report *r, enum audit_class c)
{
    return r->counts[c];
}

void audit_fact(struct audit_report *r, const char *name, const char *fmt, ...)
{
    char text[TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_object_set_new(r->facts, name, json_string(text));
}

void audit_progress(struct audit_report *r, const char *what, uint64_t done, uint64_t total)
{
    const int64_t now = cs_monotonic_ms();
    if (!r->terminal || now - r->progress_ms < PROGRESS_MS)
        return;
    r->progress_ms = now;
    r->progress_shown = true;
    fprintf(stderr, "\r\033[K%s: %llu of %llu leaves", what, (unsigned long long)done,
            (unsigned long long)total);
    fflush(stderr);
}

static int verdict(const struct audit_report *r)
{
    static const enum audit_class order[] = {AUDIT_INTEGRITY, AUDIT_UNAUTHORIZED, AUDIT_INCOMPLETE,
                                             AUDIT_CANNOT};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (r->counts[order[i]] > 0)
            return (int)order[i];
    }
    return AUDIT_PASS;
}

static void end_json(struct audit_report *r, int status)
{
    json_t *o = json_object();
    json_object_set_new(o, "verdict", json_string(names[status]));
    json_object_set_new(o, "exitStatus", json_integer(status));
    json_object_set(o, "facts", r->facts);
    json_object_set(o, "findings", r->findings);
    json_dumpf(o, r->to, JSON_INDENT(2));
    fputc('\n', r->to);
    json_decref(o);
}

int audit_report_end(struct audit_report *r)
{
    const char *key = NULL;
    json_t *value = NULL;
    const int status = verdict(r);
    clear_progress(r);
    if (r->json) {
        end_json(r, status);
        return status;
    }
    for (int c = 1; c < CLASSES; c++) {
        if (r->counts[c] > SHOWN)
            fprintf(r->to, "%s: %zu more\n", names[c], r->counts[c] - SHOWN);
    }
    json_object_foreach(r->facts, key, value)
    {
        fprintf(r->to, "%-12s %s\n", key, json_string_value(value));
    }
    fprintf(r->to, "%s\n", status == AUDIT_PASS ? "PASS" : "FAIL");
    if (status != AUDIT_PASS)
        fprintf(r->to, "exit status %d: %s\n", status, names[status]);
    return status;
}
