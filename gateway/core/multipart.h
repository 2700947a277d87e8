/* multipart/form-data (RFC 7578, RFC 2046), streaming: pieces in, parts out, whatever their size
 * and order. Takes what real clients send: unquoted names, filename*, headers in any order, no CRLF
 * after the closing boundary. Pure. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <stdbool.h>

enum { MULTIPART_MAX_NAME = 256, MULTIPART_MAX_HEADER = 8192, MULTIPART_MAX_BOUNDARY = 200 };

struct multipart_part {
    char name[MULTIPART_MAX_NAME];
    char file_name[MULTIPART_MAX_NAME]; /* "" when it is not a file */
    bool is_file;
};

/* Errors that these answer end the parse and are passed on. */
struct multipart_sink {
    void *ctx;
    enum cs_rc (*begin)(void *ctx, const struct multipart_part *p, struct cs_err *err);
    enum cs_rc (*data)(void *ctx, struct cs_bytes piece, struct cs_err *err);
    enum cs_rc (*end)(void *ctx, struct cs_err *err);
};

struct multipart {
    struct multipart_sink sink;
    char boundary[MULTIPART_MAX_BOUNDARY + 5]; /* CRLF--boundary */
    size_t boundary_len;
    int state;
    size_t matched; /* of the boundary, so far */
    char header[MULTIPART_MAX_HEADER];
    size_t header_len;
    size_t n_parts;
};

/* From the Content-Type header. CS_INVALID "multipart.content_type". */
enum cs_rc multipart_init(struct multipart *m, const char *content_type,
                          const struct multipart_sink *sink, struct cs_err *err) CS_MUST_CHECK;
/* CS_INVALID "multipart.malformed" (and where), CS_LIMIT. */
enum cs_rc multipart_feed(struct multipart *m, struct cs_bytes piece,
                          struct cs_err *err) CS_MUST_CHECK;
/* The body ended: CS_INVALID when it was cut. */
enum cs_rc multipart_finish(const struct multipart *m, struct cs_err *err) CS_MUST_CHECK;
