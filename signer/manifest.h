/* From an artifact, its configuration and its parameters to the manifest that people approve.
 * Runs in the parser child. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#include "proto/jobs.pb-c.h"

/* Serialized cs.evidence.Manifest of the file 'fd', in the arena. Errors are for people: the
 * format's codes ("pe.not_pe", ...), "artifact_configuration.*", "restriction.mismatch",
 * "signature.missing", "signature.invalid". */
enum cs_rc manifest_make(int fd, const Cs__Jobs__InspectionJob *job, struct cs_arena *a,
                         struct cs_bytes *out, struct cs_err *err) CS_MUST_CHECK;
