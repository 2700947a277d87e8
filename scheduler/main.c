/* countersign-scheduler: applies policy to requests; owns their states.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

int main(int argc, char **argv)
{
    return cs_service_main(argc, argv,
                           &(const struct cs_service){.name = "scheduler",
                                                      .tables = scheduler_options,
                                                      .start = scheduler_start,
                                                      .drain = scheduler_drain,
                                                      .stop = scheduler_stop});
}
