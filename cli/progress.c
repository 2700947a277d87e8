/* Draws progress on stderr; see progress.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 30, EVERY_MS = 100 };

void progress_begin(struct progress *p, const char *what, bool quiet)
{
    *p = (struct progress){.what = what, .quiet = quiet, .terminal = isatty(STDERR_FILENO) != 0};
}

void progress_bytes(void *ctx, int64_t done, int64_t total)
{
    struct progress *p = ctx;
    const int64_t now = cs_monotonic_ms();
    if (p->quiet || !p->terminal || total <= 0 || (done < total && now - p->last_ms < EVERY_MS))
        return;
    const int filled = (int)(done * WIDTH / total);
    fprintf(stderr, "\r%s [%.*s%.*s] %3d%% of %.1f MB ", p->what, filled,
            "##############################", WIDTH - filled, "..............................",
            (int)(done * 100 / total), (double)total / 1e6);
    p->last_ms = now;
    p->drawn = true;
}

void progress_text(struct progress *p, const char *text)
{
    if (p->quiet)
        return;
    if (p->terminal)
        fprintf(stderr, "\r\033[K%s: %s", p->what, text);
    else
        fprintf(stderr, "%s: %s\n", p->what, text);
    p->drawn = p->terminal;
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputc('\n', stderr);
    p->drawn = false;
}
