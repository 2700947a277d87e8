/* The worker's side of keyd: starts it, starts it again when it ends, and keeps its events in the
 * order in which it numbered them. Thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "publish/publish.h"

struct keyd_client;

/* Borrowed. */
struct keyd_client_options {
    const char *path;        /* countersign-keyd */
    const char *const *argv; /* its flags, ended by NULL */
    struct cs_publisher *publisher;
    const struct cs_bus_producer *bus;
};

enum cs_rc keyd_client_open(const struct keyd_client_options *o, struct keyd_client **out,
                            struct cs_err *err) CS_MUST_CHECK;
void keyd_client_close(struct keyd_client *c);
void keyd_client_freep(struct keyd_client **c);

struct keyd_job {
    struct cs_bytes bundle;
    struct cs_bytes manifest;
    const char *request_id;
    const char *job_id;
    const char *item_id;
    int artifact; /* descriptor; -1: a hash request */
};

/* Called with the signature and keyd's SignatureMade envelope before anything else happens: makes
 * them durable. */
typedef enum cs_rc keyd_keeper(void *ctx, struct cs_bytes signature, struct cs_bytes made,
                               struct cs_err *err);

/* SIGN, SigningStarted acknowledged, CONTINUE, kept, SignatureMade acknowledged. Errors are keyd's
 * own, with their codes; CS_RETRY when keyd or Kafka is away. */
enum cs_rc keyd_client_sign(struct keyd_client *c, const struct keyd_job *job, keyd_keeper *keep,
                            void *ctx, struct cs_err *err) CS_MUST_CHECK;
