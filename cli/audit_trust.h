/* The registries that were in force during a log's life: published in the log, signed by the root
 * key. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "trust/opener.h"

enum { AUDIT_VERSIONS = 256 };

/* One version, with an opener that knows its keys. */
struct audit_version {
    struct cs_trust *trust;
    struct cs_opener *opener;
};

struct audit_trust {
    struct cs_buf root_text;
    struct audit_version versions[AUDIT_VERSIONS]; /* oldest first */
    size_t n;
    size_t refused; /* published, but not signed by the root key */
};

/* Reads the root file. */
enum cs_rc audit_trust_open(struct audit_trust *t, const char *root_path,
                            struct cs_err *err) CS_MUST_CHECK;
void audit_trust_done(struct audit_trust *t);

/* Takes the registry of an envelope that the root key signed; others are counted and left. */
enum cs_rc audit_trust_add(struct audit_trust *t, struct cs_bytes registry_envelope,
                           struct cs_err *err) CS_MUST_CHECK;
/* If the record is a cs.config.RegistryPublished, takes its registry. */
enum cs_rc audit_trust_learn(struct audit_trust *t, struct cs_bytes envelope, struct cs_arena *a,
                             struct cs_err *err) CS_MUST_CHECK;

/* NULL while none is known. */
const struct audit_version *audit_trust_newest(const struct audit_trust *t);
/* The version that the root key had signed by then (the oldest one for anything earlier). */
const struct audit_version *audit_trust_at(const struct audit_trust *t, int64_t at_ms);
