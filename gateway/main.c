/* countersign-gateway: the HTTP API; authenticates, takes uploads, carries decisions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway.h"

int main(int argc, char **argv)
{
    return cs_service_main(argc, argv,
                           &(const struct cs_service){.name = "gateway",
                                                      .tables = gateway_options,
                                                      .start = gateway_start,
                                                      .drain = gateway_drain,
                                                      .stop = gateway_stop,
                                                      .command = gateway_command});
}
