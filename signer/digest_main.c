/* countersign-digest: the second opinion, confined. "digest" says what a file's digests are,
 * "verify" whether a finished file carries the approved digest and a right signature.
 * SPDX-License-Identifier: Apache-2.0 */
#include "child_io.h"
#include "digest/digest.h"

#include "proto/signer_internal.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_MAX = 8 << 20 };

static enum cs_rc digest(const Cs__Signer__DigestRequest *q, Cs__Signer__DigestAnswer *answer,
                         struct cs_err *err)
{
    static struct cs_second_digest d;
    if (strcmp(q->format, "pe-file") != 0)
        return cs_err_code(err, CS_UNSUPPORTED, "format.unknown", "no format is called \"%.40s\"",
                           q->format);
    CS_TRY(cs_second_pe_digest(CHILD_IN, q->algorithm, &d, err));
    answer->size = d.size;
    answer->sha256 = (ProtobufCBinaryData){.data = d.sha256, .len = sizeof(d.sha256)};
    answer->image_digest = (ProtobufCBinaryData){.data = d.image, .len = d.image_len};
    return CS_OK;
}

static enum cs_rc verify(const Cs__Signer__DigestRequest *q, Cs__Signer__DigestAnswer *answer,
                         struct cs_err *err)
{
    const struct cs_second_expect want = {.algorithm = q->algorithm,
                                          .digest = cs_bytes(q->digest.data, q->digest.len),
                                          .leaf = cs_bytes(q->leaf.data, q->leaf.len),
                                          .timestamp = q->timestamp != 0,
                                          .nested = q->nested != 0};
    if (strcmp(q->format, "pe-file") != 0)
        return cs_err_code(err, CS_UNSUPPORTED, "format.unknown", "no format is called \"%.40s\"",
                           q->format);
    return cs_second_pe_verify(CHILD_IN, &want, &answer->timestamp_ms, err);
}

static enum cs_rc run(const char *what, struct cs_arena *a, struct cs_err *err)
{
    static char code[sizeof(err->code)];
    Cs__Signer__DigestAnswer answer = CS__SIGNER__DIGEST_ANSWER__INIT;
    Cs__Common__Failure failure = CS__COMMON__FAILURE__INIT;
    struct ProtobufCMessage *q = NULL;
    CS_TRY(child_begin(&cs__signer__digest_request__descriptor, a, &q, err));
    const enum cs_rc rc = strcmp(what, "digest") == 0
                              ? digest((const Cs__Signer__DigestRequest *)q, &answer, err)
                              : verify((const Cs__Signer__DigestRequest *)q, &answer, err);
    if (rc == CS_RETRY || rc == CS_NOMEM || rc == CS_FATAL)
        return rc;
    if (rc != CS_OK) {
        snprintf(code, sizeof(code), "%s", child_code(err, "digest.failed"));
        failure.code = code;
        failure.message = err->msg;
        answer.failure = &failure;
    }
    return child_answer(&answer.base, a, err);
}

int main(int argc, char **argv)
{
    struct cs_err err = {0};
    struct cs_arena *a = cs_arena_new(ARENA_MAX);
    if (a == NULL || argc != 2 ||
        (strcmp(argv[1], "digest") != 0 && strcmp(argv[1], "verify") != 0))
        return 2;
    const enum cs_rc rc = run(argv[1], a, &err);
    if (rc != CS_OK)
        fprintf(stderr, "countersign-digest %s: %s\n", argv[1], err.msg);
    cs_arena_free(a);
    return rc == CS_OK ? 0 : 1;
}
