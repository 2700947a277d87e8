/* Text of checkpoints; see checkpoint.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/checkpoint.h"

#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { TEXT_MAX = 4096 };

enum cs_rc cs_checkpoint_sign(const struct cs_checkpoint *c, const struct cs_signing_key *key,
                              struct cs_buf *out, struct cs_err *err)
{
    CS_AUTO_BUF text = CS_BUF_INIT(TEXT_MAX);
    CS_AUTO_STR root = cs_base64_encode(c->head.root.b, sizeof(c->head.root.b));
    if (root == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_buf_addf(&text, err, "%s\n%llu\n%s\n", c->origin, (unsigned long long)c->head.size,
                       root));
    return cs_note_sign(c->origin, key, cs_buf_view(&text), out, err);
}

static enum cs_rc malformed(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_INVALID, "checkpoint.malformed", "not a checkpoint: %s", what);
}

/* The next line of the text, without its newline; false at the end. */
static bool next_line(struct cs_bytes *text, struct cs_bytes *line)
{
    const uint8_t *newline = text->len == 0 ? NULL : memchr(text->ptr, '\n', text->len);
    if (newline == NULL)
        return false;
    *line = cs_bytes(text->ptr, (size_t)(newline - text->ptr));
    *text = cs_bytes(newline + 1, text->len - line->len - 1);
    return line->len > 0;
}

static bool read_size(struct cs_bytes line, uint64_t *out)
{
    uint64_t n = 0;
    if (line.len > 20 || (line.len > 1 && line.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < line.len; i++) {
        const unsigned digit = (unsigned)line.ptr[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

enum cs_rc cs_checkpoint_open(struct cs_bytes note, const struct cs_note_key *key,
                              struct cs_checkpoint *out, struct cs_err *err)
{
    struct cs_checkpoint c;
    struct cs_bytes text;
    struct cs_bytes line;
    CS_AUTO_BUF root = CS_BUF_INIT(64);
    memset(&c, 0, sizeof(c));
    CS_TRY(cs_note_open(note, key, &text, err));
    if (!next_line(&text, &line) || line.len >= sizeof(c.origin))
        return malformed(err, "its first line is no origin");
    memcpy(c.origin, line.ptr, line.len);
    if (!next_line(&text, &line) || !read_size(line, &c.head.size))
        return malformed(err, "its second line is no tree size");
    if (!next_line(&text, &line) ||
        cs_base64_decode((const char *)line.ptr, line.len, &root, NULL) != CS_OK ||
        root.len != sizeof(c.head.root.b))
        return malformed(err, "its third line is no root hash");
    memcpy(c.head.root.b, root.ptr, root.len);
    while (text.len > 0) {
        if (!next_line(&text, &line))
            return malformed(err, "an empty extension line");
    }
    if (key != NULL && strcmp(key->name, c.origin) != 0)
        return cs_err_code(err, CS_DENIED, "checkpoint.other_log", "a checkpoint of '%s', not '%s'",
                           c.origin, key->name);
    *out = c;
    return CS_OK;
}
