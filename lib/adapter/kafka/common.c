/* Settings, logging and error classes of the Kafka adapter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/log.h"

#include <stdio.h>

static void to_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
    (void)rk;
    /* librdkafka repeats a lost connection at level 3; our own retries say what matters. */
    if (level <= 3)
        cs_log_warn("kafka.client", CS_KS("facility", fac), CS_KS("msg", buf));
    else
        cs_log_debug("kafka.client", CS_KS("facility", fac), CS_KS("msg", buf));
}

enum cs_rc kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct cs_err *err)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        return cs_err_set(err, CS_INVALID, "kafka setting %s: %s", name, why);
    return CS_OK;
}

enum cs_rc kafka_set_int(rd_kafka_conf_t *conf, const char *name, int value, struct cs_err *err)
{
    char text[16];
    if (snprintf(text, sizeof(text), "%d", value) < 0)
        return cs_err_set(err, CS_INVALID, "kafka setting %s", name);
    return kafka_set(conf, name, text, err);
}

enum cs_rc kafka_conf(const struct cs_kafka_options *o, rd_kafka_conf_t **out, struct cs_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, to_log);
    enum cs_rc rc = kafka_set(conf, "bootstrap.servers", o->bootstrap, err);
    if (rc == CS_OK && o->client_id != NULL)
        rc = kafka_set(conf, "client.id", o->client_id, err);
    if (rc == CS_OK)
        rc = kafka_set(conf, "socket.keepalive.enable", "true", err);
    if (rc == CS_OK)
        rc = kafka_set_int(conf, "reconnect.backoff.max.ms", 1000, err);
    if (rc != CS_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    *out = conf;
    return CS_OK;
}

enum cs_rc kafka_rc(rd_kafka_resp_err_t e)
{
    switch ((int)e) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return CS_OK;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        return CS_LIMIT;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return CS_NOT_FOUND;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return CS_DENIED;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return CS_FATAL;
    default:
        return CS_RETRY;
    }
}
