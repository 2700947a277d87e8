/* The mails: what each kind says about a request. Pure; all text is borrowed for the call.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#include <stdint.h>

struct Cs__Evidence__Manifest;
struct Cs__Common__Failure;
struct Cs__Common__KeyValue;

enum mail_kind {
    MAIL_APPROVAL,
    MAIL_REMINDER,
    MAIL_DECIDED,
    MAIL_SIGNED,
    MAIL_FAILED,
    MAIL_EXPIRED,
    MAIL_CANCELED
};
/* "approval", ...: as in deliveries.kind and DeliveryReported.kind. */
const char *mail_kind_name(enum mail_kind kind);
/* false when there is no such kind. */
bool mail_kind_parse(const char *name, enum mail_kind *out);

struct mail_certificate {
    const char *name;
    const char *subject;
    const char *issuer;
    const char *key_type;
    int64_t not_after_ms;
};

/* One decision that was made; what decided mails tell. */
struct mail_vote {
    const char *name;
    bool denied;
    int64_t at_ms;
    const char *comment;
};

/* What is known about the request; NULL, 0 and "" where it is not. */
struct mail_story {
    const char *request_id;
    const char *organization;
    const char *project;
    const char *policy;
    uint32_t quorum;
    const char *requester;
    const char *description;
    int64_t submitted_at_ms;
    int64_t expires_at_ms;
    const char *file_name;
    uint64_t size;
    const uint8_t *sha256; /* 32 bytes */
    const struct Cs__Evidence__Manifest *manifest;
    struct mail_certificate certificate;
    struct Cs__Common__KeyValue *const *origin;
    size_t n_origin;
    const struct mail_vote *votes;
    size_t n_votes;
    const struct Cs__Common__Failure *failure;
    const char *actor; /* who denied or canceled */
};

/* One mail to one person. link and codes: approval and reminder only. */
struct mail_order {
    enum mail_kind kind;
    bool again; /* sent once more because an operator asked, or after five wrong codes */
    const char *recipient;
    const char *link;
    const char *approve; /* 8 characters */
    const char *deny;
};

struct mail_content {
    const char *subject; /* in the arena; one line, no control characters */
    struct cs_buf text;
    struct cs_buf html;
};
/* Large enough for the worst manifest, so that no artifact can keep its mail from being sent. */
enum { MAIL_ARENA = 4 << 20, MAIL_PART_MAX = 4 << 20, MAIL_ITEMS_MAX = 20 };

void mail_content_done(struct mail_content *c);

/* Fills *out (zeroed by the caller, released with mail_content_done); 'a' has room for MAIL_ARENA.
 * CS_NOMEM, CS_LIMIT; CS_INVALID when an approval mail lacks its link or codes. */
enum cs_rc mail_compose(const struct mail_order *o, const struct mail_story *s, struct cs_arena *a,
                        struct mail_content *out, struct cs_err *err) CS_MUST_CHECK;
