/* Waits until a request's end is in the log: the log follows Kafka by a second or so.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_verify.h"

/* Returns when the request's final state is under the checkpoint, or the time is up; whichever it
 * was, verifying tells. CS_RETRY, CS_NOT_FOUND when there is no log. */
enum cs_rc audit_wait(const struct audit_question *q, struct cs_err *err) CS_MUST_CHECK;
