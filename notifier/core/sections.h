/* The sections that several mails share: artifact, contents, certificate, origin, decisions. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "document.h"
#include "mail.h"

/* Each adds a heading and facts to the document, or nothing when nothing is known. */
void section_artifact(struct document *d, const struct mail_story *s);
/* The first MAIL_ITEMS_MAX items; how many more there are is said. */
void section_contents(struct document *d, const struct Cs__Evidence__Manifest *m);
void section_certificate(struct document *d, const struct mail_certificate *c);
void section_origin(struct document *d, struct Cs__Common__KeyValue *const *origin, size_t n);
void section_votes(struct document *d, const struct mail_vote *votes, size_t n);
void section_failure(struct document *d, const struct Cs__Common__Failure *f);

/* "2026-01-31 12:34 UTC" in the arena; NULL when it is full. */
const char *section_moment(struct cs_arena *a, int64_t ms);
