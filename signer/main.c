/* countersign-signer: inspects artifacts, has keyd sign, timestamps, assembles, verifies.
 * SPDX-License-Identifier: Apache-2.0 */
#include "options.h"
#include "worker.h"

int main(int argc, char **argv)
{
    return cs_service_main(argc, argv,
                           &(const struct cs_service){.name = "signer",
                                                      .tables = signer_options,
                                                      .start = worker_start,
                                                      .drain = worker_drain,
                                                      .stop = worker_stop});
}
