/* Checkpoints (C2SP tlog-checkpoint): the signed head of a log.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "tlog/note.h"
#include "tlog/proof.h"

struct cs_checkpoint {
    char origin[CS_NOTE_NAME];
    struct cs_tlog_head head;
};

/* Appends the signed note; the key's name is the origin. */
enum cs_rc cs_checkpoint_sign(const struct cs_checkpoint *c, const struct cs_signing_key *key,
                              struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
/* Opens the note by the key (NULL: its form only, nothing is believed yet) and reads the head; the
 * origin must be the key's name. CS_DENIED as cs_note_open, and "checkpoint.other_log"; CS_INVALID
 * ("checkpoint.malformed"). Total on hostile input. */
enum cs_rc cs_checkpoint_open(struct cs_bytes note, const struct cs_note_key *key,
                              struct cs_checkpoint *out, struct cs_err *err) CS_MUST_CHECK;
