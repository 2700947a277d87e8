/* From a verified authorization to the bytes that a key signs, and the signature.
 * SPDX-License-Identifier: Apache-2.0 */
#include "authenticode/authenticode.h"
#include "base/guard.h"
#include "crypto/request.h"
#include "keyd.h"

#include "proto/common.pb-c.h"

#include <openssl/evp.h>
#include <string.h>

enum { MAX_ATTRIBUTES = 64 * 1024, MAX_SIGNATURE = 2048 };

static const struct cs_authorized_item *find_item(const struct cs_authorized *authorized,
                                                  const char *item_id)
{
    const struct cs_authorized_item *items = NULL;
    const size_t n = cs_authorized_items(authorized, &items);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i].item_id, item_id) == 0)
            return &items[i];
    }
    return NULL;
}

static enum cs_rc hash_bytes(const char *algorithm, struct cs_bytes bytes, struct keyd_use *use,
                             struct cs_err *err)
{
    unsigned len = 0;
    const EVP_MD *md = EVP_get_digestbyname(algorithm);
    if (md == NULL || EVP_MD_get_size(md) > KEYD_MAX_DIGEST ||
        EVP_Digest(bytes.ptr, bytes.len, use->digest, &len, md, NULL) != 1)
        return cs_err_code(err, CS_INVALID, "authenticode.hash", "no hash algorithm \"%.20s\"",
                           algorithm);
    use->input.digest = cs_bytes(use->digest, len);
    use->input.hash = algorithm;
    return CS_OK;
}

static enum cs_rc authenticode(const struct cs_authorized *authorized,
                               const struct cs_authorized_item *item, struct keyd_use *use,
                               struct cs_err *err)
{
    CS_AUTO_BUF attributes = CS_BUF_INIT(MAX_ATTRIBUTES);
    struct cs_authenticode in = {.hash = item->digest_algorithm,
                                 .digest = item->digest,
                                 .description = item->description,
                                 .description_url = item->description_url,
                                 .signing_time_ms = cs_authorized_signing_time_ms(authorized)};
    in.n_chain = cs_authorized_chain(authorized, &in.chain);
    CS_TRY(cs_authenticode_attributes(&in, &attributes, err));
    CS_TRY(hash_bytes(item->digest_algorithm, cs_buf_view(&attributes), use, err));
    use->input.scheme = use->key->kind == CS_KEY_RSA ? CS_SCHEME_RSA_PKCS1 : CS_SCHEME_ECDSA;
    use->der = use->key->kind == CS_KEY_EC;
    return CS_OK;
}

static const char *hash_name(const Cs__Common__HashPayload *p)
{
    static const struct {
        const char *oid;
        size_t len;
        const char *name;
    } rows[] = {{"2.16.840.1.101.3.4.2.1", 32, "sha256"},
                {"2.16.840.1.101.3.4.2.2", 48, "sha384"},
                {"2.16.840.1.101.3.4.2.3", 64, "sha512"}};
    const bool by_length = p->algorithm == CS__COMMON__HASH_PAYLOAD__ALGORITHM__ECDSA;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (p->hash.len == rows[i].len && (by_length || strcmp(p->hash_oid, rows[i].oid) == 0))
            return rows[i].name;
    }
    return NULL;
}

static enum cs_rc raw_hash(const Cs__Common__HashPayload *p, struct keyd_use *use,
                           struct cs_err *err)
{
    const bool ec = p->algorithm == CS__COMMON__HASH_PAYLOAD__ALGORITHM__ECDSA;
    const char *name = hash_name(p);
    if (name == NULL)
        return cs_err_code(err, CS_INVALID, "hash.algorithm",
                           "%zu bytes are no SHA-256, SHA-384 or SHA-512 hash with object id "
                           "\"%.40s\"",
                           p->hash.len, p->hash_oid);
    if (ec != (use->key->kind == CS_KEY_EC))
        return cs_err_code(err, CS_INVALID, "hash.key_type",
                           "the certificate's key is %s, and the request asks for %s",
                           use->key->kind == CS_KEY_EC ? "an EC key" : "an RSA key",
                           ec ? "Ecdsa" : "an RSA signature");
    memcpy(use->digest, p->hash.data, p->hash.len);
    use->input.digest = cs_bytes(use->digest, p->hash.len);
    use->input.hash = name;
    use->input.scheme = ec ? CS_SCHEME_ECDSA
                        : p->algorithm == CS__COMMON__HASH_PAYLOAD__ALGORITHM__RSA_PSS
                            ? CS_SCHEME_RSA_PSS
                            : CS_SCHEME_RSA_PKCS1;
    use->der = ec && p->ecdsa_format == CS__COMMON__HASH_PAYLOAD__ECDSA_FORMAT__ASN1;
    return CS_OK;
}

enum cs_rc keyd_prepare(struct keyd *k, const struct cs_authorized *authorized, const char *item_id,
                        int fd, struct keyd_use *use, struct cs_err *err)
{
    const struct cs_authorized_item *item = find_item(authorized, item_id);
    const struct Cs__Common__HashPayload *hash = cs_authorized_hash(authorized);
    if (item == NULL)
        return cs_err_code(err, CS_DENIED, "keyd.item", "item '%.31s' is not in the manifest",
                           item_id);
    if (hash == NULL)
        CS_TRY(keyd_check_artifact(k, authorized, item, fd, err));
    CS_TRY(k->keys->find(k->keys->self, cs_authorized_key_label(authorized), &use->key, err));
    const struct cs_bytes spki = cs_bytes(use->key->spki_sha256, sizeof(use->key->spki_sha256));
    if (CS_GUARD("keyd-key") && !cs_bytes_eq(spki, cs_authorized_key_spki_sha256(authorized)))
        return cs_err_code(err, CS_DENIED, "keyd.other_key",
                           "the token's key '%.60s' is not the certificate's key",
                           cs_authorized_key_label(authorized));
    return hash != NULL ? raw_hash(hash, use, err) : authenticode(authorized, item, use, err);
}

enum cs_rc keyd_sign(struct keyd *k, const struct keyd_use *use, struct cs_buf *out,
                     struct cs_err *err)
{
    CS_AUTO_BUF raw = CS_BUF_INIT(MAX_SIGNATURE);
    CS_TRY(k->keys->sign(k->keys->self, use->key, &use->input, &raw, err));
    if (use->der)
        return cs_ecdsa_to_der(cs_buf_view(&raw), out, err);
    return cs_buf_add(out, raw.ptr, raw.len, err);
}
