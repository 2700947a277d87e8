/* Mail out: one message to one person, sent at least once.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdint.h>

struct cs_mailbox {
    const char *name; /* UTF-8, for people; may be empty */
    const char *address;
};

/* Everything is borrowed for the call and UTF-8. Control characters in any header are refused. */
struct cs_mail {
    struct cs_mailbox from;
    struct cs_mailbox to;
    const char *subject;
    const char *message_id; /* without angle brackets; the same for every try of one delivery */
    const char *thread_id;  /* all mails of a request refer to it; without angle brackets */
    const char *delivery_id;
    int64_t date_ms; /* when the mail was asked for: the same for every try */
    struct cs_bytes text;
    struct cs_bytes html;
};

/* One thread at a time. */
struct cs_mail_port {
    void *self;
    /* CS_OK once the relay has taken the mail over. CS_RETRY: not now (no connection, time out,
     * 4xx), and possibly delivered when the connection broke at the end. CS_INVALID
     * ("mail.bounced"): refused for good (5xx). CS_DENIED ("mail.login"): the relay does not
     * accept our credentials or certificate; nobody's mail goes out until that is corrected. */
    enum cs_rc (*send)(void *self, const struct cs_mail *mail, struct cs_err *err);
};
