/* Reads topics.yaml; see topics_file.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "topics_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_TOPICS = 200 };

struct reader {
    yaml_document_t *doc;
    struct cs_arena *arena;
    struct topics_list *out;
    const char *pools;
    bool development;
    int replication;
    int min_insync;
};

static enum cs_rc wrong(const yaml_node_t *n, const char *what, struct cs_err *err)
{
    return cs_err_set(err, CS_INVALID, "line %zu: %s", n->start_mark.line + 1, what);
}

static const char *text_of(const yaml_node_t *n)
{
    return n != NULL && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

static yaml_node_t *member(struct reader *r, const yaml_node_t *map, const char *name)
{
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        if (strcmp(text_of(yaml_document_get_node(r->doc, p->key)), name) == 0)
            return yaml_document_get_node(r->doc, p->value);
    }
    return NULL;
}

static enum cs_rc number(struct reader *r, const yaml_node_t *map, const char *name, int *out,
                         struct cs_err *err)
{
    char *end = NULL;
    const char *text = text_of(member(r, map, name));
    const long v = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v < 1 || v > 10000)
        return cs_err_set(err, CS_INVALID, "line %zu: '%s' must be a number from 1 to 10000",
                          map->start_mark.line + 1, name);
    *out = (int)v;
    return CS_OK;
}

static enum cs_rc retention(struct reader *r, const yaml_node_t *map, int64_t *out,
                            struct cs_err *err)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end = NULL;
    const char *text = text_of(member(r, map, "retention"));
    *out = -1;
    if (strcmp(text, "forever") == 0)
        return CS_OK;
    const long v = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && v > 0 && v < 100000; i++) {
        if (strcmp(end, units[i].unit) == 0)
            *out = v * units[i].ms;
    }
    return *out > 0 ? CS_OK : wrong(map, "'retention' is 'forever', or like '7d'", err);
}

static enum cs_rc add(struct reader *r, const struct cs_kafka_topic *t, struct cs_err *err)
{
    if (t->name == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (r->out->n == MAX_TOPICS)
        return cs_err_set(err, CS_LIMIT, "more than %d topics", MAX_TOPICS);
    r->out->topics[r->out->n++] = *t;
    return CS_OK;
}

/* One topic for each pool when the name has POOL in it. */
static enum cs_rc expand(struct reader *r, struct cs_kafka_topic *t, const char *name,
                         struct cs_err *err)
{
    const char *at = strstr(name, "POOL");
    if (at == NULL) {
        t->name = cs_arena_strdup(r->arena, name);
        return add(r, t, err);
    }
    for (const char *p = r->pools; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        t->name = cs_arena_printf(r->arena, "%.*s%.*s%s", (int)(at - name), name, (int)n, p,
                                  at + strlen("POOL"));
        CS_TRY(add(r, t, err));
        p += n + (p[n] == ',' ? 1 : 0);
    }
    return CS_OK;
}

static enum cs_rc read_topic(struct reader *r, const yaml_node_t *n, struct cs_err *err)
{
    struct cs_kafka_topic t = {.replication = r->replication, .min_insync = r->min_insync};
    if (n == NULL || n->type != YAML_MAPPING_NODE)
        return cs_err_set(err, CS_INVALID, "each topic is {name, partitions, retention}");
    const char *name = text_of(member(r, n, "name"));
    if (*name == '\0')
        return wrong(n, "a topic without 'name'", err);
    CS_TRY(number(r, n, "partitions", &t.partitions, err));
    CS_TRY(retention(r, n, &t.retention_ms, err));
    return expand(r, &t, name, err);
}

static enum cs_rc read_document(struct reader *r, struct cs_err *err)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->doc);
    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return cs_err_set(err, CS_INVALID, "the file must hold 'topics'");
    CS_TRY(number(r, root, "replication", &r->replication, err));
    CS_TRY(number(r, root, "min_insync", &r->min_insync, err));
    if (r->development)
        r->replication = r->min_insync = 1;
    const yaml_node_t *list = member(r, root, "topics");
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return wrong(root, "'topics' must be a list", err);
    for (const yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++)
        CS_TRY(read_topic(r, yaml_document_get_node(r->doc, *i), err));
    return CS_OK;
}

enum cs_rc topics_file_parse(struct cs_bytes text, const char *pools, bool development,
                             struct cs_arena *a, struct topics_list *out, struct cs_err *err)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    struct topics_list list = {.topics = cs_arena_alloc(a, MAX_TOPICS * sizeof(*list.topics))};
    if (list.topics == NULL || yaml_parser_initialize(&parser) == 0)
        return cs_err_set(err, CS_NOMEM, "no memory");
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    if (yaml_parser_load(&parser, &doc) == 0) {
        cs_err_set(err, CS_INVALID, "line %zu: %s", parser.problem_mark.line + 1,
                   parser.problem == NULL ? "not YAML" : parser.problem);
        yaml_parser_delete(&parser);
        return CS_INVALID;
    }
    struct reader r = {
        .doc = &doc, .arena = a, .out = &list, .pools = pools, .development = development};
    const enum cs_rc rc = read_document(&r, err);
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    if (rc == CS_OK)
        *out = list;
    return rc;
}
