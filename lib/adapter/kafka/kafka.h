/* Apache Kafka by librdkafka behind port/bus.h. Nothing but this folder includes rdkafka.h.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/bus.h"

struct cs_kafka_options {
    const char *bootstrap; /* "host:port,host:port" */
    const char *client_id;
    int message_timeout_ms; /* producers: after this a record is in doubt; default 8000 */
    int session_timeout_ms; /* consumers; default 45000 */
    const char *group;      /* consumers: group id; NULL: explicit positions */
    const char *instance;   /* group.instance.id (static membership); NULL: none */
};

struct cs_kafka_producer;
/* Idempotent, acks=all, linger 0; acknowledgements are served by a thread of its own. A fatal error
 * makes every later send answer CS_FATAL: restart the daemon. */
enum cs_rc cs_kafka_producer_open(const struct cs_kafka_options *o, struct cs_kafka_producer **out,
                                  struct cs_err *err) CS_MUST_CHECK;
/* Flushes up to 10 s, then closes. */
void cs_kafka_producer_close(struct cs_kafka_producer *p);
void cs_kafka_producer_freep(struct cs_kafka_producer **p);
const struct cs_bus_producer *cs_kafka_producer_port(struct cs_kafka_producer *p);
/* CS_OK when the cluster answers within timeout_ms. */
enum cs_rc cs_kafka_producer_ping(struct cs_kafka_producer *p, int timeout_ms,
                                  struct cs_err *err) CS_MUST_CHECK;

/* The next offset that a partition will give out, as the broker has it now. */
enum cs_rc cs_kafka_producer_end(struct cs_kafka_producer *p, const char *topic, int partition,
                                 int64_t *end, struct cs_err *err) CS_MUST_CHECK;

struct cs_kafka_consumer;
/* Group consumer of the topics (range assignor, offsets committed only by commit()). 'rb' may be
 * NULL; it is copied, its ctx must outlive the consumer. */
enum cs_rc cs_kafka_consumer_join(const struct cs_kafka_options *o, const char *const *topics,
                                  size_t n, const struct cs_bus_rebalance *rb,
                                  struct cs_kafka_consumer **out, struct cs_err *err) CS_MUST_CHECK;
/* No group: exactly these positions. */
enum cs_rc cs_kafka_consumer_assign(const struct cs_kafka_options *o,
                                    const struct cs_bus_position *positions, size_t n,
                                    struct cs_kafka_consumer **out,
                                    struct cs_err *err) CS_MUST_CHECK;
void cs_kafka_consumer_close(struct cs_kafka_consumer *c);
void cs_kafka_consumer_freep(struct cs_kafka_consumer **c);
const struct cs_bus_consumer *cs_kafka_consumer_port(struct cs_kafka_consumer *c);

/* Names of all topics that start with 'prefix', with their partition counts, one call per topic. */
enum cs_rc cs_kafka_topics(const struct cs_kafka_options *o, const char *prefix,
                           void (*each)(void *ctx, const char *topic, int partitions), void *ctx,
                           struct cs_err *err) CS_MUST_CHECK;

struct cs_kafka_topic {
    const char *name;
    int partitions;
    int replication;
    int min_insync;
    int64_t retention_ms; /* -1: for ever */
};
/* Creates what is missing, adds partitions where there are fewer, leaves the rest. */
enum cs_rc cs_kafka_topic_apply(const struct cs_kafka_options *o, const struct cs_kafka_topic *t,
                                bool *created, struct cs_err *err) CS_MUST_CHECK;
/* Whether the cluster has the topic at least as strong as 't' says. CS_NOT_FOUND, or CS_INVALID
 * ("kafka.weak_topic") that names the setting. */
enum cs_rc cs_kafka_topic_check(const struct cs_kafka_options *o, const struct cs_kafka_topic *t,
                                struct cs_err *err) CS_MUST_CHECK;
