/* RFC 3161 timestamp client: an ordered list of authorities, tried in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

struct cs_tsa_options {
    const char *urls;    /* separated by white space or commas, first choice first */
    const char *ca_file; /* PEM: roots that a token must chain to */
    int timeout_ms;      /* for each authority */
};

struct cs_tsa;
/* cs_tsa_global once per process before threads. */
void cs_tsa_global(void);
enum cs_rc cs_tsa_open(const struct cs_tsa_options *o, struct cs_tsa **out,
                       struct cs_err *err) CS_MUST_CHECK;
void cs_tsa_close(struct cs_tsa *t);
void cs_tsa_freep(struct cs_tsa **t);

/* A token over SHA-256 of 'data'. Nonce, imprint, purpose and chain are checked. CS_RETRY
 * ("tsa.unreachable", "tsa.bad_answer") when no authority gave a good one; the message names each.
 */
enum cs_rc cs_tsa_stamp(struct cs_tsa *t, struct cs_bytes data, struct cs_buf *token,
                        int64_t *time_ms, const char **authority, struct cs_err *err) CS_MUST_CHECK;
