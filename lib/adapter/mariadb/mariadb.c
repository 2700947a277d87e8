/* The connection, its prepared statements and transactions; see mariadb.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/mariadb/mariadb.h"

#include "base/mem.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATEMENTS = 128, MAX_VALUES = 24, MAX_COLUMNS = 32, TIMEOUT_S = 10 };

struct prepared {
    const char *sql;
    MYSQL_STMT *stmt;
};

struct cs_db {
    MYSQL *my;
    struct cs_db_options options;
    char *texts[5]; /* owned copies of the options */
    struct prepared statements[MAX_STATEMENTS];
    size_t n_statements;
    bool in_transaction;
};

static enum cs_rc classify(unsigned code)
{
    switch (code) {
    case ER_DUP_ENTRY:
        return CS_EXISTS;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
        return CS_CONFLICT;
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
        return CS_DENIED;
    case ER_DATA_TOO_LONG:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_NO_SUCH_TABLE:
    case ER_PARSE_ERROR:
    case ER_BAD_FIELD_ERROR:
        return CS_INVALID;
    default:
        return CS_RETRY; /* gone, timeout, shutting down, disk full: later */
    }
}

static void forget_statements(struct cs_db *db)
{
    for (size_t i = 0; i < db->n_statements; i++)
        mysql_stmt_close(db->statements[i].stmt);
    db->n_statements = 0;
}

static void disconnect(struct cs_db *db)
{
    forget_statements(db);
    if (db->my != NULL)
        mysql_close(db->my);
    db->my = NULL;
    db->in_transaction = false;
}

static enum cs_rc fail(struct cs_db *db, unsigned code, const char *text, struct cs_err *err)
{
    const enum cs_rc rc = classify(code);
    cs_err_set(err, rc, "database: %s", text);
    if (rc == CS_RETRY)
        disconnect(db); /* whatever happened, the next use starts clean */
    return rc;
}

static enum cs_rc check_settings(struct cs_db *db, struct cs_err *err)
{
    if (mysql_query(db->my, "SELECT @@innodb_flush_log_at_trx_commit, "
                            "IF(@@log_bin, @@sync_binlog, 1)") != 0)
        return fail(db, mysql_errno(db->my), mysql_error(db->my), err);
    MYSQL_RES *res = mysql_store_result(db->my);
    const MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);
    const bool durable = row != NULL && strcmp(row[0], "1") == 0 && strcmp(row[1], "1") == 0;
    if (res != NULL)
        mysql_free_result(res);
    if (durable || db->options.allow_weak)
        return CS_OK;
    return cs_err_code(err, CS_INVALID, "db.weak_settings",
                       "the database may lose a commit: set innodb_flush_log_at_trx_commit=1 and "
                       "sync_binlog=1");
}

static enum cs_rc connect_db(struct cs_db *db, struct cs_err *err)
{
    static const unsigned timeout = TIMEOUT_S;
    static const char setup[] =
        "SET SESSION tx_isolation='READ-COMMITTED', "
        "SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO', "
        "SESSION innodb_lock_wait_timeout=5";
    const struct cs_db_options *o = &db->options;
    db->my = mysql_init(NULL);
    if (db->my == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for a database connection");
    mysql_options(db->my, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(db->my, MYSQL_OPT_READ_TIMEOUT, &timeout);
    mysql_options(db->my, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
    mysql_options(db->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(db->my, o->host, o->user, o->password, o->database, (unsigned)o->port,
                           o->socket, CLIENT_FOUND_ROWS) == NULL ||
        mysql_query(db->my, setup) != 0)
        return fail(db, mysql_errno(db->my), mysql_error(db->my), err);
    return check_settings(db, err);
}

static char *copy(struct cs_db *db, size_t slot, const char *s)
{
    db->texts[slot] = s == NULL || *s == '\0' ? NULL : cs_strdup(s);
    return db->texts[slot];
}

enum cs_rc cs_db_open(const struct cs_db_options *o, struct cs_db **out, struct cs_err *err)
{
    CS_AUTO(cs_db) db = cs_calloc(1, sizeof(*db));
    if (db == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    db->options = *o;
    db->options.socket = copy(db, 0, o->socket);
    db->options.host = copy(db, 1, o->host);
    db->options.user = copy(db, 2, o->user);
    db->options.password = copy(db, 3, o->password);
    db->options.database = copy(db, 4, o->database);
    CS_TRY(connect_db(db, err));
    *out = CS_STEAL(db);
    return CS_OK;
}

void cs_db_close(struct cs_db *db)
{
    if (db == NULL)
        return;
    disconnect(db);
    for (size_t i = 0; i < 5; i++)
        cs_free(db->texts[i]);
    cs_free(db);
}

void cs_db_freep(struct cs_db **db)
{
    cs_db_close(*db);
    *db = NULL;
}

enum cs_rc cs_db_ping(struct cs_db *db, struct cs_err *err)
{
    if (db->my == NULL)
        return connect_db(db, err);
    if (mysql_ping(db->my) == 0)
        return CS_OK;
    disconnect(db);
    return connect_db(db, err);
}

static enum cs_rc statement(struct cs_db *db, const char *sql, MYSQL_STMT **out, struct cs_err *err)
{
    if (db->my == NULL) {
        if (db->in_transaction)
            return cs_err_set(err, CS_RETRY, "database: the connection was lost");
        CS_TRY(connect_db(db, err));
    }
    for (size_t i = 0; i < db->n_statements; i++) {
        if (db->statements[i].sql == sql) {
            *out = db->statements[i].stmt;
            return CS_OK;
        }
    }
    if (db->n_statements == MAX_STATEMENTS)
        forget_statements(db);
    MYSQL_STMT *stmt = mysql_stmt_init(db->my);
    if (stmt == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory for a statement");
    if (mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0) {
        const enum cs_rc rc = classify(mysql_stmt_errno(stmt));
        cs_err_set(err, rc, "database: %s", mysql_stmt_error(stmt));
        mysql_stmt_close(stmt);
        if (rc == CS_RETRY)
            disconnect(db);
        return rc;
    }
    db->statements[db->n_statements++] = (struct prepared){.sql = sql, .stmt = stmt};
    *out = stmt;
    return CS_OK;
}

union unconst {
    const void *in;
    void *out; /* the client library's binds predate const; input binds are only read */
};

static void bind_value(MYSQL_BIND *b, const struct cs_value *v)
{
    union unconst u;
    switch (v->type) {
    case CS_VALUE_NULL:
        b->buffer_type = MYSQL_TYPE_NULL;
        break;
    case CS_VALUE_INT:
        u.in = &v->num;
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->buffer = u.out;
        break;
    case CS_VALUE_TEXT:
    case CS_VALUE_BYTES:
        u.in = v->bytes.ptr;
        b->buffer_type = v->type == CS_VALUE_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        b->buffer = u.out;
        b->buffer_length = v->bytes.len;
        b->length = &b->buffer_length;
        break;
    }
}

static enum cs_rc execute(struct cs_db *db, const char *sql, const struct cs_value *values,
                          size_t n, MYSQL_STMT **out, struct cs_err *err)
{
    MYSQL_BIND binds[MAX_VALUES];
    memset(binds, 0, sizeof(binds));
    CS_TRY(statement(db, sql, out, err));
    if (n > MAX_VALUES || mysql_stmt_param_count(*out) != n)
        return cs_err_set(err, CS_FATAL, "database: %zu values for %lu places in: %s", n,
                          mysql_stmt_param_count(*out), sql);
    for (size_t i = 0; i < n; i++)
        bind_value(&binds[i], &values[i]);
    if (n > 0 && mysql_stmt_bind_param(*out, binds) != 0)
        return fail(db, mysql_stmt_errno(*out), mysql_stmt_error(*out), err);
    if (mysql_stmt_execute(*out) != 0)
        return fail(db, mysql_stmt_errno(*out), mysql_stmt_error(*out), err);
    return CS_OK;
}

enum cs_rc cs_db_exec(struct cs_db *db, const char *sql, const struct cs_value *values, size_t n,
                      uint64_t *affected, struct cs_err *err)
{
    MYSQL_STMT *stmt = NULL;
    CS_TRY(execute(db, sql, values, n, &stmt, err));
    if (affected != NULL)
        *affected = mysql_stmt_affected_rows(stmt);
    return CS_OK;
}

/* Reads one fetched row into the arena, each cell by its own length. */
static enum cs_rc read_cells(MYSQL_STMT *stmt, const unsigned long *lengths, const my_bool *nulls,
                             struct cs_arena *a, struct cs_bytes *cells, struct cs_err *err)
{
    const unsigned columns = mysql_stmt_field_count(stmt);
    for (unsigned c = 0; c < columns; c++) {
        MYSQL_BIND b;
        if (nulls[c]) {
            cells[c] = cs_bytes(NULL, 0);
            continue;
        }
        uint8_t *p = cs_arena_alloc(a, lengths[c] + 1);
        if (p == NULL)
            return cs_err_set(err, CS_LIMIT, "database: a result too large for its arena");
        memset(&b, 0, sizeof(b));
        b.buffer_type = MYSQL_TYPE_BLOB;
        b.buffer = p;
        b.buffer_length = lengths[c];
        if (lengths[c] > 0 && mysql_stmt_fetch_column(stmt, &b, c, 0) != 0)
            return cs_err_set(err, CS_RETRY, "database: %s", mysql_stmt_error(stmt));
        cells[c] = cs_bytes(p, lengths[c]);
    }
    return CS_OK;
}

static enum cs_rc read_rows(MYSQL_STMT *stmt, struct cs_arena *a, struct cs_rows *out,
                            struct cs_err *err)
{
    unsigned long lengths[MAX_COLUMNS] = {0};
    my_bool nulls[MAX_COLUMNS] = {0};
    MYSQL_BIND binds[MAX_COLUMNS];
    char dummy[MAX_COLUMNS];
    const unsigned columns = mysql_stmt_field_count(stmt);
    memset(binds, 0, sizeof(binds));
    for (unsigned c = 0; c < columns; c++) {
        binds[c].buffer_type = MYSQL_TYPE_STRING;
        binds[c].buffer = &dummy[c];
        binds[c].buffer_length = 0;
        binds[c].length = &lengths[c];
        binds[c].is_null = &nulls[c];
    }
    if (mysql_stmt_bind_result(stmt, binds) != 0 || mysql_stmt_store_result(stmt) != 0)
        return cs_err_set(err, CS_RETRY, "database: %s", mysql_stmt_error(stmt));
    const size_t rows = mysql_stmt_num_rows(stmt);
    struct cs_bytes *cells = cs_arena_alloc(a, (rows * columns + 1) * sizeof(*cells));
    if (cells == NULL)
        return cs_err_set(err, CS_LIMIT, "database: a result too large for its arena");
    for (size_t r = 0; r < rows; r++) {
        const int got = mysql_stmt_fetch(stmt);
        if (got != 0 && got != MYSQL_DATA_TRUNCATED)
            return cs_err_set(err, CS_RETRY, "database: %s", mysql_stmt_error(stmt));
        CS_TRY(read_cells(stmt, lengths, nulls, a, cells + r * columns, err));
    }
    *out = (struct cs_rows){.rows = rows, .columns = columns, .cells = cells};
    return CS_OK;
}

enum cs_rc cs_db_query(struct cs_db *db, const char *sql, const struct cs_value *values, size_t n,
                       struct cs_arena *a, struct cs_rows *out, struct cs_err *err)
{
    MYSQL_STMT *stmt = NULL;
    CS_TRY(execute(db, sql, values, n, &stmt, err));
    if (mysql_stmt_field_count(stmt) > MAX_COLUMNS)
        return cs_err_set(err, CS_FATAL, "database: too many columns in: %s", sql);
    const enum cs_rc rc = read_rows(stmt, a, out, err);
    mysql_stmt_free_result(stmt);
    return rc;
}

int64_t cs_cell_int(const struct cs_rows *r, size_t row, size_t column)
{
    const struct cs_bytes c = cs_cell(r, row, column);
    return c.ptr == NULL ? 0 : strtoll((const char *)c.ptr, NULL, 10);
}

const char *cs_cell_text(const struct cs_rows *r, size_t row, size_t column)
{
    const struct cs_bytes c = cs_cell(r, row, column);
    return c.ptr == NULL ? "" : (const char *)c.ptr;
}

enum cs_rc cs_db_begin(struct cs_db *db, struct cs_err *err)
{
    CS_TRY(cs_db_exec(db, "START TRANSACTION", NULL, 0, NULL, err));
    db->in_transaction = true;
    return CS_OK;
}

enum cs_rc cs_db_commit(struct cs_db *db, struct cs_err *err)
{
    CS_TRY(cs_db_exec(db, "COMMIT", NULL, 0, NULL, err));
    db->in_transaction = false;
    return CS_OK;
}

void cs_db_rollback(struct cs_db *db)
{
    if (db->my != NULL && mysql_rollback(db->my) != 0)
        disconnect(db);
    db->in_transaction = false;
}
