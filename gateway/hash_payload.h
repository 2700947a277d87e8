/* Hashes to be signed: payload JSON in, the same with its signature out.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "requests.h"

/* Reads the payload from the descriptor, submits it, waits and answers. */
void hash_payload_answer(struct call *c, struct submission *s, int fd);
