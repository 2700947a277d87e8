/* A file format: how to look into an artifact, and how to put a signature into it. Each format is
 * one folder behind one struct of functions. All of it parses hostile input: it runs in the
 * sandboxed parser child, with bounded memory and no trust in any length it reads.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum { CS_MAX_DIGESTS = 3, CS_MAX_VERSION_VALUES = 16, CS_MAX_SIGNERS = 8 };

struct cs_format_digest {
    const char *algorithm; /* "sha256", ... */
    uint8_t bytes[64];
    size_t len;
};

struct cs_existing_signer {
    const char *subject;
    const char *issuer;
    int64_t timestamp_ms; /* 0: none */
    bool valid;           /* digest and signature are right; nothing is said of trust */
    const char *detail;
};

struct cs_version_value {
    const char *name; /* ProductName, FileVersion, ... */
    const char *value;
};

/* What inspection says of one file; text in the arena. */
struct cs_inspected {
    bool leave_out_sha256; /* asked by the caller: the format's digests alone */
    uint64_t size;
    uint8_t sha256[32];                              /* of the whole file */
    struct cs_format_digest digests[CS_MAX_DIGESTS]; /* as it will be signed */
    size_t n_digests;
    const char *machine; /* "x86-64", "i386", "arm64", ... */
    struct cs_version_value version[CS_MAX_VERSION_VALUES];
    size_t n_version;
    struct cs_existing_signer signers[CS_MAX_SIGNERS];
    size_t n_signers;
};

struct cs_format {
    const char *name; /* the artifact configuration's element: "pe-file" */
    /* Reads the file once. 'algorithms' (n of them) name the format digests wanted. CS_INVALID with
     * a code ("pe.not_pe") and the offset when it is not this format. */
    enum cs_rc (*inspect)(int fd, const char *const *algorithms, size_t n, struct cs_arena *a,
                          struct cs_inspected *out, struct cs_err *err);
    /* Writes 'in' with the signature (DER ContentInfo) into the empty file 'out'. With 'append' the
     * existing signatures stay. */
    enum cs_rc (*assemble)(int in, int out, struct cs_bytes signature, bool append,
                           struct cs_err *err);
};

extern const struct cs_format cs_format_pe;
/* By element name; NULL: not one of ours (yet). */
const struct cs_format *cs_format_find(const char *name);
