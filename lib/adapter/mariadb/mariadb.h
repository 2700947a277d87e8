/* MariaDB: one connection, prepared statements only, errors in our classes.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct cs_db_options {
    const char *socket; /* or host and port */
    const char *host;
    int port;
    const char *user;
    const char *password;
    const char *database;
    bool allow_weak; /* development: do not insist on durable server settings */
};

/* Use from one thread at a time. */
struct cs_db;

/* Connects with READ COMMITTED, utf8mb4 and strict mode. CS_RETRY when the server is away,
 * CS_DENIED for credentials, CS_INVALID ("db.weak_settings") when the server would lose a commit.
 */
enum cs_rc cs_db_open(const struct cs_db_options *o, struct cs_db **out,
                      struct cs_err *err) CS_MUST_CHECK;
void cs_db_close(struct cs_db *db);
void cs_db_freep(struct cs_db **db);
/* CS_OK when the server answers; a lost connection is opened again (never inside a transaction). */
enum cs_rc cs_db_ping(struct cs_db *db, struct cs_err *err) CS_MUST_CHECK;

/* A value for a '?' of a statement. Borrowed for the call. */
struct cs_value {
    enum { CS_VALUE_NULL, CS_VALUE_INT, CS_VALUE_TEXT, CS_VALUE_BYTES } type;
    int64_t num;
    struct cs_bytes bytes;
};
#define CS_VI(v) ((struct cs_value){.type = CS_VALUE_INT, .num = (int64_t)(v)})
#define CS_VT(v) ((struct cs_value){.type = CS_VALUE_TEXT, .bytes = cs_bytes_str(v)})
#define CS_VB(v) ((struct cs_value){.type = CS_VALUE_BYTES, .bytes = (v)})
#define CS_VNULL ((struct cs_value){.type = CS_VALUE_NULL})

/* Runs a statement. 'sql' must be a string that lives as long as the connection (a literal): it is
 * prepared once. CS_EXISTS for a duplicate key, CS_CONFLICT for a deadlock, CS_RETRY when the
 * server is away. affected may be NULL. */
enum cs_rc cs_db_exec(struct cs_db *db, const char *sql, const struct cs_value *values, size_t n,
                      uint64_t *affected, struct cs_err *err) CS_MUST_CHECK;

/* A result in the arena: rows[r * columns + c]. NULL cells have ptr NULL. Integers come as text. */
struct cs_rows {
    size_t rows;
    size_t columns;
    struct cs_bytes *cells;
};
enum cs_rc cs_db_query(struct cs_db *db, const char *sql, const struct cs_value *values, size_t n,
                       struct cs_arena *a, struct cs_rows *out, struct cs_err *err) CS_MUST_CHECK;
static inline struct cs_bytes cs_cell(const struct cs_rows *r, size_t row, size_t column)
{
    return r->cells[row * r->columns + column];
}
/* Cells end with a NUL that is not counted. NULL reads as 0 or "". */
int64_t cs_cell_int(const struct cs_rows *r, size_t row, size_t column);
const char *cs_cell_text(const struct cs_rows *r, size_t row, size_t column);

enum cs_rc cs_db_begin(struct cs_db *db, struct cs_err *err) CS_MUST_CHECK;
enum cs_rc cs_db_commit(struct cs_db *db, struct cs_err *err) CS_MUST_CHECK;
/* Never fails: a connection that cannot roll back is closed, which rolls back. */
void cs_db_rollback(struct cs_db *db);

/* Applies deploy/sql/NNN_*.sql in order, each once, under a lock. Reports how many were new. */
enum cs_rc cs_db_migrate(struct cs_db *db, const char *directory, int *applied,
                         struct cs_err *err) CS_MUST_CHECK;
