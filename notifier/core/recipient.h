/* Whether codes may go to an address: the invitation, what it is for, the policy that names the
 * approver, and the address have to hang together. Pure: envelopes are verified by the caller.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/notices.pb-c.h"

/* What is known of one invitation. The database said which envelopes to open; nothing here is
 * believed before recipient_check has compared it. All borrowed. */
struct recipient_evidence {
    const Cs__Notices__InvitationCreated *invitation; /* under the notifier's own signature */
    struct cs_bytes authorization_body;               /* what the invitation is for */
    const Cs__Commands__RequestSubmitted *request;    /* what the mail shows */
    struct cs_bytes manifest_sha256;                  /* what the mail shows */
    const Cs__Config__ConfigChanged *revision;        /* of the policy */
    const Cs__Config__SigningPolicy *policy;          /* inside the revision */
    int floor_assurance;                              /* of the key, by the trust registry */
    unsigned floor_signatures;
    unsigned signatures; /* administrators whose signatures the revision carries */
};

/* CS_OK only when the secrets of this invitation may go to that address of that user.
 * CS_DENIED: "notifier.other_invitation" (another approver's or request's),
 * "notifier.other_content" (the mail would show something else than what the approval binds to),
 * "notifier.other_policy" (not the revision that the approval binds to),
 * "notifier.unsigned_policy", "notifier.not_an_approver", "notifier.other_address". CS_INVALID: the
 * body cannot be read. */
enum cs_rc recipient_check(const struct recipient_evidence *e, const char *user_id,
                           const char *address, struct cs_err *err) CS_MUST_CHECK;
/* Whether SHA-256(salt + address with ASCII letters in lower case) is the hash that was frozen. */
bool recipient_same_address(const char *address, const ProtobufCBinaryData *salt,
                            const ProtobufCBinaryData *hash);
