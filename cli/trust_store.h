/* A trust directory: root key, registry, the services' keys. Every change signs a new version of
 * the registry. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "crypto/sign.h"

#include "proto/trust.pb-c.h"

enum { TRUST_MAX_KEYS = 256 };

struct trust_store {
    const char *directory; /* borrowed */
    struct cs_signing_key *root;
    Cs__Trust__Registry registry; /* pointers into the arena */
    struct cs_arena *arena;
};

void trust_store_done(struct trust_store *s);

/* A new one; CS_EXISTS when the directory has a root already. */
enum cs_rc trust_store_create(struct trust_store *s, const char *directory, const char *environment,
                              struct cs_err *err) CS_MUST_CHECK;
/* Reads what is there, the root's private key included. COUNTERSIGN_ROOT_PASSPHRASE opens an
 * encrypted one. */
enum cs_rc trust_store_open(struct trust_store *s, const char *directory,
                            struct cs_err *err) CS_MUST_CHECK;
/* Version + 1, signed, written atomically. */
enum cs_rc trust_store_save(struct trust_store *s, struct cs_err *err) CS_MUST_CHECK;

/* Adds entries; text and bytes are copied. */
enum cs_rc trust_store_add_service(struct trust_store *s, const uint8_t public_key[32],
                                   const char *role, const char *pool,
                                   struct cs_err *err) CS_MUST_CHECK;
enum cs_rc trust_store_add_administrator(struct trust_store *s, const uint8_t public_key[32],
                                         const char *name, const char *organization_id,
                                         struct cs_err *err) CS_MUST_CHECK;
/* Replaces the floor of a pool, or of a key (spki_sha256 not NULL). */
enum cs_rc trust_store_set_pool_floor(struct trust_store *s, const char *pool,
                                      const Cs__Trust__Floor *floor,
                                      struct cs_err *err) CS_MUST_CHECK;
enum cs_rc trust_store_set_key_floor(struct trust_store *s, const uint8_t spki_sha256[32],
                                     const char *organization_id, const char *label,
                                     const Cs__Trust__Floor *floor,
                                     struct cs_err *err) CS_MUST_CHECK;
