/* From organization.yaml to the bodies of entities, compared with what the gateway has.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "config/organization.h"
#include "crypto/sign.h"

#include "proto/config.pb-c.h"

#include <jansson.h>

enum { BUILD_MAX = 2048 };

/* What the gateway has of one entity. */
struct built_head {
    int kind;
    const char *id;
    const char *slug;
    uint64_t revision;
    bool deleted;
    struct cs_bytes body;
    bool wanted; /* the file names it */
};

struct build {
    struct cs_arena *a;
    const char *environment;
    const char *organization_id;
    const char *directory; /* of the YAML file: paths are relative to it */
    const char *tokens_directory;
    const struct cs_signing_key *key; /* administrator's; NULL: revisions stay unsigned */
    struct built_head *heads;
    size_t n_heads;
    json_t *changes; /* for the gateway */
    json_t *people;
    bool dry_run;
    size_t n_changed;
};

/* Fills changes and people; new tokens' secrets are written to files. */
enum cs_rc config_build(struct build *b, const struct cs_organization *o,
                        struct cs_err *err) CS_MUST_CHECK;
