/* countersign-auditor: every record into a verifiable log, copies of the evidence beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "auditor.h"
#include "options.h"

int main(int argc, char **argv)
{
    return cs_service_main(argc, argv,
                           &(const struct cs_service){.name = "auditor",
                                                      .tables = auditor_options,
                                                      .start = auditor_start,
                                                      .drain = auditor_drain,
                                                      .stop = auditor_stop});
}
