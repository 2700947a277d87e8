/* Sessions, log-in, finding and using keys; see pkcs11.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PIN = 256, MAX_SLOTS = 64 };

void cs_pkcs11_freep(struct cs_pkcs11 **t)
{
    cs_pkcs11_close(*t);
    *t = NULL;
}

static void forget_session(struct cs_pkcs11 *t)
{
    for (size_t i = 0; i < t->n_keys; i++) {
        cs_free(t->keys[i].spki_bytes);
        cs_free(t->keys[i].label);
    }
    t->n_keys = 0;
    if (t->open)
        t->fn->C_CloseSession(t->session);
    t->open = false;
}

/* Everything that a new session may cure is CS_RETRY; a wrong PIN never is. */
enum cs_rc pkcs11_fail(struct cs_pkcs11 *t, CK_RV rv, const char *what, struct cs_err *err)
{
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
        t->pin_refused = true;
        return cs_err_code(
            err, CS_DENIED, "keys.pin_incorrect",
            "the token refused the PIN; it is not tried again until an operator says "
            "so (countersign keys resume)");
    case CKR_PIN_LOCKED:
        t->pin_refused = true;
        return cs_err_code(err, CS_DENIED, "keys.pin_locked", "the token's PIN is locked");
    default:
        forget_session(t);
        return cs_err_code(err, CS_RETRY, "keys.token", "%s: PKCS #11 error 0x%lx", what, rv);
    }
}

static bool label_is(const CK_TOKEN_INFO *info, const char *label)
{
    size_t n = sizeof(info->label);
    while (n > 0 && info->label[n - 1] == ' ')
        n--;
    return n == strlen(label) && memcmp(info->label, label, n) == 0;
}

static enum cs_rc find_slot(struct cs_pkcs11 *t, CK_SLOT_ID *slot, struct cs_err *err)
{
    CK_SLOT_ID slots[MAX_SLOTS];
    CK_ULONG n = MAX_SLOTS;
    const CK_RV rv = t->fn->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_GetSlotList", err);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (t->fn->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(&info, t->token_label)) {
            *slot = slots[i];
            return CS_OK;
        }
    }
    return cs_err_code(err, CS_RETRY, "keys.token", "no token labelled '%s' is present",
                       t->token_label);
}

static enum cs_rc log_in(struct cs_pkcs11 *t, struct cs_err *err)
{
    CS_AUTO_BUF pin = CS_BUF_INIT(MAX_PIN);
    if (cs_file_read(t->pin_file, &pin, err) != CS_OK)
        return cs_err_wrap(err, "the token's PIN");
    while (pin.len > 0 && (pin.ptr[pin.len - 1] == '\n' || pin.ptr[pin.len - 1] == '\r'))
        pin.len--;
    const CK_RV rv = t->fn->C_Login(t->session, CKU_USER, pin.ptr, pin.len);
    cs_wipe(pin.ptr, pin.cap);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return pkcs11_fail(t, rv, "C_Login", err);
    return CS_OK;
}

enum cs_rc pkcs11_session(struct cs_pkcs11 *t, struct cs_err *err)
{
    CK_SLOT_ID slot = 0;
    if (t->open)
        return CS_OK;
    if (t->pin_refused)
        return cs_err_code(err, CS_DENIED, "keys.pin_incorrect",
                           "the token refused the PIN before; correct it, then: countersign keys "
                           "resume");
    CS_TRY(find_slot(t, &slot, err));
    const CK_RV rv =
        t->fn->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session);
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_OpenSession", err);
    t->open = true;
    const enum cs_rc rc = log_in(t, err);
    if (rc != CS_OK)
        forget_session(t);
    return rc;
}

static enum cs_rc find_object(struct cs_pkcs11 *t, CK_OBJECT_CLASS cls, const char *label,
                              CK_OBJECT_HANDLE *out, struct cs_err *err)
{
    CK_ATTRIBUTE want[] = {{CKA_CLASS, &cls, sizeof(cls)},
                           {CKA_LABEL, pkcs11_unconst(label), strlen(label)}};
    CK_ULONG n = 0;
    CK_RV rv = t->fn->C_FindObjectsInit(t->session, want, 2);
    if (rv == CKR_OK) {
        rv = t->fn->C_FindObjects(t->session, out, 1, &n);
        t->fn->C_FindObjectsFinal(t->session);
    }
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_FindObjects", err);
    if (n != 1)
        return cs_err_code(err, CS_NOT_FOUND, "keys.not_found",
                           "no key labelled '%s' in token '%s'", label, t->token_label);
    return CS_OK;
}

static enum cs_rc load_key(struct cs_pkcs11 *t, const char *label, struct cs_err *err)
{
    CK_OBJECT_HANDLE public_key = 0;
    struct token_key *k = &t->keys[t->n_keys];
    if (t->n_keys == MAX_KEYS)
        return cs_err_set(err, CS_LIMIT, "more than %d keys in use", MAX_KEYS);
    *k = (struct token_key){0};
    CS_TRY(find_object(t, CKO_PRIVATE_KEY, label, &k->handle, err));
    CS_TRY(find_object(t, CKO_PUBLIC_KEY, label, &public_key, err));
    CS_TRY(pkcs11_public_key(t, public_key, k, err));
    k->label = cs_strdup(label);
    if (k->label == NULL) {
        cs_free(k->spki_bytes);
        return cs_err_set(err, CS_NOMEM, "no memory");
    }
    t->n_keys++;
    return CS_OK;
}

static enum cs_rc find_key(void *self, const char *label, const struct cs_key **out,
                           struct cs_err *err)
{
    struct cs_pkcs11 *t = self;
    CS_TRY(pkcs11_session(t, err));
    for (size_t i = 0; i < t->n_keys; i++) {
        if (strcmp(t->keys[i].label, label) == 0) {
            *out = &t->keys[i].key;
            return CS_OK;
        }
    }
    CS_TRY(load_key(t, label, err));
    *out = &t->keys[t->n_keys - 1].key;
    return CS_OK;
}

static void resume(void *self)
{
    struct cs_pkcs11 *t = self;
    t->pin_refused = false;
}

enum cs_rc cs_pkcs11_open(const struct cs_pkcs11_options *o, struct cs_pkcs11 **out,
                          struct cs_err *err)
{
    CS_AUTO(cs_pkcs11) t = cs_calloc(1, sizeof(*t));
    if (t == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    t->token_label = cs_strdup(o->token_label);
    t->pin_file = cs_strdup(o->pin_file);
    if (t->token_label == NULL || t->pin_file == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    t->fn = p11_kit_module_load(o->module, P11_KIT_MODULE_CRITICAL);
    if (t->fn == NULL)
        return cs_err_code(err, CS_INVALID, "keys.module", "%s: %s", o->module,
                           p11_kit_message() == NULL ? "cannot be loaded" : p11_kit_message());
    const CK_RV rv = p11_kit_module_initialize(t->fn);
    if (rv != CKR_OK)
        return cs_err_code(err, CS_RETRY, "keys.module", "%s: %s", o->module, p11_kit_strerror(rv));
    t->initialized = true;
    t->port = (struct cs_keys){.self = t, .find = find_key, .sign = pkcs11_sign, .resume = resume};
    *out = CS_STEAL(t);
    return CS_OK;
}

void cs_pkcs11_close(struct cs_pkcs11 *t)
{
    if (t == NULL)
        return;
    forget_session(t);
    if (t->initialized)
        p11_kit_module_finalize(t->fn);
    if (t->fn != NULL)
        p11_kit_module_release(t->fn);
    cs_free(t->token_label);
    cs_free(t->pin_file);
    cs_free(t);
}

const struct cs_keys *cs_pkcs11_port(struct cs_pkcs11 *t)
{
    return &t->port;
}
