/* Signed notes (C2SP signed-note): text under Ed25519 signatures, and the verifier keys they are
 * checked by. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "crypto/sign.h"

enum { CS_NOTE_NAME = 128, CS_NOTE_MAX = 128 * 1024, CS_NOTE_SIGNATURES = 64 };

/* A verifier key, "name+01234567+base64". */
struct cs_note_key {
    char name[CS_NOTE_NAME];
    uint8_t id[4];
    uint8_t public_key[CS_ED25519_PUBLIC];
};

/* CS_INVALID for a name that is empty, too long, or holds blanks, controls or '+'. */
enum cs_rc cs_note_key_make(const char *name, const uint8_t public_key[CS_ED25519_PUBLIC],
                            struct cs_note_key *out, struct cs_err *err) CS_MUST_CHECK;
/* Appends the text form, no newline. */
enum cs_rc cs_note_key_format(const struct cs_note_key *k, struct cs_buf *out,
                              struct cs_err *err) CS_MUST_CHECK;
/* Ed25519 keys (type 1) whose id fits. CS_INVALID. */
enum cs_rc cs_note_key_parse(const char *text, struct cs_note_key *out,
                             struct cs_err *err) CS_MUST_CHECK;

/* Appends the note: text (which ends in a newline), a blank line, one signature line. */
enum cs_rc cs_note_sign(const char *name, const struct cs_signing_key *key, struct cs_bytes text,
                        struct cs_buf *out, struct cs_err *err) CS_MUST_CHECK;
/* Checks the note and gives its text (a view into it). CS_INVALID ("note.malformed"); CS_DENIED
 * ("note.unsigned") without a signature by the key, ("note.bad_signature") with a wrong one. With
 * key NULL only the form is checked. Total on hostile input. */
enum cs_rc cs_note_open(struct cs_bytes note, const struct cs_note_key *key, struct cs_bytes *text,
                        struct cs_err *err) CS_MUST_CHECK;
