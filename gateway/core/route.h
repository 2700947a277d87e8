/* Paths to routes: case-insensitive, trailing slash optional. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/uuid.h"

#include <stdbool.h>

enum route_id {
    ROUTE_NONE,
    ROUTE_HEALTHZ,
    ROUTE_SUBMIT, /* .../SigningRequests, .../SigningRequests/SubmitWithArtifact */
    ROUTE_LIST,   /* GET .../SigningRequests */
    ROUTE_SIGN_HASH,
    ROUTE_REQUEST, /* .../SigningRequests/{id} */
    ROUTE_STATUS,
    ROUTE_SIGNED,
    ROUTE_UNSIGNED,
    ROUTE_APPROVE,
    ROUTE_DENY,
    ROUTE_CANCEL,
    ROUTE_RESEND,
    ROUTE_POLICIES, /* .../Cryptoki/MySigningPolicies */
    ROUTE_CONFIGURATION,
    ROUTE_DECIDE, /* /Api/v1/Decisions */
    ROUTE_PREVIEW,
    ROUTE_FILE /* the web application's files */
};

struct route {
    enum route_id id;
    char organization[CS_UUID_TEXT]; /* "" where the path names none */
    char request[CS_UUID_TEXT];
    bool wrong_method; /* the path exists, but not for this method */
    bool bad_id;       /* an id in the path is not a UUID */
};

/* 'path' is decoded, without the query. */
struct route route_find(const char *method, const char *path);
