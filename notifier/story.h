/* Everything that a mail tells, read from the request's record, the configuration and the blobs.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "deliveries.h"

#include "proto/config.pb-c.h"
#include "proto/store.pb-c.h"

struct story {
    struct mail_story mail;
    const Cs__Store__RequestRecord *r;
    const struct Cs__Commands__RequestSubmitted *submitted;
    const Cs__Config__SigningPolicy *policy; /* NULL before one was in force */
    const Cs__Config__ConfigChanged *policy_revision;
};

/* What is needed to read: one of each per sender. */
struct reader {
    struct notifier *n;
    struct cs_db *db;
    struct cs_opener *opener;
    struct cs_arena *a;
};

/* CS_NOT_FOUND when the request is not there. */
enum cs_rc story_read(struct reader *r, const char *request_id, struct story *out,
                      struct cs_err *err) CS_MUST_CHECK;
/* Name and address of a person; CS_NOT_FOUND when they were forgotten. In the arena. */
enum cs_rc story_person(struct reader *r, const char *user_id, const char **name,
                        const char **address, struct cs_err *err) CS_MUST_CHECK;
/* Personal text in clear; "" when it cannot be opened. */
const char *story_open_text(struct reader *r, const struct Cs__Common__SealedText *t);
