/* The table of mails to be sent: at least once, with backoff, by any notifier.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "notifier.h"

struct delivery {
    const char *id;
    const char *request_id;
    const char *organization_id;
    const char *recipient_id;
    enum mail_kind kind;
    struct cs_bytes payload; /* the event's envelope */
    unsigned attempts;
    int64_t due_at_ms;
};

/* Ignores one that is there already. */
enum cs_rc delivery_add(struct cs_db *db, const struct delivery *d,
                        struct cs_err *err) CS_MUST_CHECK;
/* One that is due, claimed for this sender for 45 s; CS_NOT_FOUND. In the arena. */
enum cs_rc delivery_claim(struct cs_db *db, struct cs_arena *a, struct delivery *out,
                          struct cs_err *err) CS_MUST_CHECK;
enum cs_rc delivery_done(struct cs_db *db, const struct delivery *d, bool sent, const char *detail,
                         struct cs_err *err) CS_MUST_CHECK;
enum cs_rc delivery_again(struct cs_db *db, const struct delivery *d, int64_t due_at_ms,
                          const char *detail, struct cs_err *err) CS_MUST_CHECK;
