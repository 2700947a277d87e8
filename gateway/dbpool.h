/* MariaDB connections that call threads borrow. Thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "adapter/mariadb/mariadb.h"

struct dbpool;

/* Opens nothing yet: the gateway starts, and takes submissions, without a database. */
struct dbpool *dbpool_new(const struct cs_db_options *o);
void dbpool_free(struct dbpool *p);

/* Waits for a free one up to 5 s. CS_RETRY when the database is away. */
enum cs_rc dbpool_take(struct dbpool *p, struct cs_db **out, struct cs_err *err) CS_MUST_CHECK;
void dbpool_give(struct dbpool *p, struct cs_db *db);
