/* Requests from the scheduler's records; see requests.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include "answer.h"
#include "base/clock.h"
#include "codec/message.h"
#include "core/authorize.h"
#include "model/ids.h"

#include "proto/envelope.pb-c.h"

#include <string.h>
#include <time.h>

enum { KNOW_MS = 3000, STEP_MS = 50 };

static const struct {
    const char *status;
    const char *workflow;
} names[] = {{"InProgress", "Submitted"},
             {"InProgress", "Submitted"},
             {"InProgress", "Submitted"},
             {"InProgress", "Submitted"},
             {"WaitingForApproval", "WaitingForApproval"},
             {"InProgress", "QueuedForProcessing"},
             {"InProgress", "Processing"},
             {"Completed", "Completed"},
             {"Failed", "ProcessingFailed"},
             {"Denied", "Denied"},
             {"Canceled", "Canceled"},
             {"Canceled", "Canceled"}};
enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

const char *request_status(Cs__Events__State s)
{
    return names[(unsigned)s < N_NAMES ? s : 0].status;
}

const char *request_workflow_status(Cs__Events__State s)
{
    return names[(unsigned)s < N_NAMES ? s : 0].workflow;
}

bool request_final(Cs__Events__State s)
{
    return s >= CS__EVENTS__STATE__STATE_COMPLETED;
}

const char *request_link(struct call *c, const char *request_id, const char *suffix)
{
    const char *link = cs_arena_printf(c->a, "%s/Api/v1/%s/SigningRequests/%s%s", c->g->public_url,
                                       c->route.organization, request_id, suffix);
    return link == NULL ? "" : link;
}

/* The payload inside an envelope that the scheduler verified when it stored it. */
static enum cs_rc open_stored(struct cs_bytes envelope, struct cs_arena *a,
                              const Cs__Commands__RequestSubmitted **out, struct cs_err *err)
{
    ProtobufCMessage *m = NULL;
    CS_TRY(cs_message_unpack(&cs__envelope__envelope__descriptor, envelope, a, &m, err));
    const Cs__Envelope__Envelope *e = (const Cs__Envelope__Envelope *)m;
    CS_TRY(cs_message_unpack(&cs__commands__request_submitted__descriptor,
                             cs_bytes(e->payload.data, e->payload.len), a, &m, err));
    *out = (const Cs__Commands__RequestSubmitted *)m;
    return CS_OK;
}

static enum cs_rc read_record(struct call *c, struct cs_db *db, struct found_request *out,
                              struct cs_err *err)
{
    struct cs_rows rows;
    ProtobufCMessage *m = NULL;
    const struct cs_value v[] = {CS_VT(c->route.request), CS_VT(c->route.organization)};
    CS_TRY(cs_db_query(db, "SELECT record FROM requests WHERE request_id=? AND organization_id=?",
                       v, 2, c->a, &rows, err));
    if (rows.rows == 0)
        return CS_NOT_FOUND;
    CS_TRY(cs_message_unpack(&cs__store__request_record__descriptor, cs_cell(&rows, 0, 0), c->a, &m,
                             err));
    out->r = (const Cs__Store__RequestRecord *)m;
    return open_stored(gw_bytes(&out->r->request_envelope), c->a, &out->request, err);
}

/* Submitted here or elsewhere, not applied yet. */
static enum cs_rc read_pending(struct call *c, struct cs_db *db, struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VT(c->route.request), CS_VT(c->route.organization)};
    CS_TRY(cs_db_query(db, "SELECT 1 FROM submissions WHERE request_id=? AND organization_id=?", v,
                       2, c->a, &rows, err));
    return rows.rows > 0 ? CS_OK : CS_NOT_FOUND;
}

/* Whether everything that was on cs.commands when we were asked has been applied. */
static enum cs_rc passed(struct call *c, struct cs_db *db, int partition, int64_t end, bool *out,
                         struct cs_err *err)
{
    struct cs_rows rows;
    const struct cs_value v[] = {CS_VI(partition)};
    CS_TRY(cs_db_query(db,
                       "SELECT next_offset FROM consumed_offsets WHERE topic='cs.commands' AND "
                       "partition_no=?",
                       v, 1, c->a, &rows, err));
    *out = end == 0 || (rows.rows == 1 && cs_cell_int(&rows, 0, 0) >= end);
    return CS_OK;
}

/* CS_NOT_FOUND only once nobody can still know it: until then it may be on its way. */
static enum cs_rc find(struct call *c, struct cs_db *db, struct found_request *out,
                       struct cs_err *err)
{
    const struct cs_bus_producer *bus = cs_kafka_producer_port(c->g->producer);
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    int partitions = 0;
    int64_t end = -1;
    enum cs_rc rc = read_record(c, db, out, err);
    if (rc == CS_NOT_FOUND)
        rc = read_pending(c, db, err);
    if (rc != CS_NOT_FOUND)
        return rc;
    CS_TRY(bus->partitions(bus->self, "cs.commands", &partitions, err));
    const int partition = cs_partition_of(c->route.request, partitions);
    CS_TRY(cs_kafka_producer_end(c->g->producer, "cs.commands", partition, &end, err));
    for (const int64_t until = cs_monotonic_ms() + KNOW_MS; cs_monotonic_ms() < until;) {
        bool done = false;
        CS_TRY(passed(c, db, partition, end, &done, err));
        rc = read_record(c, db, out, err);
        if (rc != CS_NOT_FOUND || done)
            return rc;
        nanosleep(&step, NULL);
    }
    return cs_err_code(err, CS_RETRY, "request.unknown_yet",
                       "nobody knows yet whether this request exists");
}

static bool may_read(struct call *c, const struct found_request *f)
{
    struct view_entity policy;
    struct view_entity project;
    struct subject s = {0};
    if (f->r == NULL)
        return true; /* nothing is shown of it */
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, f->r->policy_id, true,
                 c->a, &policy, NULL) == CS_OK)
        s.policy = (const Cs__Config__SigningPolicy *)policy.message;
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, f->r->project_id, true, c->a,
                 &project, NULL) == CS_OK)
        s.project = (const Cs__Config__Project *)project.message;
    s.submitter_id = f->request->submitter == NULL ? NULL : f->request->submitter->user_id;
    return authorize(c->who.user, ACTION_READ, &s);
}

bool request_load(struct call *c, struct cs_db *db, struct found_request *out)
{
    struct cs_err err = {0};
    *out = (struct found_request){0};
    const enum cs_rc rc = find(c, db, out, &err);
    if (rc == CS_OK && may_read(c, out))
        return true;
    err.rc = rc;
    if (rc == CS_OK || rc == CS_NOT_FOUND)
        answer_forbidden(c);
    else
        answer_error(c, &err);
    return false;
}
