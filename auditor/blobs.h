/* Copies of the evidence into the log's own folder: the log must prove everything by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/fsblob/fsblob.h"
#include "store.h"

/* Copies the blob "kind/HEX" to bundles/HEX unless it is there; its bytes must have that SHA-256.
 * CS_NOT_FOUND while the artifact store does not have it. */
enum cs_rc blobs_copy(struct cs_blobs *from, struct store *to, const char *name,
                      struct cs_err *err) CS_MUST_CHECK;
/* Tries every wanted blob of the state again; true when the state changed. What stays missing for a
 * day is given up, loudly: verifying will name the event that needs it. */
bool blobs_retry(struct cs_blobs *from, struct store *to, int64_t now_ms);
