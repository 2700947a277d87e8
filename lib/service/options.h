/* Options: one table row each; file, environment and flags are read by it, --help and the reference
 * page are printed from it. A later source wins: file < environment < flag.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

enum cs_option_type {
    CS_OPTION_TEXT,
    CS_OPTION_INTEGER,
    CS_OPTION_DURATION, /* "500ms", "30s", "15m", "24h", "7d"; value in milliseconds */
    CS_OPTION_SIZE,     /* "64KiB", "4GiB"; value in bytes */
    CS_OPTION_BOOLEAN,
    CS_OPTION_PATH
};
enum cs_option_flag {
    CS_OPTION_REQUIRED = 1,
    CS_OPTION_SECRET = 2 /* never from a flag, masked when printed */
};

struct cs_option {
    const char *name; /* "kafka.bootstrap" */
    enum cs_option_type type;
    const char *fallback; /* NULL: none */
    int64_t min;
    int64_t max; /* numbers only; 0 and 0: unbounded */
    unsigned flags;
    const char *prose; /* one sentence for people */
};

struct cs_options;

/* Parses "--config FILE", "--name=value", "--name value" and COUNTERSIGN_NAME (dots as underscores,
 * after the daemon's own COUNTERSIGN_<DAEMON>_NAME). All problems are reported at once in
 * 'problems', a line each; CS_INVALID then. The tables (ended by a NULL name) are borrowed. */
enum cs_rc cs_options_load(const char *daemon, const struct cs_option *const tables[], int argc,
                           char **argv, struct cs_options **out,
                           struct cs_buf *problems) CS_MUST_CHECK;
void cs_options_free(struct cs_options *o);
void cs_options_freep(struct cs_options **o);

/* Asking for an option that is in no table is a programmer's error (assert). "" when it has no
 * value. Borrowed. */
const char *cs_option_text(const struct cs_options *o, const char *name);
int64_t cs_option_number(const struct cs_options *o, const char *name);
/* Words that were not options, in order. */
size_t cs_options_words(const struct cs_options *o, const char *const **words);

enum cs_rc cs_options_help(const char *daemon, const struct cs_option *const tables[],
                           struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_options_print(const struct cs_options *o, struct cs_buf *out,
                            struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_options_markdown(const char *daemon, const struct cs_option *const tables[],
                               struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;

/* Rows that several daemons share. */
extern const struct cs_option cs_options_common[];
extern const struct cs_option cs_options_kafka[];
extern const struct cs_option cs_options_mariadb[];
extern const struct cs_option cs_options_trust[];
extern const struct cs_option cs_options_blob[];
