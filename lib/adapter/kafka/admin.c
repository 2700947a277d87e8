/* Topics: list, create, extend.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { ADMIN_TIMEOUT_MS = 10000 };

enum cs_rc kafka_admin_client(const struct cs_kafka_options *o, rd_kafka_t **out,
                              struct cs_err *err)
{
    char why[256];
    rd_kafka_conf_t *conf = NULL;
    CS_TRY(kafka_conf(o, &conf, err));
    *out = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (*out == NULL) {
        rd_kafka_conf_destroy(conf);
        return cs_err_set(err, CS_FATAL, "kafka: %s", why);
    }
    return CS_OK;
}

static enum cs_rc metadata(rd_kafka_t *rk, const rd_kafka_metadata_t **md, struct cs_err *err)
{
    const rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 1, NULL, md, ADMIN_TIMEOUT_MS);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cs_err_set(err, CS_RETRY, "kafka does not answer: %s", rd_kafka_err2str(e));
    return CS_OK;
}

enum cs_rc cs_kafka_topics(const struct cs_kafka_options *o, const char *prefix,
                           void (*each)(void *ctx, const char *topic, int partitions), void *ctx,
                           struct cs_err *err)
{
    rd_kafka_t *rk = NULL;
    const rd_kafka_metadata_t *md = NULL;
    CS_TRY(kafka_admin_client(o, &rk, err));
    const enum cs_rc rc = metadata(rk, &md, err);
    for (int i = 0; rc == CS_OK && i < md->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &md->topics[i];
        if (t->err == 0 && strncmp(t->topic, prefix, strlen(prefix)) == 0)
            each(ctx, t->topic, t->partition_cnt);
    }
    if (md != NULL)
        rd_kafka_metadata_destroy(md);
    rd_kafka_destroy(rk);
    return rc;
}

/* Waits for the one result of an admin call and frees both. */
static enum cs_rc admin_result(rd_kafka_queue_t *q, const char *topic, bool *exists,
                               struct cs_err *err)
{
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, ADMIN_TIMEOUT_MS);
    if (ev == NULL)
        return cs_err_set(err, CS_RETRY, "%s: kafka does not answer", topic);
    rd_kafka_resp_err_t e = rd_kafka_event_error(ev);
    const char *why = rd_kafka_event_error_string(ev);
    size_t n = 0;
    const rd_kafka_topic_result_t **res = NULL;
    if (e == 0 && rd_kafka_event_CreateTopics_result(ev) != NULL)
        res = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
    else if (e == 0 && rd_kafka_event_CreatePartitions_result(ev) != NULL)
        res =
            rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(ev), &n);
    if (n == 1 && res != NULL) {
        e = rd_kafka_topic_result_error(res[0]);
        why = rd_kafka_topic_result_error_string(res[0]);
    }
    enum cs_rc rc = CS_OK;
    *exists = e == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
    if (e != 0 && !*exists)
        rc = cs_err_set(err, kafka_rc(e), "%s: %s", topic, why == NULL ? "refused" : why);
    rd_kafka_event_destroy(ev);
    return rc;
}

static enum cs_rc create(rd_kafka_t *rk, rd_kafka_queue_t *q, const struct cs_kafka_topic *t,
                         bool *exists, struct cs_err *err)
{
    char why[256];
    char number[24];
    rd_kafka_NewTopic_t *nt =
        rd_kafka_NewTopic_new(t->name, t->partitions, t->replication, why, sizeof(why));
    if (nt == NULL)
        return cs_err_set(err, CS_INVALID, "%s: %s", t->name, why);
    if (snprintf(number, sizeof(number), "%lld", (long long)t->retention_ms) > 0)
        rd_kafka_NewTopic_set_config(nt, "retention.ms", number);
    if (snprintf(number, sizeof(number), "%d", t->min_insync) > 0)
        rd_kafka_NewTopic_set_config(nt, "min.insync.replicas", number);
    rd_kafka_CreateTopics(rk, &nt, 1, NULL, q);
    const enum cs_rc rc = admin_result(q, t->name, exists, err);
    rd_kafka_NewTopic_destroy(nt);
    return rc;
}

static enum cs_rc extend(rd_kafka_t *rk, rd_kafka_queue_t *q, const struct cs_kafka_topic *t,
                         struct cs_err *err)
{
    const rd_kafka_metadata_t *md = NULL;
    int have = 0;
    char why[256];
    bool exists = false;
    CS_TRY(metadata(rk, &md, err));
    for (int i = 0; i < md->topic_cnt; i++) {
        if (strcmp(md->topics[i].topic, t->name) == 0)
            have = md->topics[i].partition_cnt;
    }
    rd_kafka_metadata_destroy(md);
    if (have >= t->partitions)
        return CS_OK;
    rd_kafka_NewPartitions_t *np =
        rd_kafka_NewPartitions_new(t->name, (size_t)t->partitions, why, sizeof(why));
    if (np == NULL)
        return cs_err_set(err, CS_INVALID, "%s: %s", t->name, why);
    rd_kafka_CreatePartitions(rk, &np, 1, NULL, q);
    const enum cs_rc rc = admin_result(q, t->name, &exists, err);
    rd_kafka_NewPartitions_destroy(np);
    return rc;
}

enum cs_rc cs_kafka_topic_apply(const struct cs_kafka_options *o, const struct cs_kafka_topic *t,
                                bool *created, struct cs_err *err)
{
    rd_kafka_t *rk = NULL;
    bool exists = false;
    CS_TRY(kafka_admin_client(o, &rk, err));
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    enum cs_rc rc = create(rk, q, t, &exists, err);
    if (rc == CS_OK && exists)
        rc = extend(rk, q, t, err);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
    if (rc == CS_OK)
        *created = !exists;
    return rc;
}
