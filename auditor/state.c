/* Text form of the state; see state.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char head[] = "countersign-auditor-state v1";

void state_done(struct state *s)
{
    cs_free(s->offsets);
    cs_free(s->wanted);
    *s = (struct state){0};
}

struct state_offset *state_find(const struct state *s, const char *topic, int partition)
{
    for (size_t i = 0; i < s->n_offsets; i++) {
        if (s->offsets[i].partition == partition && strcmp(s->offsets[i].topic, topic) == 0)
            return &s->offsets[i];
    }
    return NULL;
}

enum cs_rc state_offset(struct state *s, const char *topic, int partition,
                        struct state_offset **out, struct cs_err *err)
{
    struct state_offset fresh = {.partition = partition};
    *out = state_find(s, topic, partition);
    if (*out != NULL)
        return CS_OK;
    CS_TRY(cs_strf(fresh.topic, sizeof(fresh.topic), err, "%s", topic));
    struct state_offset *grown = cs_realloc(s->offsets, s->n_offsets + 1, sizeof(*grown));
    if (grown == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for offsets");
    s->offsets = grown;
    s->offsets[s->n_offsets] = fresh;
    *out = &s->offsets[s->n_offsets++];
    return CS_OK;
}

enum cs_rc state_want(struct state *s, const char *name, int64_t now_ms, struct cs_err *err)
{
    struct state_wanted fresh = {.since_ms = now_ms};
    for (size_t i = 0; i < s->n_wanted; i++) {
        if (strcmp(s->wanted[i].name, name) == 0)
            return CS_OK;
    }
    CS_TRY(cs_strf(fresh.name, sizeof(fresh.name), err, "%s", name));
    struct state_wanted *grown = cs_realloc(s->wanted, s->n_wanted + 1, sizeof(*grown));
    if (grown == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for wanted blobs");
    s->wanted = grown;
    s->wanted[s->n_wanted++] = fresh;
    return CS_OK;
}

void state_unwant(struct state *s, size_t i)
{
    s->wanted[i] = s->wanted[--s->n_wanted];
}

enum cs_rc state_format(const struct state *s, struct cs_buf *out, struct cs_err *err)
{
    char hex[2 * CS_SHA256_SIZE + 1];
    const size_t start = out->len;
    cs_hex_encode(s->root.b, sizeof(s->root.b), hex);
    CS_TRY(cs_buf_addf(out, err,
                       "%s\norigin %s\nsize %" PRIu64 "\nroot %s\nrepublished %" PRIu64 "\n", head,
                       s->origin, s->size, hex, s->republished));
    for (size_t i = 0; i < s->n_offsets; i++)
        CS_TRY(cs_buf_addf(out, err, "offset %s %d %" PRId64 "\n", s->offsets[i].topic,
                           s->offsets[i].partition, s->offsets[i].next));
    for (size_t i = 0; i < s->n_wanted; i++)
        CS_TRY(cs_buf_addf(out, err, "wanted %s %" PRId64 "\n", s->wanted[i].name,
                           s->wanted[i].since_ms));
    cs_sha256_hex(out->ptr + start, out->len - start, hex);
    return cs_buf_addf(out, err, "sha256 %s\n", hex);
}

static enum cs_rc malformed(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_INVALID, "auditor.state", "the auditor's state file: %s", what);
}

/* Everything before the last line, whose digest that line must be. */
static enum cs_rc check_digest(struct cs_bytes text, size_t *body, struct cs_err *err)
{
    static const char label[] = "sha256 ";
    enum { LINE = sizeof(label) - 1 + 2 * CS_SHA256_SIZE + 1 };
    char hex[2 * CS_SHA256_SIZE + 1];
    if (text.len <= LINE || text.len > STATE_MAX)
        return malformed(err, "too short, or too long");
    *body = text.len - LINE;
    cs_sha256_hex(text.ptr, *body, hex);
    if (memcmp(text.ptr + *body, label, sizeof(label) - 1) != 0 ||
        memcmp(text.ptr + *body + sizeof(label) - 1, hex, 2 * CS_SHA256_SIZE) != 0 ||
        text.ptr[text.len - 1] != '\n')
        return malformed(err, "its digest does not fit its content");
    return CS_OK;
}

static enum cs_rc read_line(struct state *s, const char *line, struct cs_err *err)
{
    char word[STATE_TOPIC];
    struct state_offset *o = NULL;
    int partition = 0;
    int64_t n = 0;
    if (sscanf(line, "origin %127s", word) == 1)
        return cs_strf(s->origin, sizeof(s->origin), err, "%s", word);
    if (sscanf(line, "root %127s", word) == 1)
        return cs_hex_decode(word, s->root.b, sizeof(s->root.b), err);
    if (sscanf(line, "size %" SCNu64, &s->size) == 1 ||
        sscanf(line, "republished %" SCNu64, &s->republished) == 1)
        return CS_OK;
    if (sscanf(line, "offset %127s %d %" SCNd64, word, &partition, &n) == 3) {
        CS_TRY(state_offset(s, word, partition, &o, err));
        o->next = n;
        return CS_OK;
    }
    if (sscanf(line, "wanted %95s %" SCNd64, word, &n) == 2)
        return state_want(s, word, n, err);
    return malformed(err, "a line of another version");
}

static enum cs_rc read_lines(struct state *s, char *text, struct cs_err *err)
{
    char *rest = NULL;
    const char *line = strtok_r(text, "\n", &rest);
    if (line == NULL || strcmp(line, head) != 0)
        return malformed(err, "of another version");
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL)
        CS_TRY(read_line(s, line, err));
    return s->republished <= s->size ? CS_OK : malformed(err, "more republished than written");
}

enum cs_rc state_parse(struct cs_bytes text, struct state *out, struct cs_err *err)
{
    size_t body = 0;
    struct state s = {0};
    CS_TRY(check_digest(text, &body, err));
    CS_AUTO_STR copy = cs_strndup((const char *)text.ptr, body);
    if (copy == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    const enum cs_rc rc = read_lines(&s, copy, err);
    if (rc != CS_OK)
        state_done(&s);
    *out = s;
    return rc;
}
