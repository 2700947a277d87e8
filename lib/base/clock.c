/* Clocks and RFC 3339; see clock.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t cs_now_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t cs_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void cs_time_format(int64_t ms, char out[CS_TIME_TEXT])
{
    const time_t secs = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&secs, &tm);
    char head[21];
    if (strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        head[0] = '\0';
    if (snprintf(out, CS_TIME_TEXT, "%s.%03uZ", head, (unsigned)(ms % 1000) % 1000U) < 0)
        out[0] = '\0';
}

enum cs_rc cs_time_parse(const char *text, int64_t *ms, struct cs_err *err)
{
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t frac = 0;
    int scale = 100;
    if (p == NULL)
        return cs_err_set(err, CS_INVALID, "not an RFC 3339 time (2026-01-31T12:00:00Z expected)");
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
            frac += (int64_t)(*p - '0') * scale;
    }
    int64_t offset_s = 0;
    if (*p == '+' || *p == '-') {
        int h = 0;
        int m = 0;
        int used = 0;
        if (sscanf(p + 1, "%2d:%2d%n", &h, &m, &used) != 2 || used != 5) /* NOLINT(cert-err34-c) */
            return cs_err_set(err, CS_INVALID, "not an RFC 3339 offset");
        offset_s = (int64_t)(h * 60 + m) * (*p == '-' ? -60 : 60);
        p += 6;
    } else if (*p == 'Z' || *p == 'z') {
        p++;
    } else {
        return cs_err_set(err, CS_INVALID, "an RFC 3339 time ends with Z or an offset");
    }
    if (*p != '\0')
        return cs_err_set(err, CS_INVALID, "text after the time");
    *ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + frac;
    return CS_OK;
}
