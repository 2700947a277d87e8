/* Numbered SQL files, each applied once, under a lock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/mariadb/mariadb.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SQL = 1 << 20 };

static int is_migration(const struct dirent *e)
{
    const size_t n = strlen(e->d_name);
    return n > 8 && strspn(e->d_name, "0123456789") == 3 && e->d_name[3] == '_' &&
           strcmp(e->d_name + n - 4, ".sql") == 0;
}

/* Statements end with a semicolon at the end of a line; our files hold no procedures. A statement's
 * text must outlive the connection's cache of prepared ones, so it is kept until the end. */
static enum cs_rc run_statements(struct cs_db *db, char *sql, struct cs_err *err)
{
    char *rest = sql;
    for (char *end = strstr(rest, ";\n"); end != NULL; end = strstr(rest, ";\n")) {
        *end = '\0';
        if (cs_db_exec(db, rest, NULL, 0, NULL, err) != CS_OK)
            return cs_err_wrap(err, "%.60s...", rest);
        rest = end + 2;
    }
    return CS_OK;
}

static enum cs_rc apply_file(struct cs_db *db, const char *directory, const char *name,
                             struct cs_err *err)
{
    char path[4096];
    CS_AUTO_BUF text = CS_BUF_INIT(MAX_SQL);
    const struct cs_value v[] = {CS_VT(name), CS_VI(cs_now_ms())};
    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return cs_err_set(err, CS_LIMIT, "path too long");
    CS_TRY(cs_file_read(path, &text, err));
    if (cs_buf_cstr(&text) == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    /* Prepared statements are cached by address: this text stays for the life of the process. */
    char *sql = cs_strdup((const char *)text.ptr);
    if (sql == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    if (run_statements(db, sql, err) != CS_OK)
        return cs_err_wrap(err, "%s", name);
    return cs_db_exec(db, "INSERT INTO schema_version (name, applied_at_ms) VALUES (?, ?)", v, 2,
                      NULL, err);
}

static enum cs_rc apply_all(struct cs_db *db, const char *directory, struct cs_arena *a,
                            int *applied, struct cs_err *err)
{
    struct dirent **list = NULL;
    const int n = scandir(directory, &list, is_migration, alphasort);
    enum cs_rc rc = CS_OK;
    if (n < 0)
        return cs_err_set(err, CS_NOT_FOUND, "%s: no such directory of migrations", directory);
    for (int i = 0; i < n; i++) {
        struct cs_rows rows = {0};
        const struct cs_value v[] = {CS_VT(list[i]->d_name)};
        if (rc == CS_OK)
            rc = cs_db_query(db, "SELECT name FROM schema_version WHERE name = ?", v, 1, a, &rows,
                             err);
        if (rc == CS_OK && rows.rows == 0) {
            rc = apply_file(db, directory, list[i]->d_name, err);
            *applied += rc == CS_OK;
        }
        free(list[i]);
    }
    free(list);
    return rc;
}

enum cs_rc cs_db_migrate(struct cs_db *db, const char *directory, int *applied, struct cs_err *err)
{
    CS_AUTO(cs_arena) a = cs_arena_new(MAX_SQL);
    struct cs_rows rows;
    if (a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    *applied = 0;
    CS_TRY(cs_db_exec(db,
                      "CREATE TABLE IF NOT EXISTS schema_version (name VARCHAR(100) PRIMARY KEY, "
                      "applied_at_ms BIGINT NOT NULL) ENGINE=InnoDB",
                      NULL, 0, NULL, err));
    CS_TRY(cs_db_query(db, "SELECT GET_LOCK('countersign-migrate', 60)", NULL, 0, a, &rows, err));
    const enum cs_rc rc = apply_all(db, directory, a, applied, err);
    cs_ignore(
        cs_db_query(db, "SELECT RELEASE_LOCK('countersign-migrate')", NULL, 0, a, &rows, NULL),
        "the lock ends with the connection");
    return rc;
}
