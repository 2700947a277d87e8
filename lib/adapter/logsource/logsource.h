/* Where a log's resources are read from: a directory, or an HTTP(S) prefix (libcurl).
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

struct cs_log_source;

/* 'where' is a URL when it starts with http:// or https://, else a directory. 'ca_file' (may be
 * NULL) is the PEM file of roots for https. One thread. */
enum cs_rc cs_log_source_open(const char *where, const char *ca_file, struct cs_log_source **out,
                              struct cs_err *err) CS_MUST_CHECK;
void cs_log_source_close(struct cs_log_source *s);
void cs_log_source_freep(struct cs_log_source **s);

/* Reads "checkpoint", "tile/0/000", "bundles/HEX" into *out (emptied first; its max is the limit).
 * CS_NOT_FOUND: the log answers that it is not there. CS_RETRY: it does not answer. CS_LIMIT. */
enum cs_rc cs_log_source_fetch(struct cs_log_source *s, const char *name, struct cs_buf *out,
                               struct cs_err *err) CS_MUST_CHECK;
