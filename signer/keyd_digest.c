/* keyd's own look at the artifact, by a confined child and the second implementation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "children.h"
#include "keyd.h"

enum { DIGEST_TIMEOUT_MS = 300000 };

static bool equal(struct cs_bytes want, const ProtobufCBinaryData *have)
{
    return want.len > 0 && cs_bytes_eq(want, cs_bytes(have->data, have->len));
}

static enum cs_rc ask(const struct keyd *k, const struct cs_authorized_item *item, int fd,
                      struct cs_arena *a, const Cs__Signer__DigestAnswer **out, struct cs_err *err)
{
    Cs__Signer__DigestRequest q = CS__SIGNER__DIGEST_REQUEST__INIT;
    struct ProtobufCMessage *m = NULL;
    union {
        const char *in;
        char *out;
    } format = {.in = item->format}, algorithm = {.in = item->digest_algorithm};
    q.format = format.out;
    q.algorithm = algorithm.out;
    const struct child_question question = {.path = k->o.digest_path,
                                            .verb = "digest",
                                            .in = fd,
                                            .out = -1,
                                            .message = &q.base,
                                            .answer = &cs__signer__digest_answer__descriptor,
                                            .timeout_ms = DIGEST_TIMEOUT_MS};
    CS_TRY(child_ask(&question, a, &m, err));
    *out = (const Cs__Signer__DigestAnswer *)m;
    return CS_OK;
}

enum cs_rc keyd_check_artifact(const struct keyd *k, const struct cs_authorized *authorized,
                               const struct cs_authorized_item *item, int fd, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    const Cs__Signer__DigestAnswer *d = NULL;
    if (fd < 0)
        return cs_err_code(err, CS_INVALID, "keyd.artifact", "no artifact came with the request");
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(ask(k, item, fd, a, &d, err));
    if (d->failure != NULL)
        return cs_err_code(err, CS_DENIED, "keyd.digest",
                           "the second implementation cannot read the artifact: %.300s",
                           d->failure->message);
    if (CS_GUARD("keyd-artifact-sha256") &&
        (!equal(cs_authorized_artifact_sha256(authorized), &d->sha256) ||
         d->size != cs_authorized_artifact_size(authorized)))
        return cs_err_code(err, CS_DENIED, "keyd.digest",
                           "the artifact in the store is not the one that was submitted");
    if (CS_GUARD("keyd-image-digest") && !equal(item->digest, &d->image_digest))
        return cs_err_code(err, CS_DENIED, "keyd.digest",
                           "what would be signed is not what was approved (%s digest of '%.80s')",
                           item->digest_algorithm, item->path);
    return CS_OK;
}
