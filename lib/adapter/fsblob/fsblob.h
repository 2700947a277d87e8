/* The artifact store on a (shared) file system: blobs that appear complete, durably, or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

struct cs_blobs;

/* 'directory' is created when missing. Thread-safe afterwards. */
enum cs_rc cs_blobs_open(const char *directory, struct cs_blobs **out,
                         struct cs_err *err) CS_MUST_CHECK;
void cs_blobs_close(struct cs_blobs *b);
void cs_blobs_freep(struct cs_blobs **b);

/* A blob being written: fd is open for reading and writing. abort removes it. */
struct cs_blob_draft {
    int fd;
    char path[512];
};
enum cs_rc cs_blob_begin(struct cs_blobs *b, struct cs_blob_draft *out,
                         struct cs_err *err) CS_MUST_CHECK;
void cs_blob_abort(struct cs_blob_draft *d);
/* fsync, link under its name, fsync of the directory. 'existed' (may be NULL) tells that the name
 * was taken: the first one stays and the draft is dropped. */
enum cs_rc cs_blob_commit(struct cs_blobs *b, struct cs_blob_draft *d, const char *name,
                          bool *existed, struct cs_err *err) CS_MUST_CHECK;

/* Whole small blobs. put is create-if-absent. */
enum cs_rc cs_blob_put(struct cs_blobs *b, const char *name, struct cs_bytes bytes, bool *existed,
                       struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_blob_get(struct cs_blobs *b, const char *name, struct cs_buf *out,
                       struct cs_err *err) CS_MUST_CHECK;

/* Open for reading. CS_NOT_FOUND ("blob.missing"). Size in bytes. */
enum cs_rc cs_blob_open(struct cs_blobs *b, const char *name, int *fd, uint64_t *size,
                        struct cs_err *err) CS_MUST_CHECK;
/* Removing what is not there is fine. */
enum cs_rc cs_blob_remove(struct cs_blobs *b, const char *name, struct cs_err *err) CS_MUST_CHECK;
/* Removes drafts that nobody finished within max_age_ms; returns how many. */
int cs_blobs_sweep(struct cs_blobs *b, int64_t max_age_ms);
