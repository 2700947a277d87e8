/* organization.yaml: configuration as code. What stands in the file, as plain structs; references
 * are slugs. Errors name line and column, and all of them are found at once.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

enum { CS_ORG_MAX = 256 }; /* entries of a list */

struct cs_org_texts {
    const char *list[CS_ORG_MAX];
    size_t n;
};

struct cs_org_user {
    const char *slug;
    const char *name;
    const char *email;
    bool ci;
    const char *responsible; /* CI users: a user's slug */
    struct cs_org_texts roles;
    bool disabled;
};
struct cs_org_token {
    const char *user;
    const char *name;
    const char *expires; /* RFC 3339; NULL: never */
    bool revoked;
};
struct cs_org_certificate {
    const char *slug;
    const char *name;
    const char *pool;
    const char *key;     /* label in the pool's token */
    const char *chain;   /* PEM file, leaf first */
    const char *purpose; /* test, release */
};
struct cs_org_configuration {
    const char *slug;
    const char *name;
    const char *xml;  /* inline, or */
    const char *file; /* a file's path */
    bool is_default;
};
struct cs_org_policy {
    const char *slug;
    const char *name;
    const char *certificate;
    int64_t quorum;
    struct cs_org_texts approvers;
    struct cs_org_texts submitters;
    const char *assurance; /* none, session, email-token, ... */
    bool hashes;
    int64_t approval_ttl_s;
    int64_t signing_ttl_s;
    int64_t retention_days;
    bool revokes_older;
};
struct cs_org_project {
    const char *slug;
    const char *name;
    const char *description;
    const char *repository;
    struct cs_org_texts readers;
    struct cs_org_texts configurators;
    struct cs_org_configuration *configurations;
    size_t n_configurations;
    struct cs_org_policy *policies;
    size_t n_policies;
};
struct cs_organization {
    const char *slug;
    const char *name;
    struct cs_org_user *users;
    size_t n_users;
    struct cs_org_token *tokens;
    size_t n_tokens;
    struct cs_org_certificate *certificates;
    size_t n_certificates;
    struct cs_org_project *projects;
    size_t n_projects;
};

/* "${NAME}" in a text is replaced by what 'lookup' answers (NULL: an error). Everything in the
 * arena. CS_INVALID: 'problems' has a line for each ("line 12, column 5: ..."). */
enum cs_rc cs_organization_parse(struct cs_bytes yaml, const char *(*lookup)(const char *name),
                                 struct cs_arena *a, struct cs_organization *out,
                                 struct cs_buf *problems) CS_MUST_CHECK;
