/* Writes configuration: revisions and their sealed events in one transaction, then to cs.config in
 * order. Thread-safe. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/mariadb/mariadb.h"
#include "publish/publish.h"
#include "trust/trust.h"

#include "proto/config.pb-c.h"

struct config_writer;

/* Borrowed. */
struct config_writer_options {
    const struct cs_trust *trust;
    const struct cs_signing_key *key;
    const char *instance;
    struct cs_publisher *publisher;
};
struct config_writer *config_writer_new(const struct config_writer_options *o);
void config_writer_free(struct config_writer *w);

/* A person's data beside the events: name and address are in no event. */
struct config_person {
    const char *user_id;
    const char *name;
    const char *email;
};

/* All of them or none. The changes' headers are filled here. CS_CONFLICT "config.revision" when a
 * revision is not the next one. Once this answers CS_OK the changes are durable; they are sent to
 * cs.config before it answers, or by the next call (or start) when Kafka is away. */
enum cs_rc config_writer_apply(struct config_writer *w, struct cs_db *db,
                               Cs__Config__ConfigChanged **changes, size_t n,
                               const struct config_person *people, size_t n_people,
                               struct cs_err *err) CS_MUST_CHECK;
/* The root-signed registry, unless cs.config has this version already. */
enum cs_rc config_writer_registry(struct config_writer *w, struct cs_db *db,
                                  struct cs_err *err) CS_MUST_CHECK;
/* Sends what a former process left behind. */
enum cs_rc config_writer_relay(struct config_writer *w, struct cs_db *db,
                               struct cs_err *err) CS_MUST_CHECK;
