/* Fair metering; see meter.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "meter.h"

#include <string.h>

static struct meter_load *load_of(struct meter_load *loads, size_t *n_loads, size_t max_loads,
                                  const struct meter_waiting *w)
{
    for (size_t i = 0; i < *n_loads; i++) {
        if (strcmp(loads[i].project_id, w->project_id) == 0 &&
            strcmp(loads[i].lane, w->lane) == 0 && strcmp(loads[i].pool, w->pool) == 0)
            return &loads[i];
    }
    if (*n_loads == max_loads)
        return NULL;
    loads[*n_loads] = (struct meter_load){w->project_id, w->lane, w->pool, 0};
    return &loads[(*n_loads)++];
}

/* One request of each project that has room, in the order in which the projects came. */
static size_t one_round(struct meter_load *loads, size_t *n_loads, size_t max_loads,
                        struct meter_waiting *waiting, size_t n, unsigned limit)
{
    const struct meter_load *served[64];
    size_t n_served = 0;
    for (size_t i = 0; i < n && n_served < 64; i++) {
        if (waiting[i].chosen)
            continue;
        struct meter_load *l = load_of(loads, n_loads, max_loads, &waiting[i]);
        bool again = l == NULL || l->outstanding >= limit;
        for (size_t k = 0; k < n_served; k++)
            again = again || served[k] == l;
        if (again)
            continue;
        waiting[i].chosen = true;
        l->outstanding++;
        served[n_served++] = l;
    }
    return n_served;
}

size_t meter_choose(struct meter_load *loads, size_t *n_loads, size_t max_loads,
                    struct meter_waiting *waiting, size_t n, unsigned limit)
{
    size_t total = 0;
    size_t round = 0;
    do {
        round = one_round(loads, n_loads, max_loads, waiting, n, limit);
        total += round;
    } while (round > 0);
    return total;
}
