/* Notes, checkpoints and verifier keys from hostile bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tlog/checkpoint.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cs_checkpoint c;
    struct cs_note_key k;
    struct cs_bytes text;
    CS_AUTO_STR line = cs_strndup((const char *)data, size);
    if (cs_note_open(cs_bytes(data, size), NULL, &text, NULL) == CS_OK)
        assert(text.len > 0 && text.len < size && text.ptr[text.len - 1] == '\n');
    if (cs_checkpoint_open(cs_bytes(data, size), NULL, &c, NULL) == CS_OK)
        assert(c.origin[0] != '\0');
    if (line != NULL && cs_note_key_parse(line, &k, NULL) == CS_OK) {
        CS_AUTO_BUF again = CS_BUF_INIT(1024);
        assert(cs_note_key_format(&k, &again, NULL) == CS_OK);
        assert(cs_checkpoint_open(cs_bytes(data, size), &k, &c, NULL) != CS_OK);
    }
    return 0;
}
