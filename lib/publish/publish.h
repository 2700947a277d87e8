/* Publishes events: fills headers, seals what has queued as one batch, sends in order, waits for
 * acks. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "codec/types.h"
#include "crypto/sign.h"
#include "port/bus.h"

struct ProtobufCMessage;
struct cs_publisher;

struct cs_publisher_options {
    const struct cs_bus_producer *bus; /* borrowed */
    const struct cs_signing_key *key;  /* borrowed */
    const char *environment;           /* copied */
    const char *producer_id;           /* "gateway", "signer/default"; copied */
    const char *instance_id;           /* copied */
};

/* Starts the publisher's thread. */
enum cs_rc cs_publisher_open(const struct cs_publisher_options *o, struct cs_publisher **out,
                             struct cs_err *err) CS_MUST_CHECK;
/* Sends what is queued, waits up to 10 s for acknowledgements, ends the thread. */
void cs_publisher_close(struct cs_publisher *p);
void cs_publisher_freep(struct cs_publisher **p);
/* This start's UUID, the first boot's; a boot ends, and another begins, when an event did not reach
 * Kafka. Borrowed. */
const char *cs_publisher_start_id(const struct cs_publisher *p);

/* One event. The caller sets header.event_id, aggregate_id, cause_event_id (and sequence, trace);
 * everything else in the header is filled here. Copied before return. 'done' (may be NULL) is
 * called once from another thread: CS_OK after all in-sync replicas have it, CS_RETRY when in
 * doubt. */
struct cs_publication {
    const char *topic;
    const char *key;
    struct ProtobufCMessage *message; /* header is written to */
    const char *sealed_type;          /* instead of message: an envelope somebody else sealed */
    struct cs_bytes sealed;
    int sealed_partition;
};
enum cs_rc cs_publish(struct cs_publisher *p, const struct cs_publication *e, cs_bus_done *done,
                      void *ctx, struct cs_err *err) CS_MUST_CHECK;

/* The same, waiting. CS_RETRY in doubt or after timeout_ms. */
enum cs_rc cs_publish_wait(struct cs_publisher *p, const struct cs_publication *e, int timeout_ms,
                           struct cs_err *err) CS_MUST_CHECK;
