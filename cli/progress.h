/* Progress on a terminal: a bar for bytes, a line for states; plain lines otherwise, nothing with
 * --json. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "uploading" */
    bool quiet;
    bool terminal;
    int64_t last_ms;
    bool drawn;
};

void progress_begin(struct progress *p, const char *what, bool quiet);
/* A cli_progress; ctx is the struct progress. */
void progress_bytes(void *ctx, int64_t done, int64_t total);
void progress_text(struct progress *p, const char *text);
void progress_end(struct progress *p);
