/* Principal x action x entity; see authorize.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "authorize.h"

#include <stddef.h>
#include <string.h>

bool authorize_has_role(const Cs__Config__User *who, const char *role)
{
    for (size_t i = 0; i < who->n_roles; i++) {
        if (strcmp(who->roles[i], role) == 0)
            return true;
    }
    return false;
}

static bool in(char *const *ids, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(ids[i], id) == 0)
            return true;
    }
    return false;
}

static bool is_approver(const Cs__Config__User *who, const struct subject *s)
{
    for (size_t i = 0; s->policy != NULL && i < s->policy->n_approvers; i++) {
        if (strcmp(s->policy->approvers[i]->user_id, who->id) == 0)
            return true;
    }
    return false;
}

static bool is_submitter(const Cs__Config__User *who, const struct subject *s)
{
    return s->policy != NULL && in(s->policy->submitter_ids, s->policy->n_submitter_ids, who->id);
}

static bool submitted(const Cs__Config__User *who, const struct subject *s)
{
    return s->submitter_id != NULL && strcmp(s->submitter_id, who->id) == 0;
}

static bool reads_project(const Cs__Config__User *who, const struct subject *s)
{
    return s->project != NULL &&
           (in(s->project->reader_ids, s->project->n_reader_ids, who->id) ||
            in(s->project->configurator_ids, s->project->n_configurator_ids, who->id));
}

/* Relations between a person and what it is about. */
enum relation { R_APPROVER = 1, R_SUBMITTER = 2, R_OWN_REQUEST = 4, R_PROJECT = 8 };

static const struct {
    enum action action;
    const char *role; /* NULL: only relations */
    int relations;
    bool people_only; /* CI users never */
} table[] = {
    {ACTION_READ, "global-administrator", R_APPROVER | R_SUBMITTER | R_OWN_REQUEST | R_PROJECT,
     false},
    {ACTION_READ, "global-reader", 0, false},
    {ACTION_READ, "operator", 0, false},
    {ACTION_SUBMIT, NULL, R_SUBMITTER, false},
    {ACTION_DECIDE, NULL, R_APPROVER, true},
    {ACTION_CANCEL, "global-administrator", R_OWN_REQUEST, false},
    {ACTION_CANCEL, "operator", 0, false},
    {ACTION_RESEND, "global-administrator", R_OWN_REQUEST, false},
    {ACTION_RESEND, "operator", 0, false},
    {ACTION_CONFIGURE, "global-administrator", 0, false},
    {ACTION_READ_CONFIGURATION, "global-administrator", 0, false},
    {ACTION_READ_CONFIGURATION, "global-reader", 0, false},
};

bool authorize(const Cs__Config__User *who, enum action action, const struct subject *s)
{
    const int have =
        (is_approver(who, s) ? R_APPROVER : 0) | (is_submitter(who, s) ? R_SUBMITTER : 0) |
        (submitted(who, s) ? R_OWN_REQUEST : 0) | (reads_project(who, s) ? R_PROJECT : 0);
    if (who->disabled)
        return false;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].action != action || (table[i].people_only && who->is_ci))
            continue;
        if ((table[i].relations & have) != 0 ||
            (table[i].role != NULL && authorize_has_role(who, table[i].role)))
            return true;
    }
    return false;
}
