/* What the steps of the verifier share. Inside lib/evidence only.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "evidence/evidence.h"

#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/evidence.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/results.pb-c.h"

/* Grows link by link; a step may rely on the ones before it. All views into the arena. */
struct chain {
    struct cs_opener *opener;
    const struct cs_trust *trust;
    const struct cs_evidence_question *q;
    struct cs_arena *arena;
    const Cs__Evidence__EvidenceBundle *bundle;

    struct cs_event request_event;
    const Cs__Commands__RequestSubmitted *request;
    struct cs_bytes policy_body;
    const Cs__Config__SigningPolicy *policy;
    const Cs__Config__Certificate *certificate;
    struct cs_floor floor;
    const Cs__Evidence__Manifest *manifest; /* NULL for hash requests */
    uint8_t manifest_sha256[32];
    struct cs_event authorization_event;
    const Cs__Events__RequestAuthorized *authorization;
    const Cs__Evidence__AuthorizationBody *body;
    uint8_t body_sha256[32];
    size_t approvals;
};

static inline struct cs_bytes chain_bytes(const ProtobufCBinaryData *d)
{
    return cs_bytes(d->data, d->len);
}

/* Opens an envelope of the bundle and insists on its type. CS_DENIED with 'code' when it is missing
 * or something else; the opener's refusals as they are. */
enum cs_rc chain_open(struct chain *c, const ProtobufCBinaryData *envelope, const char *type,
                      const char *code, struct cs_event *out, struct cs_err *err) CS_MUST_CHECK;

/* The steps, in order. */
enum cs_rc chain_request(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_policy(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_certificate(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_floor(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_content(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_authorization(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc chain_approvals(struct chain *c, struct cs_err *err) CS_MUST_CHECK;
