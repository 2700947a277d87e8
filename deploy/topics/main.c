/* countersign-topics apply|check: makes the topics of topics.yaml, or compares a cluster with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "service/service.h"
#include "topics_file.h"

#include <stdio.h>
#include <string.h>

static const struct cs_option own[] = {
    {"topics.file", CS_OPTION_PATH, NULL, 0, 0, CS_OPTION_REQUIRED, "The list, topics.yaml."},
    {"pools", CS_OPTION_TEXT, "default", 0, 0, 0, "Signer pools, separated by commas."},
    {"development", CS_OPTION_BOOLEAN, "false", 0, 0, 0,
     "One broker: replication and min_insync 1."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};
static const struct cs_option *const tables[] = {own, cs_options_kafka, cs_options_common, NULL};

static enum cs_rc one(const struct cs_kafka_options *o, const struct cs_kafka_topic *t, bool apply,
                      struct cs_err *err)
{
    bool created = false;
    if (!apply)
        return cs_kafka_topic_check(o, t, err);
    CS_TRY(cs_kafka_topic_apply(o, t, &created, err));
    if (created)
        printf("%s: created with %d partitions\n", t->name, t->partitions);
    return CS_OK;
}

static enum cs_rc all(const struct cs_options *options, bool apply, struct cs_err *err)
{
    const struct cs_kafka_options o = {.bootstrap = cs_option_text(options, "kafka.bootstrap"),
                                       .client_id = "countersign-topics"};
    CS_AUTO_BUF text = CS_BUF_INIT(1 << 20);
    CS_AUTO(cs_arena) a = cs_arena_new(1 << 20);
    struct topics_list list;
    size_t weak = 0;
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_file_read(cs_option_text(options, "topics.file"), &text, err));
    CS_TRY(topics_file_parse(cs_buf_view(&text), cs_option_text(options, "pools"),
                             cs_option_number(options, "development") != 0, a, &list, err));
    for (size_t i = 0; i < list.n; i++) {
        const enum cs_rc rc = one(&o, &list.topics[i], apply, err);
        if (rc == CS_RETRY || (apply && rc != CS_OK))
            return rc;
        if (rc != CS_OK)
            fprintf(stderr, "%s\n", err->msg);
        weak += rc != CS_OK;
    }
    if (weak > 0)
        return cs_err_set(err, CS_INVALID, "%zu of %zu topics are weaker than the file says", weak,
                          list.n);
    printf("%zu topics are as %s says\n", list.n, cs_option_text(options, "topics.file"));
    return CS_OK;
}

static int command(const struct cs_options *options, const char *const *words, size_t n)
{
    struct cs_err err = {0};
    const bool apply = strcmp(words[0], "apply") == 0;
    if (n != 1 || (!apply && strcmp(words[0], "check") != 0)) {
        fprintf(stderr, "countersign-topics: say 'apply' or 'check'\n");
        return 2;
    }
    if (all(options, apply, &err) == CS_OK)
        return 0;
    fprintf(stderr, "countersign-topics: %s\n", err.msg);
    return 1;
}

static enum cs_rc no_daemon(struct cs_app *app, void **state, struct cs_err *err)
{
    (void)app;
    (void)state;
    return cs_err_set(err, CS_INVALID, "say 'apply' or 'check'");
}

int main(int argc, char **argv)
{
    return cs_service_main(
        argc, argv,
        &(const struct cs_service){
            .name = "topics", .tables = tables, .start = no_daemon, .command = command});
}
