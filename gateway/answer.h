/* Replies: JSON, and problem documents (RFC 9457) that older clients can read too.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "gateway.h"

#include <jansson.h>

/* The document is taken. */
void answer_json(struct call *c, unsigned status, json_t *document);

/* 'field' (may be NULL) names the input that is wrong; 'code' is stable, for programs (may be
 * NULL). */
void answer_problem(struct call *c, unsigned status, const char *code, const char *field,
                    const char *fmt, ...) CS_PRINTF(5, 6);
/* The same with one more member; 'extra' is taken. */
void answer_problem_with(struct call *c, unsigned status, const char *code, const char *member,
                         json_t *extra, const char *detail);
/* The status that fits the error's class. */
void answer_error(struct call *c, const struct cs_err *err);
/* 503 with Retry-After. */
void answer_later(struct call *c, const char *why);
/* 403 that tells nothing about what exists. */
void answer_forbidden(struct call *c);

/* "2026-01-31T12:34:56Z" */
json_t *answer_time(int64_t ms);
json_t *answer_hex(const ProtobufCBinaryData *d);
/* Sets a text member unless it is empty. */
void answer_set(json_t *object, const char *name, const char *text);
/* The JSON body of the call; NULL after it answered 400. The caller decrefs. */
json_t *answer_body(struct call *c);
