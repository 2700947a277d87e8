/* The message type table; see types.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "codec/types.h"

#include "base/str.h"

#include "proto/commands.pb-c.h"
#include "proto/config.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/jobs.pb-c.h"
#include "proto/leases.pb-c.h"
#include "proto/notices.pb-c.h"
#include "proto/results.pb-c.h"

#include <stddef.h>
#include <string.h>

static const struct cs_event_type types[] = {
    {"cs.commands.RequestSubmitted", "cs.commands", CS_ROLE_GATEWAY,
     &cs__commands__request_submitted__descriptor},
    {"cs.commands.DecisionSubmitted", "cs.commands", CS_ROLE_GATEWAY,
     &cs__commands__decision_submitted__descriptor},
    {"cs.commands.CancelRequested", "cs.commands", CS_ROLE_GATEWAY,
     &cs__commands__cancel_requested__descriptor},
    {"cs.commands.ResendRequested", "cs.commands", CS_ROLE_GATEWAY,
     &cs__commands__resend_requested__descriptor},
    {"cs.commands.KeysResumeRequested", "cs.commands", CS_ROLE_GATEWAY,
     &cs__commands__keys_resume_requested__descriptor},
    {"cs.config.ConfigChanged", "cs.config", CS_ROLE_GATEWAY,
     &cs__config__config_changed__descriptor},
    {"cs.config.RegistryPublished", "cs.config", CS_ROLE_GATEWAY,
     &cs__config__registry_published__descriptor},
    {"cs.jobs.InspectionJob", "cs.inspections.", CS_ROLE_SCHEDULER,
     &cs__jobs__inspection_job__descriptor},
    {"cs.jobs.SigningJob", "cs.jobs.", CS_ROLE_SCHEDULER, &cs__jobs__signing_job__descriptor},
    {"cs.results.InspectionCompleted", "cs.results", CS_ROLE_SIGNER,
     &cs__results__inspection_completed__descriptor},
    {"cs.results.InspectionFailed", "cs.results", CS_ROLE_SIGNER,
     &cs__results__inspection_failed__descriptor},
    {"cs.results.SigningStarted", "cs.results", CS_ROLE_KEYD,
     &cs__results__signing_started__descriptor},
    {"cs.results.SignatureMade", "cs.results", CS_ROLE_KEYD,
     &cs__results__signature_made__descriptor},
    {"cs.results.SigningCompleted", "cs.results", CS_ROLE_SIGNER,
     &cs__results__signing_completed__descriptor},
    {"cs.results.SigningFailed", "cs.results", CS_ROLE_SIGNER,
     &cs__results__signing_failed__descriptor},
    {"cs.results.JobDeferred", "cs.results", CS_ROLE_SIGNER,
     &cs__results__job_deferred__descriptor},
    {"cs.events.RequestStateChanged", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__request_state_changed__descriptor},
    {"cs.events.InvitationsRequested", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__invitations_requested__descriptor},
    {"cs.events.InvitationIssued", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__invitation_issued__descriptor},
    {"cs.events.InvitationVoided", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__invitation_voided__descriptor},
    {"cs.events.DecisionRecorded", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__decision_recorded__descriptor},
    {"cs.events.ReminderDue", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__reminder_due__descriptor},
    {"cs.events.RequestAuthorized", "cs.events", CS_ROLE_SCHEDULER,
     &cs__events__request_authorized__descriptor},
    {"cs.notices.InvitationCreated", "cs.notices", CS_ROLE_NOTIFIER,
     &cs__notices__invitation_created__descriptor},
    {"cs.notices.DeliveryReported", "cs.notices", CS_ROLE_NOTIFIER,
     &cs__notices__delivery_reported__descriptor},
    {"cs.leases.Lease", "cs.leases", CS_ROLE_SCHEDULER, &cs__leases__lease__descriptor},
    {"cs.leases.KeysResume", "cs.leases", CS_ROLE_SCHEDULER, &cs__leases__keys_resume__descriptor},
};
enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

const struct cs_event_type *cs_event_type_at(unsigned i)
{
    return i < N_TYPES ? &types[i] : NULL;
}

const struct cs_event_type *cs_event_type_find(const char *name)
{
    for (unsigned i = 0; i < N_TYPES; i++) {
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    }
    return NULL;
}

bool cs_event_type_allows_topic(const struct cs_event_type *type, const char *topic)
{
    const size_t n = strlen(type->topic);
    if (type->topic[n - 1] == '.')
        return cs_str_starts(topic, type->topic) && topic[n] != '\0';
    return strcmp(type->topic, topic) == 0;
}

static const struct {
    enum cs_role role;
    const char *name;
} roles[] = {
    {CS_ROLE_GATEWAY, "gateway"}, {CS_ROLE_SCHEDULER, "scheduler"}, {CS_ROLE_SIGNER, "signer"},
    {CS_ROLE_KEYD, "keyd"},       {CS_ROLE_NOTIFIER, "notifier"},   {CS_ROLE_AUDITOR, "auditor"},
};

enum cs_role cs_role_parse(const char *name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i].name, name) == 0)
            return roles[i].role;
    }
    return CS_ROLE_NONE;
}

const char *cs_role_name(enum cs_role role)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (roles[i].role == role)
            return roles[i].name;
    }
    return "none";
}
