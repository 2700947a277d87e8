/* What every confined child does: enter the sandbox, read one question, write one answer.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct ProtobufCMessage;
struct ProtobufCMessageDescriptor;

/* Descriptors that the parent gives. */
enum { CHILD_IN = 0, CHILD_SOCKET = 1, CHILD_LOG = 2, CHILD_OUT = 3 };
/* What a child may take. */
enum { CHILD_MEMORY_MIB = 256, CHILD_CPU_SECONDS = 300 };

/* The sandbox, then one frame from the socket, parsed. */
enum cs_rc child_begin(const struct ProtobufCMessageDescriptor *question, struct cs_arena *a,
                       struct ProtobufCMessage **out, struct cs_err *err) CS_MUST_CHECK;
/* One frame back. */
enum cs_rc child_answer(const struct ProtobufCMessage *answer, struct cs_arena *a,
                        struct cs_err *err) CS_MUST_CHECK;
/* A code for the answer's failure: the error's own, else 'fallback'. */
const char *child_code(const struct cs_err *err, const char *fallback);
