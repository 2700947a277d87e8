/* New key pairs, made inside the token.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

/* DER object ids of the curves (RFC 5480, 2.1.1.1). */
static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static uint8_t exponent[] = {1, 0, 1};

static enum cs_rc choose(const char *type, CK_ULONG *bits, CK_ATTRIBUTE special[2], size_t *n,
                         CK_MECHANISM *m, struct cs_err *err)
{
    static const struct {
        const char *name;
        CK_ULONG bits;
    } rsa[] = {{"rsa-2048", 2048}, {"rsa-3072", 3072}, {"rsa-4096", 4096}};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(type, rsa[i].name) != 0)
            continue;
        *bits = rsa[i].bits;
        m->mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        special[0] = (CK_ATTRIBUTE){CKA_MODULUS_BITS, bits, sizeof(*bits)};
        special[1] = (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)};
        *n = 2;
        return CS_OK;
    }
    m->mechanism = CKM_EC_KEY_PAIR_GEN;
    *n = 1;
    if (strcmp(type, "ec-p256") == 0)
        special[0] = (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof(p256)};
    else if (strcmp(type, "ec-p384") == 0)
        special[0] = (CK_ATTRIBUTE){CKA_EC_PARAMS, p384, sizeof(p384)};
    else
        return cs_err_code(err, CS_INVALID, "keys.type",
                           "'%s': rsa-2048, rsa-3072, rsa-4096, ec-p256 or ec-p384 expected", type);
    return CS_OK;
}

enum cs_rc cs_pkcs11_generate(struct cs_pkcs11 *t, const char *label, const char *type,
                              struct cs_err *err)
{
    CK_MECHANISM m = {0, NULL, 0};
    CK_ATTRIBUTE special[2];
    CK_ULONG bits = 0;
    size_t n = 0;
    const struct cs_key *there = NULL;
    CK_OBJECT_HANDLE pub = 0;
    CK_OBJECT_HANDLE priv = 0;
    CS_TRY(choose(type, &bits, special, &n, &m, err));
    const enum cs_rc found = t->port.find(t, label, &there, err);
    if (found == CS_OK)
        return cs_err_code(err, CS_EXISTS, "keys.exists", "a key labelled '%s' exists", label);
    if (found != CS_NOT_FOUND)
        return found;
    CK_ATTRIBUTE pub_template[6] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                    {CKA_VERIFY, &yes, sizeof(yes)},
                                    {CKA_LABEL, pkcs11_unconst(label), strlen(label)},
                                    {CKA_ID, pkcs11_unconst(label), strlen(label)}};
    memcpy(pub_template + 4, special, n * sizeof(special[0]));
    CK_ATTRIBUTE priv_template[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                    {CKA_PRIVATE, &yes, sizeof(yes)},
                                    {CKA_SENSITIVE, &yes, sizeof(yes)},
                                    {CKA_EXTRACTABLE, &no, sizeof(no)},
                                    {CKA_SIGN, &yes, sizeof(yes)},
                                    {CKA_LABEL, pkcs11_unconst(label), strlen(label)},
                                    {CKA_ID, pkcs11_unconst(label), strlen(label)}};
    const CK_RV rv =
        t->fn->C_GenerateKeyPair(t->session, &m, pub_template, 4 + n, priv_template,
                                 sizeof(priv_template) / sizeof(priv_template[0]), &pub, &priv);
    if (rv != CKR_OK)
        return pkcs11_fail(t, rv, "C_GenerateKeyPair", err);
    return CS_OK;
}
