/* countersign-migrate up: applies deploy/sql/NNN_*.sql in order, each once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/mariadb/mariadb.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>

static const struct cs_option own[] = {{"migrations", CS_OPTION_PATH, NULL, 0, 0,
                                        CS_OPTION_REQUIRED, "Directory of the numbered SQL files."},
                                       {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};
static const struct cs_option *const tables[] = {own, cs_options_mariadb, cs_options_common, NULL};

static enum cs_rc migrate(const struct cs_options *o, int *applied, struct cs_err *err)
{
    CS_AUTO(cs_db) db = NULL;
    CS_TRY(cs_db_open(
        &(const struct cs_db_options){.socket = cs_option_text(o, "mariadb.socket"),
                                      .host = cs_option_text(o, "mariadb.host"),
                                      .port = (int)cs_option_number(o, "mariadb.port"),
                                      .user = cs_option_text(o, "mariadb.user"),
                                      .password = cs_option_text(o, "mariadb.password"),
                                      .database = cs_option_text(o, "mariadb.database"),
                                      .allow_weak = cs_option_number(o, "mariadb.allow_weak") != 0},
        &db, err));
    return cs_db_migrate(db, cs_option_text(o, "migrations"), applied, err);
}

static int command(const struct cs_options *o, const char *const *words, size_t n)
{
    struct cs_err err = {0};
    int applied = 0;
    if (n != 1 || strcmp(words[0], "up") != 0) {
        fprintf(stderr, "countersign-migrate: say 'up'\n");
        return 2;
    }
    if (migrate(o, &applied, &err) != CS_OK) {
        fprintf(stderr, "countersign-migrate: %s\n", err.msg);
        return 1;
    }
    printf("%d migrations applied\n", applied);
    return 0;
}

static enum cs_rc no_daemon(struct cs_app *app, void **state, struct cs_err *err)
{
    (void)app;
    (void)state;
    return cs_err_set(err, CS_INVALID, "say 'up'");
}

int main(int argc, char **argv)
{
    return cs_service_main(
        argc, argv,
        &(const struct cs_service){
            .name = "migrate", .tables = tables, .start = no_daemon, .command = command});
}
