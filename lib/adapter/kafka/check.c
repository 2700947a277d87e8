/* Compares a topic of the cluster with what it should be.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { CHECK_TIMEOUT_MS = 10000 };

static enum cs_rc weak(const struct cs_kafka_topic *t, const char *what, int64_t have, int64_t want,
                       struct cs_err *err)
{
    return cs_err_code(err, CS_INVALID, "kafka.weak_topic", "%s: %s is %lld, at least %lld wanted",
                       t->name, what, (long long)have, (long long)want);
}

static enum cs_rc check_metadata(rd_kafka_t *rk, const struct cs_kafka_topic *t, struct cs_err *err)
{
    const rd_kafka_metadata_t *md = NULL;
    enum cs_rc rc = CS_NOT_FOUND;
    const rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 1, NULL, &md, CHECK_TIMEOUT_MS);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, CS_RETRY, "kafka does not answer: %s", rd_kafka_err2str(e));
    cs_err_code(err, rc, "kafka.no_topic", "%s: no such topic", t->name);
    for (int i = 0; i < md->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *have = &md->topics[i];
        if (strcmp(have->topic, t->name) != 0 || have->partition_cnt == 0)
            continue;
        rc = CS_OK;
        if (have->partition_cnt < t->partitions)
            rc = weak(t, "the number of partitions", have->partition_cnt, t->partitions, err);
        else if (have->partitions[0].replica_cnt < t->replication)
            rc = weak(t, "the replication", have->partitions[0].replica_cnt, t->replication, err);
    }
    rd_kafka_metadata_destroy(md);
    return rc;
}

static enum cs_rc check_config(const rd_kafka_ConfigResource_t *res, const struct cs_kafka_topic *t,
                               struct cs_err *err)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(res, &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = rd_kafka_ConfigEntry_name(entries[i]);
        const char *text = rd_kafka_ConfigEntry_value(entries[i]);
        const int64_t have = text == NULL ? 0 : strtoll(text, NULL, 10);
        if (strcmp(name, "min.insync.replicas") == 0 && have < t->min_insync)
            return weak(t, name, have, t->min_insync, err);
        /* -1 is for ever. */
        if (strcmp(name, "retention.ms") == 0 && have != -1 &&
            (t->retention_ms == -1 || have < t->retention_ms))
            return weak(t, name, have, t->retention_ms, err);
    }
    return CS_OK;
}

static enum cs_rc describe(rd_kafka_t *rk, const struct cs_kafka_topic *t, struct cs_err *err)
{
    rd_kafka_ConfigResource_t *ask = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, t->name);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    enum cs_rc rc = CS_RETRY;
    size_t n = 0;
    rd_kafka_DescribeConfigs(rk, &ask, 1, NULL, q);
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, CHECK_TIMEOUT_MS);
    const rd_kafka_DescribeConfigs_result_t *res =
        ev == NULL ? NULL : rd_kafka_event_DescribeConfigs_result(ev);
    const rd_kafka_ConfigResource_t **list =
        res == NULL ? NULL : rd_kafka_DescribeConfigs_result_resources(res, &n);
    cs_err_set(err, rc, "%s: kafka does not tell its settings", t->name);
    if (n == 1 && rd_kafka_ConfigResource_error(list[0]) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rc = check_config(list[0], t, err);
    if (ev != NULL)
        rd_kafka_event_destroy(ev);
    rd_kafka_queue_destroy(q);
    rd_kafka_ConfigResource_destroy(ask);
    return rc;
}

enum cs_rc cs_kafka_topic_check(const struct cs_kafka_options *o, const struct cs_kafka_topic *t,
                                struct cs_err *err)
{
    rd_kafka_t *rk = NULL;
    CS_TRY(kafka_admin_client(o, &rk, err));
    enum cs_rc rc = check_metadata(rk, t, err);
    if (rc == CS_OK)
        rc = describe(rk, t, err);
    rd_kafka_destroy(rk);
    if (rc == CS_OK)
        cs_err_clear(err);
    return rc;
}
