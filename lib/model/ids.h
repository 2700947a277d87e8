/* Ids that are derived from what they name, and the partition a record key belongs to.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/uuid.h"

#include <stddef.h>

/* Id of a configured entity: from environment, kind ("organization", "user", "project", ...), the
 * parent's id ("" for organisations) and the slug. The same configuration gives the same ids on
 * every machine, so files need none. */
void cs_entity_id(const char *environment, const char *kind, const char *parent_id,
                  const char *slug, char out[CS_UUID_TEXT]);

/* Kafka's default partition of a key: murmur2 with Java's seed, positive, modulo. Every producer of
 * ours uses it, so that topics with equal partition counts are co-partitioned. partitions >= 1. */
int cs_partition_of(const char *key, int partitions);
unsigned cs_murmur2(const void *p, size_t n);
