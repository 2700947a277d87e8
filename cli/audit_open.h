/* A log made ready for reading: its source, the registries in it, a checkpoint whose signature was
 * checked. Shared by the audit commands. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_log.h"
#include "audit_trust.h"
#include "audit_verify.h"

struct audit_opened {
    struct cs_log_source *source;
    struct audit_trust trust;
    struct cs_checkpoint checkpoint;
    struct cs_checkpoint earlier; /* with --since */
    bool has_earlier;
    uint64_t refused_leaf; /* the last one whose registry the root key did not sign */
};

/* Reads the log once: integrity findings go to the report, registries into opened->trust. CS_DENIED
 * and CS_INVALID became findings; what is returned is why it could not be done. */
enum cs_rc audit_open(const struct audit_question *q, struct audit_report *report,
                      struct audit_opened *out, struct cs_err *err) CS_MUST_CHECK;
/* The checkpoint's head alone, its signature checked by the key that was given or by the registry
 * beside the trust root; the log is not read. A wrong signature is a finding. */
enum cs_rc audit_head(const struct audit_question *q, struct audit_report *report,
                      struct cs_tlog_head *out, struct cs_err *err) CS_MUST_CHECK;
void audit_opened_done(struct audit_opened *o);
