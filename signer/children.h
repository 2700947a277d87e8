/* One confined child, one question, one answer. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct ProtobufCMessage;
struct ProtobufCMessageDescriptor;

struct child_question {
    const char *path; /* of the program */
    const char *verb; /* its one argument */
    int in;           /* becomes descriptor 0 */
    int out;          /* becomes descriptor 3; -1: none */
    const struct ProtobufCMessage *message;
    const struct ProtobufCMessageDescriptor *answer;
    int timeout_ms;
};

/* Starts the child, asks, reads the answer into the arena, waits for its end. CS_INVALID
 * "parser.limits" when it was killed; CS_RETRY when it could not run. */
enum cs_rc child_ask(const struct child_question *q, struct cs_arena *a,
                     struct ProtobufCMessage **out, struct cs_err *err) CS_MUST_CHECK;

/* DIR/NAME of a program that lies beside this one. CS_NOT_FOUND when it is not there. */
enum cs_rc child_path(const char *name, char *out, size_t size, struct cs_err *err) CS_MUST_CHECK;
