/* Making and opening signed notes; see note.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tlog/note.h"

#include "base/guard.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

static const char dash[] = "\xe2\x80\x94 "; /* em dash, space */
enum { ED25519_TYPE = 1, DASH = sizeof(dash) - 1, TYPED = 1 + CS_ED25519_PUBLIC };

static enum cs_rc malformed(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_INVALID, "note.malformed", "not a signed note: %s", what);
}

enum cs_rc cs_note_key_make(const char *name, const uint8_t public_key[CS_ED25519_PUBLIC],
                            struct cs_note_key *out, struct cs_err *err)
{
    uint8_t typed[TYPED] = {ED25519_TYPE};
    uint8_t hash[CS_SHA256_SIZE];
    struct cs_note_key k;
    memset(&k, 0, sizeof(k));
    if (*name == '\0')
        return cs_err_set(err, CS_INVALID, "a log's key needs a name");
    for (const char *p = name; *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '+')
            return cs_err_set(err, CS_INVALID,
                              "key name '%.60s': blanks, '+' and characters beyond "
                              "ASCII are not allowed",
                              name);
    }
    CS_TRY(cs_strf(k.name, sizeof(k.name), err, "%s", name));
    memcpy(k.public_key, public_key, sizeof(k.public_key));
    memcpy(typed + 1, public_key, CS_ED25519_PUBLIC);
    const struct cs_bytes parts[] = {cs_bytes_str(name), cs_bytes("\n", 1),
                                     cs_bytes(typed, sizeof(typed))};
    cs_sha256_parts(parts, 3, hash);
    memcpy(k.id, hash, sizeof(k.id));
    *out = k;
    return CS_OK;
}

enum cs_rc cs_note_key_format(const struct cs_note_key *k, struct cs_buf *out, struct cs_err *err)
{
    uint8_t typed[TYPED] = {ED25519_TYPE};
    char id[9];
    memcpy(typed + 1, k->public_key, CS_ED25519_PUBLIC);
    cs_hex_encode(k->id, sizeof(k->id), id);
    CS_AUTO_STR key = cs_base64_encode(typed, sizeof(typed));
    if (key == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    return cs_buf_addf(out, err, "%s+%s+%s", k->name, id, key);
}

enum cs_rc cs_note_key_parse(const char *text, struct cs_note_key *out, struct cs_err *err)
{
    char name[CS_NOTE_NAME];
    uint8_t id[4];
    char id_text[9];
    CS_AUTO_BUF typed = CS_BUF_INIT(64);
    const size_t len = strcspn(text, "\r\n");
    const char *plus = memchr(text, '+', len);
    if (plus == NULL || len - (size_t)(plus - text) < 11 || plus[9] != '+' ||
        text[len + strspn(text + len, "\r\n")] != '\0')
        return cs_err_set(err, CS_INVALID, "not a verifier key (name+id+key)");
    CS_TRY(cs_strf(name, sizeof(name), err, "%.*s", (int)(plus - text), text));
    memcpy(id_text, plus + 1, 8);
    id_text[8] = '\0';
    CS_TRY(cs_hex_decode(id_text, id, sizeof(id), err));
    CS_TRY(cs_base64_decode(plus + 10, len - (size_t)(plus + 10 - text), &typed, err));
    if (typed.len != TYPED || typed.ptr[0] != ED25519_TYPE)
        return cs_err_set(err, CS_INVALID, "verifier key: not an Ed25519 key (type 1)");
    struct cs_note_key k;
    CS_TRY(cs_note_key_make(name, typed.ptr + 1, &k, err));
    if (memcmp(k.id, id, sizeof(id)) != 0)
        return cs_err_set(err, CS_INVALID, "verifier key: its id does not fit its key");
    *out = k;
    return CS_OK;
}

enum cs_rc cs_note_sign(const char *name, const struct cs_signing_key *key, struct cs_bytes text,
                        struct cs_buf *out, struct cs_err *err)
{
    struct cs_note_key k;
    uint8_t sig[4 + CS_ED25519_SIGNATURE];
    CS_TRY(cs_note_key_make(name, cs_signing_key_public(key), &k, err));
    memcpy(sig, k.id, 4);
    cs_sign(key, text.ptr, text.len, sig + 4);
    CS_AUTO_STR encoded = cs_base64_encode(sig, sizeof(sig));
    if (encoded == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    CS_TRY(cs_buf_add(out, text.ptr, text.len, err));
    return cs_buf_addf(out, err, "\n%s%s %s\n", dash, name, encoded);
}

/* What the signature lines say about one key. */
struct verdict {
    const struct cs_note_key *key;
    struct cs_bytes text;
    bool found;
    bool wrong;
};

/* "name base64", without the dash and the newline. */
static enum cs_rc one_signature(struct verdict *v, const char *line, size_t len, struct cs_err *err)
{
    CS_AUTO_BUF sig = CS_BUF_INIT(8192);
    const char *blank = memchr(line, ' ', len);
    const size_t name_len = blank == NULL ? 0 : (size_t)(blank - line);
    if (name_len == 0 || memchr(line, '+', name_len) != NULL)
        return malformed(err, "a signature without a key name");
    if (cs_base64_decode(blank + 1, len - name_len - 1, &sig, NULL) != CS_OK || sig.len < 5)
        return malformed(err, "a signature that is not base64");
    if (v->key == NULL || strlen(v->key->name) != name_len ||
        memcmp(v->key->name, line, name_len) != 0 || memcmp(v->key->id, sig.ptr, 4) != 0)
        return CS_OK; /* of a key we do not know: to be ignored */
    v->found = true;
    v->wrong = v->wrong || sig.len != 4 + CS_ED25519_SIGNATURE ||
               !cs_sign_verify(v->key->public_key, v->text.ptr, v->text.len, sig.ptr + 4);
    return CS_OK;
}

static enum cs_rc signatures(struct verdict *v, const char *p, const char *end, struct cs_err *err)
{
    for (unsigned n = 0; p < end; n++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (n == CS_NOTE_SIGNATURES)
            return malformed(err, "too many signatures");
        if (newline == NULL || newline - p <= DASH || memcmp(p, dash, DASH) != 0)
            return malformed(err, "a signature line must start with a dash");
        CS_TRY(one_signature(v, p + DASH, (size_t)(newline - p) - DASH, err));
        p = newline + 1;
    }
    return CS_OK;
}

static bool clean(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < ' ' && p[i] != '\n')
            return false;
    }
    return cs_utf8_valid(p, n);
}

enum cs_rc cs_note_open(struct cs_bytes note, const struct cs_note_key *key, struct cs_bytes *text,
                        struct cs_err *err)
{
    const char *p = (const char *)note.ptr;
    size_t at = note.len;
    if (note.len < 4 || note.len > CS_NOTE_MAX || !clean(p, note.len))
        return malformed(err, "empty, too long, or not plain text");
    /* The last empty line divides text and signatures. */
    while (at >= 2 && !(p[at - 1] == '\n' && p[at - 2] == '\n'))
        at--;
    if (at < 2 || at == note.len)
        return malformed(err, "no signatures in it");
    struct verdict v = {.key = key, .text = cs_bytes(p, at - 1)};
    CS_TRY(signatures(&v, p + at, p + note.len, err));
    if (CS_GUARD("note-signature") && key != NULL && !v.found)
        return cs_err_code(err, CS_DENIED, "note.unsigned", "not signed by %s", key->name);
    if (CS_GUARD("note-signature") && v.wrong)
        return cs_err_code(err, CS_DENIED, "note.bad_signature", "the signature by %s is wrong",
                           key->name);
    *text = v.text;
    return CS_OK;
}
