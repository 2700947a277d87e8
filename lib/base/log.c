/* The log sink: formats a line into a fixed buffer and writes it once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_daemon = "countersign";
static atomic_int log_least = CS_LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;

struct line {
    char text[4096];
    size_t len;
};

void cs_log_init(const char *daemon, enum cs_log_level least)
{
    log_daemon = daemon;
    atomic_store(&log_least, (int)least);
}

void cs_log_to_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

static void put(struct line *l, const char *s, size_t n)
{
    /* The last byte is kept for the newline: a long line is cut, never split. */
    const size_t room = sizeof(l->text) - 1 - l->len;
    if (n > room)
        n = room;
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static int plain(const char *s)
{
    if (*s == '\0')
        return 0;
    for (; *s != '\0'; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return 0;
    }
    return 1;
}

/* Control characters become escapes, so a value can neither start a line nor fake a key. */
static void put_value(struct line *l, const char *s)
{
    if (plain(s)) {
        put_str(l, s);
        return;
    }
    put(l, "\"", 1);
    for (; *s != '\0'; s++) {
        const unsigned char c = (unsigned char)*s;
        char esc[8];
        if (c == '"' || c == '\\') {
            esc[0] = '\\';
            esc[1] = (char)c;
            put(l, esc, 2);
        } else if (c == '\n') {
            put(l, "\\n", 2);
        } else if (c < ' ' || c == 0x7f) {
            const int n = snprintf(esc, sizeof(esc), "\\x%02x", c);
            put(l, esc, n > 0 ? (size_t)n : 0);
        } else {
            put(l, (const char *)&c, 1);
        }
    }
    put(l, "\"", 1);
}

static void put_time(struct line *l)
{
    struct timespec ts;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    const size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    put(l, text, n);
    const int m = snprintf(text, sizeof(text), ".%03ldZ", ts.tv_nsec / 1000000);
    put(l, text, m > 0 ? (size_t)m : 0);
}

void cs_log_write(enum cs_log_level level, const char *event, const struct cs_kv *kvs, size_t n)
{
    static const char *const names[] = {" debug ", " info ", " warn ", " error "};
    if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed))
        return;
    struct line l = {.len = 0};
    put_time(&l);
    put_str(&l, names[level]);
    put_str(&l, log_daemon);
    put_str(&l, " event=");
    put_value(&l, event);
    for (size_t i = 0; i < n; i++) {
        char num[32];
        put(&l, " ", 1);
        put_str(&l, kvs[i].key);
        put(&l, "=", 1);
        if (kvs[i].type == CS_KV_INT) {
            const int w = snprintf(num, sizeof(num), "%lld", (long long)kvs[i].num);
            put(&l, num, w > 0 ? (size_t)w : 0);
        } else {
            put_value(&l, kvs[i].str == NULL ? "" : kvs[i].str);
        }
    }
    l.text[l.len++] = '\n';
    if (write(atomic_load(&log_fd), l.text, l.len) < 0)
        return; /* nowhere left to complain */
}
