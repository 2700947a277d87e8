/* First reading of a log; see audit_open.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_open.h"

#include "base/file.h"
#include "base/guard.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/message.h"

#include "proto/audit.pb-c.h"

#include <string.h>
#include <unistd.h>

void audit_opened_done(struct audit_opened *o)
{
    audit_trust_done(&o->trust);
    cs_log_source_close(o->source);
    o->source = NULL;
}

static enum cs_rc learn(void *self, const struct audit_leaf *l, struct cs_err *err)
{
    struct audit_opened *o = self;
    if (l->entry == NULL || strcmp(l->entry->topic, "cs.config") != 0)
        return CS_OK;
    const size_t refused = o->trust.refused;
    CS_TRY(audit_trust_learn(&o->trust, cs_bytes(l->entry->value.data, l->entry->value.len),
                             l->arena, err));
    if (o->trust.refused > refused)
        o->refused_leaf = l->index;
    return CS_OK;
}

/* The registry given, or the one that lies beside the trust root: the root signed it, so nothing
 * else has to be believed. */
static enum cs_rc add_registry(struct audit_opened *o, const struct audit_question *q,
                               struct cs_err *err)
{
    char beside[600];
    CS_AUTO_BUF bytes = CS_BUF_INIT(CS_ENVELOPE_MAX);
    const char *slash = strrchr(q->trust_root, '/');
    const char *path = q->registry;
    if (path == NULL) {
        CS_TRY(cs_strf(beside, sizeof(beside), err, "%.*sregistry.bin",
                       slash == NULL ? 0 : (int)(slash - q->trust_root + 1), q->trust_root));
        path = beside;
        if (access(path, R_OK) != 0)
            return CS_OK;
    }
    CS_TRY(cs_file_read(path, &bytes, err));
    return audit_trust_add(&o->trust, cs_buf_view(&bytes), err);
}

static enum cs_rc read_key(const char *given, struct cs_note_key *out, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(4096);
    if (access(given, R_OK) != 0)
        return cs_note_key_parse(given, out, err);
    CS_TRY(cs_file_read(given, &text, err));
    const char *line = cs_buf_cstr(&text);
    return line == NULL ? cs_err_set(err, CS_INVALID, "%s: too long", given)
                        : cs_note_key_parse(line, out, err);
}

static void note_signer(struct audit_report *report, const struct cs_note_key *k)
{
    CS_AUTO_BUF text = CS_BUF_INIT(512);
    if (cs_note_key_format(k, &text, NULL) == CS_OK && cs_buf_cstr(&text) != NULL)
        audit_fact(report, "signed by", "%s", cs_buf_cstr(&text));
}

/* Whether the registry says that this is an auditor's key. */
static bool is_auditor(const struct audit_trust *t, const uint8_t *public_key)
{
    struct cs_trust_key k;
    const struct audit_version *v = audit_trust_newest(t);
    for (size_t i = 0; v != NULL && cs_trust_service_key_at(v->trust, i, &k); i++) {
        if (k.role == CS_ROLE_AUDITOR && memcmp(k.public_key, public_key, 32) == 0)
            return true;
    }
    return false;
}

static enum cs_rc check_given(struct audit_opened *o, const char *given, struct cs_bytes note,
                              struct audit_report *report, struct cs_err *err)
{
    struct cs_note_key k;
    CS_TRY(read_key(given, &k, err));
    if (cs_checkpoint_open(note, &k, &o->checkpoint, err) != CS_OK) {
        audit_finding(report, AUDIT_INTEGRITY, NULL, err->code, "checkpoint: %s", err->msg);
        return CS_OK;
    }
    note_signer(report, &k);
    if (audit_trust_newest(&o->trust) != NULL && !is_auditor(&o->trust, k.public_key))
        audit_finding(report, AUDIT_UNAUTHORIZED, NULL, "audit.log_key",
                      "the registry does not know the log's key as an auditor's");
    return CS_OK;
}

static enum cs_rc check_registered(struct audit_opened *o, struct cs_bytes note,
                                   struct audit_report *report, struct cs_err *err)
{
    struct cs_trust_key known;
    struct cs_checkpoint c;
    const struct audit_version *v = audit_trust_newest(&o->trust);
    for (size_t i = 0; cs_trust_service_key_at(v->trust, i, &known); i++) {
        struct cs_note_key k;
        if (known.role != CS_ROLE_AUDITOR)
            continue;
        CS_TRY(cs_note_key_make(o->checkpoint.origin, known.public_key, &k, err));
        if (cs_checkpoint_open(note, &k, &c, NULL) != CS_OK)
            continue;
        note_signer(report, &k);
        return CS_OK;
    }
    audit_finding(report, AUDIT_INTEGRITY, NULL, "note.unsigned",
                  "checkpoint: no auditor's key of the registry signed it");
    return CS_OK;
}

static enum cs_rc read_since(struct audit_opened *o, const struct audit_question *q,
                             struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(CS_NOTE_MAX);
    if (q->since == NULL)
        return CS_OK;
    CS_TRY(cs_file_read(q->since, &note, err));
    CS_TRY(cs_checkpoint_open(cs_buf_view(&note), NULL, &o->earlier, err));
    o->has_earlier = true;
    return CS_OK;
}

static void note_head(const struct audit_opened *o, struct audit_report *report)
{
    CS_AUTO_STR root = cs_base64_encode(o->checkpoint.head.root.b, 32);
    audit_fact(report, "log", "%s", o->checkpoint.origin);
    audit_fact(report, "leaves", "%llu", (unsigned long long)o->checkpoint.head.size);
    audit_fact(report, "root", "%s", root == NULL ? "" : root);
}

static enum cs_rc check_signature(struct audit_opened *o, const struct audit_question *q,
                                  struct cs_bytes note, struct audit_report *report,
                                  struct cs_err *err)
{
    if (q->log_key != NULL)
        return check_given(o, q->log_key, note, report, err);
    if (audit_trust_newest(&o->trust) == NULL)
        return cs_err_code(err, CS_NOT_FOUND, "audit.no_registry",
                           "neither the log nor the trust root's folder has a registry that this "
                           "root key signed: is it the right root?");
    return check_registered(o, note, report, err);
}

static enum cs_rc first_reading(struct audit_opened *o, const struct audit_question *q,
                                struct audit_report *report, struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(CS_NOTE_MAX);
    CS_TRY(cs_log_source_fetch(o->source, "checkpoint", &note, err));
    if (cs_checkpoint_open(cs_buf_view(&note), NULL, &o->checkpoint, err) != CS_OK) {
        audit_finding(report, AUDIT_INTEGRITY, NULL, err->code, "checkpoint: %s", err->msg);
        return CS_OK;
    }
    note_head(o, report);
    const struct audit_walk w = {.source = o->source,
                                 .head = o->checkpoint.head,
                                 .earlier = o->has_earlier ? &o->earlier.head : NULL,
                                 .report = report,
                                 .what = "integrity",
                                 .self = o,
                                 .leaf = learn};
    CS_TRY(audit_walk(&w, err));
    CS_TRY(add_registry(o, q, err));
    return check_signature(o, q, cs_buf_view(&note), report, err);
}

enum cs_rc audit_open(const struct audit_question *q, struct audit_report *report,
                      struct audit_opened *out, struct cs_err *err)
{
    memset(out, 0, sizeof(*out));
    CS_TRY(audit_trust_open(&out->trust, q->trust_root, err));
    CS_TRY(cs_log_source_open(q->log, q->ca_file, &out->source, err));
    CS_TRY(read_since(out, q, err));
    return first_reading(out, q, report, err);
}

static enum cs_rc read_head(struct audit_opened *o, const struct audit_question *q,
                            struct audit_report *report, struct cs_err *err)
{
    CS_AUTO_BUF note = CS_BUF_INIT(CS_NOTE_MAX);
    CS_TRY(audit_trust_open(&o->trust, q->trust_root, err));
    CS_TRY(cs_log_source_open(q->log, q->ca_file, &o->source, err));
    CS_TRY(cs_log_source_fetch(o->source, "checkpoint", &note, err));
    if (cs_checkpoint_open(cs_buf_view(&note), NULL, &o->checkpoint, err) != CS_OK) {
        audit_finding(report, AUDIT_INTEGRITY, NULL, err->code, "checkpoint: %s", err->msg);
        return CS_OK;
    }
    note_head(o, report);
    CS_TRY(add_registry(o, q, err));
    return check_signature(o, q, cs_buf_view(&note), report, err);
}

enum cs_rc audit_head(const struct audit_question *q, struct audit_report *report,
                      struct cs_tlog_head *out, struct cs_err *err)
{
    struct audit_opened *o = cs_calloc(1, sizeof(*o));
    if (o == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    const enum cs_rc rc = read_head(o, q, report, err);
    *out = o->checkpoint.head;
    audit_opened_done(o);
    cs_free(o);
    return rc;
}
