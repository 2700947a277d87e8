/* SQL of the deliveries; see deliveries.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "deliveries.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>

enum { CLAIM_MS = 45000, TRIES = 5, MAX_DETAIL = 400 };

enum cs_rc delivery_add(struct cs_db *db, const struct delivery *d, struct cs_err *err)
{
    const struct cs_value v[] = {
        CS_VT(d->id),           CS_VT(d->request_id),           CS_VT(d->organization_id),
        CS_VT(d->recipient_id), CS_VT(mail_kind_name(d->kind)), CS_VB(d->payload),
        CS_VI(cs_now_ms())};
    return cs_db_exec(db,
                      "INSERT IGNORE INTO deliveries(delivery_id, request_id, organization_id, "
                      "recipient_id, kind, payload, state, due_at_ms) VALUES(?,?,?,?,?,?,'due',?)",
                      v, 7, NULL, err);
}

static enum cs_rc try_claim(struct cs_db *db, const char *id, int64_t seen, int64_t now, bool *mine,
                            struct cs_err *err)
{
    uint64_t affected = 0;
    const struct cs_value v[] = {CS_VI(now + CLAIM_MS), CS_VT(id), CS_VI(seen)};
    CS_TRY(cs_db_exec(db,
                      "UPDATE deliveries SET claimed_until_ms=? WHERE delivery_id=? AND "
                      "claimed_until_ms=? AND state='due'",
                      v, 3, &affected, err));
    *mine = affected == 1;
    return CS_OK;
}

enum cs_rc delivery_claim(struct cs_db *db, struct cs_arena *a, struct delivery *out,
                          struct cs_err *err)
{
    struct cs_rows rows;
    const int64_t now = cs_now_ms();
    const struct cs_value v[] = {CS_VI(now), CS_VI(now)};
    CS_TRY(cs_db_query(db,
                       "SELECT delivery_id, request_id, organization_id, recipient_id, kind, "
                       "payload, attempts, due_at_ms, claimed_until_ms FROM deliveries WHERE "
                       "state='due' AND due_at_ms<=? AND claimed_until_ms<=? ORDER BY due_at_ms "
                       "LIMIT 5",
                       v, 2, a, &rows, err));
    for (size_t i = 0; i < rows.rows; i++) {
        bool mine = false;
        CS_TRY(try_claim(db, cs_cell_text(&rows, i, 0), cs_cell_int(&rows, i, 8), now, &mine, err));
        if (!mine)
            continue;
        *out = (struct delivery){.id = cs_cell_text(&rows, i, 0),
                                 .request_id = cs_cell_text(&rows, i, 1),
                                 .organization_id = cs_cell_text(&rows, i, 2),
                                 .recipient_id = cs_cell_text(&rows, i, 3),
                                 .payload = cs_cell(&rows, i, 5),
                                 .attempts = (unsigned)cs_cell_int(&rows, i, 6),
                                 .due_at_ms = cs_cell_int(&rows, i, 7)};
        if (!mail_kind_parse(cs_cell_text(&rows, i, 4), &out->kind))
            return cs_err_set(err, CS_INVALID, "delivery %s is of an unknown kind", out->id);
        return CS_OK;
    }
    return CS_NOT_FOUND;
}

/* A detail is cut where it is too long, never in the middle of a character's bytes. */
static const char *cut(const char *detail, char out[MAX_DETAIL])
{
    size_t n = strnlen(detail, MAX_DETAIL - 1);
    memcpy(out, detail, n);
    out[n] = '\0';
    while (n > 0 && !cs_utf8_valid(out, n))
        out[--n] = '\0';
    return out;
}

enum cs_rc delivery_done(struct cs_db *db, const struct delivery *d, bool sent, const char *detail,
                         struct cs_err *err)
{
    char text[MAX_DETAIL];
    const struct cs_value v[] = {CS_VT(sent ? "done" : "failed"), CS_VT(cut(detail, text)),
                                 CS_VT(d->id)};
    return cs_db_exec(db, "UPDATE deliveries SET state=?, last_error=? WHERE delivery_id=?", v, 3,
                      NULL, err);
}

enum cs_rc delivery_again(struct cs_db *db, const struct delivery *d, int64_t due_at_ms,
                          const char *detail, struct cs_err *err)
{
    char text[MAX_DETAIL];
    const struct cs_value v[] = {CS_VI(due_at_ms), CS_VT(cut(detail, text)), CS_VT(d->id)};
    return cs_db_exec(db,
                      "UPDATE deliveries SET attempts=attempts+1, due_at_ms=?, claimed_until_ms=0, "
                      "last_error=? WHERE delivery_id=?",
                      v, 3, NULL, err);
}
