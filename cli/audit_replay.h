/* `countersign audit replay`: the tree rebuilt from cs.audit, each record compared with its source
 * topic. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_verify.h"

/* As audit_verify: findings in the report, an error when it could not be done. 'bootstrap': Kafka.
 */
enum cs_rc audit_replay(const struct audit_question *q, const char *bootstrap,
                        struct audit_report *report, struct cs_err *err) CS_MUST_CHECK;
