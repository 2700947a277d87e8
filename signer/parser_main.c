/* countersign-parser: the only program that reads artifacts' insides. One job, confined, then gone.
 * "inspect" answers with a manifest, "assemble" writes a signature into a new file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "child_io.h"
#include "format/format.h"
#include "manifest.h"

#include "proto/signer_internal.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_MAX = 64 << 20 };

static Cs__Common__Failure *failure_of(struct cs_err *err, Cs__Common__Failure *f)
{
    static char code[sizeof(err->code)];
    snprintf(code, sizeof(code), "%s", child_code(err, "parser.failed"));
    cs__common__failure__init(f);
    f->code = code;
    f->message = err->msg;
    return f;
}

static enum cs_rc inspect(struct cs_arena *a, struct cs_err *err)
{
    Cs__Signer__InspectAnswer answer = CS__SIGNER__INSPECT_ANSWER__INIT;
    Cs__Common__Failure failure;
    struct ProtobufCMessage *job = NULL;
    struct cs_bytes manifest = {0};
    CS_TRY(child_begin(&cs__jobs__inspection_job__descriptor, a, &job, err));
    const enum cs_rc rc =
        manifest_make(CHILD_IN, (const Cs__Jobs__InspectionJob *)job, a, &manifest, err);
    if (rc == CS_RETRY || rc == CS_NOMEM || rc == CS_FATAL)
        return rc;
    if (rc != CS_OK) {
        answer.failure = failure_of(err, &failure);
    } else {
        answer.manifest.data = cs_arena_memdup(a, manifest.ptr, manifest.len);
        answer.manifest.len = manifest.len;
    }
    return child_answer(&answer.base, a, err);
}

static enum cs_rc assemble(struct cs_arena *a, struct cs_err *err)
{
    Cs__Signer__AssembleAnswer answer = CS__SIGNER__ASSEMBLE_ANSWER__INIT;
    Cs__Common__Failure failure;
    struct ProtobufCMessage *m = NULL;
    CS_TRY(child_begin(&cs__signer__assemble_request__descriptor, a, &m, err));
    const Cs__Signer__AssembleRequest *q = (const Cs__Signer__AssembleRequest *)m;
    const struct cs_format *format = cs_format_find(q->format);
    enum cs_rc rc = CS_UNSUPPORTED;
    if (format != NULL)
        rc = format->assemble(CHILD_IN, CHILD_OUT, cs_bytes(q->signature.data, q->signature.len),
                              q->append != 0, err);
    else
        cs_err_code(err, rc, "format.unknown", "no format is called \"%.40s\"", q->format);
    if (rc == CS_RETRY || rc == CS_NOMEM || rc == CS_FATAL)
        return rc;
    if (rc != CS_OK)
        answer.failure = failure_of(err, &failure);
    return child_answer(&answer.base, a, err);
}

int main(int argc, char **argv)
{
    struct cs_err err = {0};
    struct cs_arena *a = cs_arena_new(ARENA_MAX);
    if (a == NULL || argc != 2)
        return 2;
    const enum cs_rc rc = strcmp(argv[1], "inspect") == 0    ? inspect(a, &err)
                          : strcmp(argv[1], "assemble") == 0 ? assemble(a, &err)
                                                             : CS_INVALID;
    if (rc != CS_OK)
        fprintf(stderr, "countersign-parser %s: %s\n", argv[1], err.msg);
    cs_arena_free(a);
    return rc == CS_OK ? 0 : 1;
}
