/* Which waiting requests go to the signers next: at most K outstanding per project and lane, taken
 * in turns, so that nobody's thousand files make others wait. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Text is borrowed. */
struct meter_load {
    const char *project_id;
    const char *lane;
    const char *pool;
    unsigned outstanding;
};
struct meter_waiting {
    const char *request_id;
    const char *project_id;
    const char *lane;
    const char *pool;
    bool chosen; /* the answer */
};

/* 'waiting' is in the order of arrival. Marks what may go; returns how many. 'loads' is what is
 * outstanding before, it has room for 'max_loads' and is updated. */
size_t meter_choose(struct meter_load *loads, size_t *n_loads, size_t max_loads,
                    struct meter_waiting *waiting, size_t n, unsigned limit);
