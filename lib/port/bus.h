/* The message bus: records in, records out, with the promises the pipeline stands on.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* One record. On the way in everything is borrowed until the next poll. */
struct cs_record {
    const char *topic;
    int partition;
    int64_t offset;       /* consumed records */
    int64_t timestamp_ms; /* the broker's */
    struct cs_bytes key;
    struct cs_bytes value;
};

/* Called once per record sent: CS_OK after every in-sync replica has it (offset set), CS_RETRY when
 * that is in doubt, CS_LIMIT when the broker refuses its size. From the bus's own thread. */
typedef void cs_bus_done(void *ctx, enum cs_rc rc, int64_t offset, const char *detail);

/* Sends in the order of the calls, per partition. Thread-safe. */
struct cs_bus_producer {
    void *self;
    /* Copies the record. done may be NULL. CS_RETRY: the queue is full or the bus is gone. */
    enum cs_rc (*send)(void *self, const struct cs_record *r, cs_bus_done *done, void *ctx,
                       struct cs_err *err);
    /* Partitions of a topic (cached); CS_RETRY when the bus does not answer, CS_NOT_FOUND. */
    enum cs_rc (*partitions)(void *self, const char *topic, int *out, struct cs_err *err);
    /* Waits until everything sent has been answered. */
    enum cs_rc (*flush)(void *self, int timeout_ms, struct cs_err *err);
    /* Gives up what was not acknowledged yet: each one's done is called with CS_RETRY. After a
     * failed record nothing that was sent behind it may still arrive. */
    void (*abandon)(void *self);
};

/* Where a partition starts. */
enum cs_bus_start { CS_BUS_COMMITTED, CS_BUS_BEGINNING, CS_BUS_END, CS_BUS_OFFSET };
struct cs_bus_position {
    const char *topic;
    int partition;
    enum cs_bus_start start;
    int64_t offset; /* for CS_BUS_OFFSET: the next one to read */
};

/* Told on the polling thread. 'lost': somebody else owns them already, do not commit. */
struct cs_bus_rebalance {
    void *ctx;
    /* May change start and offset of each position. */
    void (*assigned)(void *ctx, struct cs_bus_position *p, size_t n);
    void (*revoked)(void *ctx, const struct cs_bus_position *p, size_t n, bool lost);
};

/* One thread. */
struct cs_bus_consumer {
    void *self;
    /* Waits up to timeout_ms for the first record, then returns what has queued, at most max. Zero
     * records is not an error. CS_RETRY: the bus is gone for now; CS_FATAL: this member was fenced.
     */
    enum cs_rc (*poll)(void *self, struct cs_record *out, size_t max, int timeout_ms, size_t *n,
                       struct cs_err *err);
    /* Group consumers: everything below 'next' of that partition is done. */
    enum cs_rc (*commit)(void *self, const char *topic, int partition, int64_t next,
                         struct cs_err *err);
    /* First and next offset of a partition, as the broker has them now. Any thread. */
    enum cs_rc (*watermarks)(void *self, const char *topic, int partition, int64_t *low,
                             int64_t *high, struct cs_err *err);
    enum cs_rc (*seek)(void *self, const char *topic, int partition, int64_t offset,
                       struct cs_err *err);
    /* Readable when poll would return something. */
    int (*fd)(void *self);
};
