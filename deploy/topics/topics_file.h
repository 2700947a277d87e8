/* The list of topics an installation must have, read from deploy/kafka/topics.yaml.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/kafka/kafka.h"
#include "base/arena.h"

struct topics_list {
    struct cs_kafka_topic *topics; /* in the arena */
    size_t n;
};

/* 'pools' is a comma-separated list that replaces POOL in names. 'development' makes replication
 * and min_insync 1. CS_INVALID names the line. */
enum cs_rc topics_file_parse(struct cs_bytes text, const char *pools, bool development,
                             struct cs_arena *a, struct topics_list *out,
                             struct cs_err *err) CS_MUST_CHECK;
