/* multipart/form-data from hostile bytes: in one piece and byte by byte it says the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/multipart.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t parts;
    size_t bytes;
    size_t ends;
};

static enum cs_rc begin(void *ctx, const struct multipart_part *p, struct cs_err *err)
{
    (void)p;
    (void)err;
    ((struct seen *)ctx)->parts++;
    return CS_OK;
}
static enum cs_rc data_of(void *ctx, struct cs_bytes piece, struct cs_err *err)
{
    (void)err;
    ((struct seen *)ctx)->bytes += piece.len;
    return CS_OK;
}
static enum cs_rc end(void *ctx, struct cs_err *err)
{
    (void)err;
    ((struct seen *)ctx)->ends++;
    return CS_OK;
}

static enum cs_rc parse(const uint8_t *data, size_t size, size_t step, struct seen *s)
{
    static struct multipart m;
    const struct multipart_sink sink = {s, begin, data_of, end};
    CS_TRY(multipart_init(&m, "multipart/form-data; boundary=x", &sink, NULL));
    for (size_t at = 0; at < size; at += step)
        CS_TRY(multipart_feed(&m, cs_bytes(data + at, size - at < step ? size - at : step), NULL));
    return multipart_finish(&m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = {0};
    struct seen bytes = {0};
    const enum cs_rc a = parse(data, size, size + 1, &whole);
    const enum cs_rc b = parse(data, size, 1, &bytes);
    assert(a == b && whole.parts == bytes.parts && whole.ends == bytes.ends);
    assert(a != CS_OK || whole.bytes == bytes.bytes);
    assert(whole.bytes <= size);
    return 0;
}
