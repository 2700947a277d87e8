/* The scheduler's rules as data: transitions, decisions, fair metering.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "core/machine.h"
#include "core/meter.h"
#include "core/policy.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* Every allowed transition; all others must be refused. */
static const struct {
    const char *from;
    enum machine_event event;
    const char *to;
} allowed[] = {{"RECEIVED", EV_INSPECT, "INSPECTING"},
               {"RECEIVED", EV_AUTHORIZE, "QUEUED"},
               {"RECEIVED", EV_FAIL, "FAILED"},
               {"RECEIVED", EV_CANCEL, "CANCELED"},
               {"AWAITING_ARTIFACT", EV_INSPECT, "INSPECTING"},
               {"AWAITING_ARTIFACT", EV_FAIL, "FAILED"},
               {"AWAITING_ARTIFACT", EV_CANCEL, "CANCELED"},
               {"AWAITING_ARTIFACT", EV_EXPIRE, "EXPIRED"},
               {"INSPECTING", EV_ASK, "AWAITING_APPROVAL"},
               {"INSPECTING", EV_AUTHORIZE, "QUEUED"},
               {"INSPECTING", EV_FAIL, "FAILED"},
               {"INSPECTING", EV_CANCEL, "CANCELED"},
               {"INSPECTING", EV_WAIT, "INSPECTING"},
               {"AWAITING_APPROVAL", EV_VOTE, "AWAITING_APPROVAL"},
               {"AWAITING_APPROVAL", EV_ASK, "AWAITING_APPROVAL"},
               {"AWAITING_APPROVAL", EV_INSPECT, "INSPECTING"},
               {"AWAITING_APPROVAL", EV_AUTHORIZE, "QUEUED"},
               {"AWAITING_APPROVAL", EV_DENY, "DENIED"},
               {"AWAITING_APPROVAL", EV_FAIL, "FAILED"},
               {"AWAITING_APPROVAL", EV_CANCEL, "CANCELED"},
               {"AWAITING_APPROVAL", EV_EXPIRE, "EXPIRED"},
               {"QUEUED", EV_DISPATCH, "SIGNING"},
               {"QUEUED", EV_FAIL, "FAILED"},
               {"QUEUED", EV_CANCEL, "CANCELED"},
               {"QUEUED", EV_EXPIRE, "EXPIRED"},
               {"SIGNING", EV_SIGNED, "COMPLETED"},
               {"SIGNING", EV_FAIL, "FAILED"},
               {"SIGNING", EV_WAIT, "SIGNING"},
               {"SIGNING", EV_EXPIRE, "EXPIRED"}};

static const char *expected(const char *from, enum machine_event event)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (allowed[i].event == event && strcmp(allowed[i].from, from) == 0)
            return allowed[i].to;
    }
    return "UNSPECIFIED";
}

static void the_table_allows_exactly_this(void **state)
{
    (void)state;
    for (int s = 0; s <= CS__EVENTS__STATE__STATE_EXPIRED + 1; s++) {
        for (int e = 0; e < EV_COUNT; e++) {
            const char *from = machine_name((Cs__Events__State)s);
            const char *to =
                machine_name(machine_next((Cs__Events__State)s, (enum machine_event)e));
            if (strcmp(to, expected(from, (enum machine_event)e)) != 0)
                fail_msg("%s, event %d: %s, expected %s", from, e, to,
                         expected(from, (enum machine_event)e));
        }
    }
}

static void final_states_are_final(void **state)
{
    (void)state;
    for (int s = CS__EVENTS__STATE__STATE_COMPLETED; s <= CS__EVENTS__STATE__STATE_EXPIRED; s++) {
        assert_true(machine_final((Cs__Events__State)s));
        for (int e = 0; e < EV_COUNT; e++)
            assert_int_equal(machine_next((Cs__Events__State)s, (enum machine_event)e),
                             CS__EVENTS__STATE__STATE_UNSPECIFIED);
    }
}

/* --- decisions ----------------------------------------------------------------------------------
 */

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s};
    return u.out;
}

struct world {
    Cs__Config__Approver approver[3];
    Cs__Config__Approver *approvers[3];
    Cs__Config__SigningPolicy policy;
    Cs__Common__Principal submitter;
    Cs__Store__Vote vote;
    Cs__Store__Vote *votes[2];
    Cs__Store__RequestRecord r;
};

static void world_init(struct world *w)
{
    static const char *const names[] = {"alice", "bob", "ada"};
    cs__config__signing_policy__init(&w->policy);
    cs__common__principal__init(&w->submitter);
    cs__store__vote__init(&w->vote);
    cs__store__request_record__init(&w->r);
    for (size_t i = 0; i < 3; i++) {
        cs__config__approver__init(&w->approver[i]);
        w->approver[i].user_id = text(names[i]);
        w->approvers[i] = &w->approver[i];
    }
    w->policy.approvers = w->approvers;
    w->policy.n_approvers = 3;
    w->policy.min_assurance = CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN;
    w->submitter.user_id = text("ci");
    w->submitter.is_ci = 1;
    w->submitter.responsible_user_id = text("ada");
    w->vote.approver_id = text("bob");
    w->vote.decision = CS__COMMANDS__DECISION__DECISION_APPROVE;
    w->votes[0] = w->votes[1] = &w->vote;
    w->r.votes = w->votes;
    w->r.n_votes = 1;
    w->r.state = CS__EVENTS__STATE__STATE_AWAITING_APPROVAL;
}

static void a_decision_counts_or_says_why_not(void **state)
{
    (void)state;
    static const struct {
        const char *who;
        Cs__Trust__Assurance assurance;
        bool binds;
        Cs__Events__State state;
        const char *refusal;
    } rows[] = {{"alice", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, NULL},
                {"alice", CS__TRUST__ASSURANCE__ASSURANCE_SESSION_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, NULL},
                {"alice", CS__TRUST__ASSURANCE__ASSURANCE_SESSION, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.assurance"},
                {"alice", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, false,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.superseded"},
                {"alice", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_QUEUED, "decision.late"},
                {"alice", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_DENIED, "decision.late"},
                {"bob", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.voted"},
                {"ada", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.own_request"},
                {"ci", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.own_request"},
                {"mallory", CS__TRUST__ASSURANCE__ASSURANCE_EMAIL_TOKEN, true,
                 CS__EVENTS__STATE__STATE_AWAITING_APPROVAL, "decision.not_an_approver"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        world_init(&w);
        w.r.state = rows[i].state;
        const struct policy_decision d = {.approver_id = rows[i].who,
                                          .decision = CS__COMMANDS__DECISION__DECISION_APPROVE,
                                          .assurance = rows[i].assurance,
                                          .binds = rows[i].binds};
        const char *refusal = policy_refusal(&w.r, &w.policy, &w.submitter, &d);
        if ((refusal == NULL) != (rows[i].refusal == NULL) ||
            (refusal != NULL && strcmp(refusal, rows[i].refusal) != 0))
            fail_msg("row %zu (%s): %s, expected %s", i, rows[i].who,
                     refusal == NULL ? "counts" : refusal,
                     rows[i].refusal == NULL ? "counts" : rows[i].refusal);
    }
}

static void the_same_person_counts_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_int_equal(policy_approvals(&w.r), 1);
    w.r.n_votes = 2; /* bob, twice */
    assert_int_equal(policy_approvals(&w.r), 1);
    assert_int_equal(policy_eligible(&w.policy, &w.submitter), 2); /* ada answers for ci */
}

/* --- metering -----------------------------------------------------------------------------------
 */

static void one_project_cannot_starve_another(void **state)
{
    (void)state;
    struct meter_load loads[8] = {{"big", "normal", "default", 0}};
    size_t n_loads = 1;
    struct meter_waiting waiting[60];
    for (size_t i = 0; i < 60; i++)
        waiting[i] =
            (struct meter_waiting){"r", i < 59 ? "big" : "small", "normal", "default", false};
    assert_int_equal(meter_choose(loads, &n_loads, 8, waiting, 60, 4), 5);
    assert_true(waiting[59].chosen);
    for (size_t i = 0; i < 4; i++)
        assert_true(waiting[i].chosen); /* in the order of arrival */
    assert_false(waiting[4].chosen);
}

static void what_is_outstanding_counts(void **state)
{
    (void)state;
    struct meter_load loads[8] = {{"p", "normal", "default", 3}};
    size_t n_loads = 1;
    struct meter_waiting waiting[] = {{"1", "p", "normal", "default", false},
                                      {"2", "p", "normal", "default", false},
                                      {"3", "p", "fast", "default", false}};
    assert_int_equal(meter_choose(loads, &n_loads, 8, waiting, 3, 4), 2);
    assert_true(waiting[0].chosen);
    assert_false(waiting[1].chosen);
    assert_true(waiting[2].chosen); /* another lane */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table_allows_exactly_this),
                                       cmocka_unit_test(final_states_are_final),
                                       cmocka_unit_test(a_decision_counts_or_says_why_not),
                                       cmocka_unit_test(the_same_person_counts_once),
                                       cmocka_unit_test(one_project_cannot_starve_another),
                                       cmocka_unit_test(what_is_outstanding_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
