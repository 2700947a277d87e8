/* Requests as the scheduler stored them, and what may be known before it has.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "gateway.h"

#include "proto/commands.pb-c.h"
#include "proto/store.pb-c.h"

#include <jansson.h>

struct found_request {
    const Cs__Store__RequestRecord *r;             /* NULL: submitted, not applied yet */
    const Cs__Commands__RequestSubmitted *request; /* opened from the record */
};

/* Looks it up and checks that the caller may see it. Answers the call and returns false when not:
 * 403 for unknown and foreign ones alike, 503 while nobody can know. */
bool request_load(struct call *c, struct cs_db *db, struct found_request *out);
/* The public names of a state. */
const char *request_status(Cs__Events__State s);
const char *request_workflow_status(Cs__Events__State s);
bool request_final(Cs__Events__State s);
/* ".../Api/v1/ORG/SigningRequests/ID", in the call's arena. */
const char *request_link(struct call *c, const char *request_id, const char *suffix);
/* Publishes a command about a request; CS_RETRY in doubt. Header fields but the event id are
 * filled; event_id has room for CS_UUID_TEXT. */
enum cs_rc request_command(struct gateway *g, const char *request_id, ProtobufCMessage *m,
                           Cs__Common__Header *h, struct cs_err *err) CS_MUST_CHECK;

/* submission.c: from the fields of a submission to an event. */
struct submission {
    const char *project_slug;
    const char *policy_slug;
    const char *policy_id;
    const char *configuration_slug;
    const char *configuration_id;
    const char *description;
    bool fast;
    uint32_t cancellation_timeout_s;
    Cs__Common__KeyValue *parameters[64];
    size_t n_parameters;
    Cs__Common__KeyValue *origin[64];
    size_t n_origin;
    bool has_artifact;
    char file_name[256];
    uint64_t size;
    uint8_t sha256[32];
    struct cs_blob_draft *draft;         /* of the artifact */
    const Cs__Common__HashPayload *hash; /* instead of an artifact */
};
struct submitted {
    char request_id[CS_UUID_TEXT];
    const Cs__Config__SigningPolicy *policy;
    struct waiter *waiter; /* asked for with 'wait'; the caller frees it */
    bool again;            /* it was found, not made */
};
/* Answers the call and returns false when it cannot be accepted. */
bool submission_accept(struct call *c, struct submission *s, bool wait, struct submitted *out);

/* Waits for the end of a fast request: its RequestStateChanged; NULL (and answered 503 or 400) when
 * it failed or took too long. */
const Cs__Events__RequestStateChanged *submission_result(struct call *c, struct submitted *s);
