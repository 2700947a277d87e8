/* countersign-notifier: invites approvers, mails everybody concerned; decides nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "notifier.h"

int main(int argc, char **argv)
{
    return cs_service_main(argc, argv,
                           &(const struct cs_service){.name = "notifier",
                                                      .tables = notifier_options,
                                                      .start = notifier_start,
                                                      .drain = notifier_drain,
                                                      .stop = notifier_stop});
}
