/* Artifact configurations: XML in namespace http://signpath.io/artifact-configuration/v1, as plain
 * structs. Hostile input: no DTD, no entities, no network, at most 48 KiB, limited depth.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum { CS_ARTIFACT_MAX_XML = 48 * 1024, CS_ARTIFACT_MAX_PARAMETERS = 64 };

struct cs_parameter {
    const char *name;
    const char *value; /* declared: the default, NULL when there is none; given: the value */
    bool required;
};

/* Values that the file's version data must have; NULL: anything. */
struct cs_restrictions {
    const char *product_name;
    const char *product_version;
    const char *file_version;
    const char *company_name;
    const char *copyright;
    const char *original_filename;
};

/* The root element and its directives; text in the arena, parameters substituted by resolve. */
struct cs_artifact {
    const char *element; /* "pe-file" */
    const char *path;    /* pattern for the file name; NULL: any */
    struct cs_restrictions restrictions;
    bool verify; /* authenticode-verify stands before the signature */
    bool sign;
    const char *hash_algorithm; /* "sha256" by default */
    const char *description;    /* NULL: from the file */
    const char *description_url;
    bool append;
    struct cs_parameter parameters[CS_ARTIFACT_MAX_PARAMETERS];
    size_t n_parameters;
};

/* CS_INVALID "artifact_configuration.xml" (line and column), CS_UNSUPPORTED
 * "artifact_configuration.not_supported" ("not supported yet: <element>", line), CS_LIMIT. */
enum cs_rc cs_artifact_parse(struct cs_bytes xml, struct cs_arena *a, struct cs_artifact *out,
                             struct cs_err *err) CS_MUST_CHECK;

/* Puts the request's parameters (and ${file.name}) into every text. CS_INVALID
 * "artifact_configuration.parameter" for unknown, missing or undeclared ones. */
enum cs_rc cs_artifact_resolve(struct cs_artifact *c, const struct cs_parameter *given, size_t n,
                               const char *file_name, struct cs_arena *a,
                               struct cs_err *err) CS_MUST_CHECK;

/* "*", "?", "[a-z]", "[!a]": case-insensitive, one path segment ("**" is for containers). */
bool cs_artifact_matches(const char *pattern, const char *name);
