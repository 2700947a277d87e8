/* Whole lives of requests with real keys and signatures, as the daemons would have written them:
 * what audit tests tamper with. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "codec/types.h"
#include "crypto/sign.h"
#include "port/bus.h"

enum { STORY_RECORDS = 8192, STORY_BLOBS = 1024, STORY_COUNTERS = 256 };

struct story_blob {
    char name[80]; /* bundles/HEX */
    struct cs_bytes bytes;
};

/* How many went to a place: offsets of a partition, numbers of a boot. */
struct story_counter {
    char key[200];
    int64_t n;
};

struct story {
    struct cs_arena *a;
    int64_t now_ms;
    struct cs_signing_key *root;
    struct cs_signing_key *keys[6]; /* by enum story_role */
    char boots[6][40];
    char root_text[256];
    struct cs_bytes registry; /* envelope */
    struct cs_record records[STORY_RECORDS];
    size_t n;
    struct story_blob blobs[STORY_BLOBS];
    size_t n_blobs;
    struct story_counter counters[STORY_COUNTERS];
    size_t n_counters;
    /* The configuration. */
    struct cs_bytes certificate_der;
    uint8_t certificate_sha256[32];
    uint8_t spki_sha256[32];
    struct cs_bytes policy_body;
    struct cs_bytes policy_envelope;
    struct cs_bytes certificate_envelope;
    uint64_t policy_revision;
    uint64_t uses;
};
enum story_role {
    STORY_GATEWAY,
    STORY_SCHEDULER,
    STORY_SIGNER,
    STORY_KEYD,
    STORY_NOTIFIER,
    STORY_AUDITOR
};

/* What is different in a request's life. */
struct story_request {
    const char *id;             /* UUID */
    unsigned approvals;         /* decisions that are made and put into the evidence */
    bool leave_out_votes;       /* made, but not in the evidence */
    bool forget_announcement;   /* SigningStarted is never sent */
    bool forget_use;            /* neither SigningStarted nor SignatureMade */
    bool forget_authorization;  /* RequestAuthorized is never sent */
    bool other_item;            /* SigningStarted names an item that the manifest lacks */
    bool use_twice;             /* the token is used a second time for the same number */
    bool second_final;          /* DENIED after COMPLETED */
    uint64_t skip_uses;         /* numbers of uses that are skipped before this one */
    enum story_role authorizer; /* who signs the authorization; default scheduler */
};

/* Keys, trust root, a registry (published), a certificate and a policy of that quorum. */
struct story *story_new(unsigned quorum);
void story_free(struct story *s);
void story_freep(struct story **s);

/* Another revision of the policy, later. */
void story_new_policy(struct story *s, unsigned quorum);
/* Publishes the registry once more. */
void story_publish_registry(struct story *s);
/* Publishes a registry that somebody else signed. */
void story_publish_false_registry(struct story *s);
/* From submission to COMPLETED, 20 records or so. */
void story_sign(struct story *s, const struct story_request *r);
/* Time goes by. */
void story_wait(struct story *s, int64_t ms);
/* A record nobody signed; quarantined: and the reader's note of it. */
void story_garbage(struct story *s, bool quarantined);

/* Takes the i-th record out, keeping everybody's offsets. */
void story_drop(struct story *s, size_t i);
/* The same, closing up the offsets: as if Kafka had never had it. */
void story_remove(struct story *s, size_t i);
/* The first record of that type at or after 'from'; fails the test when there is none. */
size_t story_find(const struct story *s, const char *type, size_t from);
/* Writes root.pub into the directory, and the log (tiles, bundles, checkpoint) into directory/log.
 * 'batch' records a commit; 0: all in one. Appends to a log that is there already. */
void story_write(const struct story *s, const char *directory, size_t batch);
