/* What the steps of one signing job share. Inside the worker only.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "evidence/evidence.h"
#include "results.h"

#include "proto/evidence.pb-c.h"
#include "proto/jobs.pb-c.h"

/* Everything borrowed from the hand's arena, but what 'owned' says. */
struct signing {
    struct hand *h;
    const Cs__Jobs__SigningJob *job;
    struct result_of of;
    struct cs_bytes bundle;
    struct cs_bytes manifest;
    struct cs_authorized *authorized; /* owned */
    int artifact;                     /* owned; -1: a hash request */
    bool was_signed;                  /* the artifact carries signatures already */
    struct cs_bytes signature;
    struct cs_bytes timestamp;
    int64_t timestamp_ms;
    const char *authority;
    struct cs_blob_draft draft; /* of the signed artifact */
    bool drafted;
};

/* assemble.c: timestamp, container, the check of the output, the blob. Fills 'out'. */
enum cs_rc assemble_run(struct signing *s, Cs__Common__Artifact *out,
                        struct cs_err *err) CS_MUST_CHECK;
