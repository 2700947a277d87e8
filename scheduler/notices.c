/* The notifier's invitations: accepted ones are stored, then re-emitted; only then they are mailed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"
#include "base/log.h"
#include "batch.h"

#include "proto/notices.pb-c.h"

#include <string.h>

/* The place that was kept for it; NULL: nobody asked for this one. */
static Cs__Store__Invitation *place_for(const struct request *q,
                                        const Cs__Notices__InvitationCreated *m)
{
    if (CS_GUARD("scheduler-invitation-binding") &&
        !cs_bytes_eq(sched_bytes(&m->authorization_sha256),
                     sched_bytes(&q->r->authorization_sha256)))
        return NULL;
    for (size_t i = 0; i < q->r->n_invitations; i++) {
        Cs__Store__Invitation *inv = q->r->invitations[i];
        if (inv->envelope.len == 0 && inv->generation == m->generation &&
            strcmp(inv->approver_id, m->approver_id) == 0)
            return inv;
    }
    return NULL;
}

static enum cs_rc store(struct batch *b, const struct request *q,
                        const Cs__Notices__InvitationCreated *m, struct cs_err *err)
{
    const struct cs_value v[] = {CS_VT(m->invitation_id), CS_VT(q->r->request_id),
                                 CS_VT(m->approver_id), CS_VB(sched_bytes(&m->view_token_sha256)),
                                 CS_VI(m->expires_at_ms)};
    return cs_db_exec(b->s->db,
                      "INSERT INTO invitations(invitation_id, request_id, approver_id, "
                      "view_token_sha256, state, expires_at_ms) VALUES(?,?,?,?,'open',?)",
                      v, 5, NULL, err);
}

static enum cs_rc issue(struct batch *b, struct request *q, const Cs__Store__Invitation *inv,
                        struct cs_err *err)
{
    Cs__Common__Header h = CS__COMMON__HEADER__INIT;
    Cs__Events__InvitationIssued m = CS__EVENTS__INVITATION_ISSUED__INIT;
    m.header = &h;
    m.organization_id = q->r->organization_id;
    m.request_id = q->r->request_id;
    m.invitation_id = inv->invitation_id;
    m.approver_id = inv->approver_id;
    m.invitation_envelope = inv->envelope;
    m.authorization_body = q->r->authorization_body;
    return batch_emit(b, q, "cs.events", &m.base, &h, NULL, err);
}

static enum cs_rc invitation_created(struct batch *b, const struct cs_event *e, struct cs_err *err)
{
    const Cs__Notices__InvitationCreated *m = (const Cs__Notices__InvitationCreated *)e->message;
    struct request *q = NULL;
    CS_TRY(batch_request(b, m->request_id, &q, err));
    Cs__Store__Invitation *inv =
        q == NULL || q->r->state != CS__EVENTS__STATE__STATE_AWAITING_APPROVAL ? NULL
                                                                               : place_for(q, m);
    if (inv == NULL) {
        cs_log_info("invitation.not_wanted", CS_KS("request", m->request_id),
                    CS_KS("invitation", m->invitation_id));
        return CS_OK;
    }
    const void *envelope = cs_arena_memdup(b->a, e->envelope.ptr, e->envelope.len);
    if (envelope == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    inv->invitation_id = m->invitation_id;
    inv->envelope = sched_data(cs_bytes(envelope, e->envelope.len));
    inv->view_token_sha256 = m->view_token_sha256;
    inv->approve_proof_sha256 = m->approve_proof_sha256;
    inv->deny_proof_sha256 = m->deny_proof_sha256;
    inv->open = true;
    q->r->version++;
    q->dirty = true;
    CS_TRY(store(b, q, m, err));
    return issue(b, q, inv, err);
}

enum cs_rc notices_apply(struct batch *b, const struct cs_event *e, int partition,
                         struct cs_err *err)
{
    (void)partition;
    if (strcmp(e->type->name, "cs.notices.InvitationCreated") == 0)
        return invitation_created(b, e, err);
    return CS_OK; /* deliveries are for the log */
}
