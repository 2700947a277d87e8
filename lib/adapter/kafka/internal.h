/* Shared by the files of this folder.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/kafka/kafka.h"

#include <librdkafka/rdkafka.h>

/* A configuration with what producers and consumers have in common. CS_INVALID names the setting.
 */
enum cs_rc kafka_conf(const struct cs_kafka_options *o, rd_kafka_conf_t **out,
                      struct cs_err *err) CS_MUST_CHECK;
enum cs_rc kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                     struct cs_err *err) CS_MUST_CHECK;
enum cs_rc kafka_set_int(rd_kafka_conf_t *conf, const char *name, int value,
                         struct cs_err *err) CS_MUST_CHECK;
/* librdkafka's error -> our class. */
enum cs_rc kafka_rc(rd_kafka_resp_err_t e);
/* A client for one administrative question; rd_kafka_destroy. */
enum cs_rc kafka_admin_client(const struct cs_kafka_options *o, rd_kafka_t **out,
                              struct cs_err *err) CS_MUST_CHECK;
