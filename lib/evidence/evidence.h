/* The evidence chain: request -> manifest -> approvals -> authorization -> policy -> floor.
 * One verifier for keyd (before a key is used) and for the audit (long afterwards). design.md,
 * trust. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "trust/opener.h"

struct Cs__Evidence__SigningOptions;
struct Cs__Common__HashPayload;

struct Cs__Config__ConfigChanged;

/* How many different administrators' own keys signed this policy revision. */
unsigned cs_evidence_administrators(const struct cs_trust *trust,
                                    const struct Cs__Config__ConfigChanged *revision);

/* What is asked to be covered. */
struct cs_evidence_question {
    struct cs_bytes bundle;   /* serialized cs.evidence.EvidenceBundle */
    struct cs_bytes manifest; /* the manifest's bytes; empty for hash requests */
    const char *pool;         /* of the keyd that asks; NULL: any (audit) */
    const char *request_id;   /* of the job; NULL: any */
    int64_t now_ms;           /* keyd: the clock; audit: the time of the event */
};

/* "The chain was verified." Opaque: only cs_evidence_verify makes one, and keyd's key function
 * takes nothing else. Owns copies of everything it answers. */
struct cs_authorized;

/* CS_OK only when every link holds. Refusals are CS_DENIED with a code that names the link:
 * "evidence.request", "evidence.manifest", "evidence.inspection", "evidence.policy",
 * "evidence.administrator_signatures", "evidence.certificate", "evidence.authorization",
 * "evidence.expired", "evidence.quorum", "evidence.self_approval", "evidence.duplicate_approver",
 * "evidence.not_an_approver", "evidence.denied", "evidence.proof", "evidence.floor",
 * "evidence.hash_not_allowed", "evidence.pool"; or the envelope's own code. */
enum cs_rc cs_evidence_verify(struct cs_opener *opener, const struct cs_trust *trust,
                              const struct cs_evidence_question *q, struct cs_authorized **out,
                              struct cs_err *err) CS_MUST_CHECK;
void cs_authorized_free(struct cs_authorized *a);
void cs_authorized_freep(struct cs_authorized **a);

/* One thing that may be signed. Borrowed from the cs_authorized. */
struct cs_authorized_item {
    const char *item_id;
    const char *path;
    const char *format;           /* pe-file; "hash" for hash requests */
    struct cs_bytes file_sha256;  /* of the item as submitted */
    const char *digest_algorithm; /* sha256, ... */
    struct cs_bytes digest;       /* the approved format digest */
    const char *description;
    const char *description_url;
    bool append;
};

/* All borrowed, valid until cs_authorized_free. */
const char *cs_authorized_request_id(const struct cs_authorized *a);
const char *cs_authorized_organization_id(const struct cs_authorized *a);
const char *cs_authorized_pool(const struct cs_authorized *a);
const char *cs_authorized_policy_id(const struct cs_authorized *a);
uint64_t cs_authorized_policy_revision(const struct cs_authorized *a);
struct cs_bytes cs_authorized_artifact_sha256(const struct cs_authorized *a);
uint64_t cs_authorized_artifact_size(const struct cs_authorized *a);
const char *cs_authorized_key_label(const struct cs_authorized *a);
struct cs_bytes cs_authorized_key_spki_sha256(const struct cs_authorized *a);
/* DER certificates, leaf first. */
size_t cs_authorized_chain(const struct cs_authorized *a, const struct cs_bytes **chain);
size_t cs_authorized_items(const struct cs_authorized *a, const struct cs_authorized_item **items);
/* NULL unless it is a hash request. */
const struct Cs__Common__HashPayload *cs_authorized_hash(const struct cs_authorized *a);
/* SHA-256 of the authorization body. */
struct cs_bytes cs_authorized_body_sha256(const struct cs_authorized *a);
int64_t cs_authorized_signing_time_ms(const struct cs_authorized *a);
bool cs_authorized_timestamp_required(const struct cs_authorized *a);
/* How many approvals count, for reports. */
size_t cs_authorized_approvals(const struct cs_authorized *a);
