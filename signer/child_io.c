/* One question, one answer; see child_io.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "child_io.h"

#include "codec/message.h"
#include "sandbox/sandbox.h"

enum { MAX_QUESTION = 4 << 20 };

enum cs_rc child_begin(const struct ProtobufCMessageDescriptor *question, struct cs_arena *a,
                       struct ProtobufCMessage **out, struct cs_err *err)
{
    struct cs_buf bytes = CS_BUF_INIT(MAX_QUESTION); /* the message points into it: never freed */
    CS_TRY(cs_sandbox_enter((uint64_t)CHILD_MEMORY_MIB << 20, CHILD_CPU_SECONDS, err));
    CS_TRY(cs_frame_receive(CHILD_SOCKET, &bytes, err));
    return cs_message_unpack(question, cs_buf_view(&bytes), a, out, err);
}

enum cs_rc child_answer(const struct ProtobufCMessage *answer, struct cs_arena *a,
                        struct cs_err *err)
{
    struct cs_bytes bytes;
    CS_TRY(cs_message_pack(answer, a, &bytes, err));
    return cs_frame_send(CHILD_SOCKET, bytes, err);
}

const char *child_code(const struct cs_err *err, const char *fallback)
{
    return err->code[0] != '\0' ? err->code : fallback;
}
