/* The auditor's state: tree size, root, next offset of every partition, what is still to be done.
 * One text file, replaced atomically: whatever it says has happened. SPDX-License-Identifier:
 * Apache-2.0 */
#pragma once
#include "codec/merkle.h"
#include "tlog/note.h"

enum { STATE_TOPIC = 128, STATE_BLOB = 96, STATE_MAX = 8 << 20 };

struct state_offset {
    char topic[STATE_TOPIC];
    int partition;
    int64_t next;
};

/* A blob that an event named and that could not be copied yet. */
struct state_wanted {
    char name[STATE_BLOB]; /* "evidence/HEX" */
    int64_t since_ms;
};

struct state {
    char origin[CS_NOTE_NAME];
    uint64_t size;
    struct cs_hash root;
    uint64_t republished; /* leaves below it are on cs.audit for certain */
    struct state_offset *offsets;
    size_t n_offsets;
    struct state_wanted *wanted;
    size_t n_wanted;
};

void state_done(struct state *s);

/* Appends the file's text, its own digest in the last line. */
enum cs_rc state_format(const struct state *s, struct cs_buf *out,
                        struct cs_err *err) CS_MUST_CHECK;
/* *out is zeroed first. CS_INVALID ("auditor.state") for a file that is not whole. */
enum cs_rc state_parse(struct cs_bytes text, struct state *out, struct cs_err *err) CS_MUST_CHECK;

/* The entry of that partition; NULL when it was never seen. */
struct state_offset *state_find(const struct state *s, const char *topic, int partition);
/* The same, added with next 0 when missing; invalidates earlier pointers. CS_NOMEM. */
enum cs_rc state_offset(struct state *s, const char *topic, int partition,
                        struct state_offset **out, struct cs_err *err) CS_MUST_CHECK;
/* Adds the blob unless it is there. */
enum cs_rc state_want(struct state *s, const char *name, int64_t now_ms,
                      struct cs_err *err) CS_MUST_CHECK;
/* Forgets the i-th wanted blob; the last takes its place. */
void state_unwant(struct state *s, size_t i);
