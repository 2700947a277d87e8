/* logfmt lines on stderr: ts level daemon event=... key=value ... Values are escaped in one place.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"

#include <stdint.h>

enum cs_log_level { CS_LOG_DEBUG, CS_LOG_INFO, CS_LOG_WARN, CS_LOG_ERROR };

/* One key and its value; use the CS_K* makers. Text is borrowed for the call. */
struct cs_kv {
    const char *key;
    enum { CS_KV_STR, CS_KV_INT } type;
    const char *str;
    int64_t num;
};
#define CS_KS(k, v) ((struct cs_kv){.key = (k), .type = CS_KV_STR, .str = (v)})
#define CS_KI(k, v) ((struct cs_kv){.key = (k), .type = CS_KV_INT, .num = (int64_t)(v)})
#define CS_KERR(e) CS_KS("rc", cs_rc_name((e)->rc)), CS_KS("msg", (e)->msg)

/* The daemon's name and the least level that is written; before threads start. Borrowed text. */
void cs_log_init(const char *daemon, enum cs_log_level least);
/* For tests: lines go to this descriptor instead of stderr. */
void cs_log_to_fd(int fd);

/* Writes one line in one write(2). 'event' is a constant such as "request.accepted". Any thread. */
void cs_log_write(enum cs_log_level level, const char *event, const struct cs_kv *kvs, size_t n);

#define CS_LOG_AT(level, event, ...)                                                               \
    do {                                                                                           \
        const struct cs_kv cs_log_kvs[] = {__VA_ARGS__};                                           \
        cs_log_write((level), (event), cs_log_kvs, sizeof(cs_log_kvs) / sizeof(cs_log_kvs[0]));    \
    } while (0)
#define cs_log_debug(event, ...) CS_LOG_AT(CS_LOG_DEBUG, event, __VA_ARGS__)
#define cs_log_info(event, ...) CS_LOG_AT(CS_LOG_INFO, event, __VA_ARGS__)
#define cs_log_warn(event, ...) CS_LOG_AT(CS_LOG_WARN, event, __VA_ARGS__)
#define cs_log_error(event, ...) CS_LOG_AT(CS_LOG_ERROR, event, __VA_ARGS__)
