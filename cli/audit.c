/* countersign audit ...: the log, verified and told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_replay.h"
#include "audit_show.h"
#include "audit_verify.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_FLAGS                                                                                  \
    {"log", CLI_VALUE, "COUNTERSIGN_LOG_URL", NULL, "The log: its URL, or its directory."},        \
        {"key", CLI_VALUE, "COUNTERSIGN_LOG_KEY", NULL,                                            \
         "The log's verifier key, or a file with it; else the auditor keys of the registry."},     \
        {"trust", CLI_VALUE, "COUNTERSIGN_TRUST", NULL, "The trust root file (root.pub)."},        \
        {"registry", CLI_VALUE, NULL, NULL,                                                        \
         "Another registry that the root signed, besides those in the log."},                      \
        {"ca-file", CLI_VALUE, "COUNTERSIGN_TLS_CA_FILE", NULL,                                    \
         "PEM file of the roots to trust when the log's URL is https."},                           \
    {                                                                                              \
        "json", CLI_SWITCH, NULL, NULL, "Machine-readable output."                                 \
    }

static const struct cli_flag verify_flags[] = {
    LOG_FLAGS,
    {"request", CLI_VALUE, NULL, NULL, "The end of this request must be in the log."},
    {"wait", CLI_VALUE, NULL, "10", "Seconds that the request may take to get there."},
    {"since", CLI_VALUE, NULL, NULL,
     "A checkpoint kept from an earlier run: the log must still have all of it."},
    CLI_FLAGS_END};

static const struct cli_flag replay_flags[] = {
    LOG_FLAGS,
    {"kafka", CLI_VALUE, "COUNTERSIGN_KAFKA", NULL, "Kafka brokers, host:port by commas."},
    CLI_FLAGS_END};

static const struct cli_flag show_flags[] = {LOG_FLAGS, CLI_FLAGS_END};

static const struct cli_flag list_flags[] = {
    LOG_FLAGS,
    {"certificate", CLI_VALUE, NULL, NULL, "Only signatures with this certificate (slug or id)."},
    {"since", CLI_VALUE, NULL, NULL, "Only from this date or time on (2026-01-31)."},
    {"csv", CLI_SWITCH, NULL, NULL, "Comma-separated values with a head line."},
    CLI_FLAGS_END};

static enum cs_rc read_wait(const struct cli_args *args, struct audit_question *q,
                            struct cs_err *err)
{
    char *end = NULL;
    const char *text = cli_value(args, "wait");
    const long seconds = text == NULL ? 0 : strtol(text, &end, 10);
    if (text != NULL && (*text == '\0' || *end != '\0' || seconds < 0 || seconds > 3600))
        return cs_err_set(err, CS_INVALID, "--wait %s: 0 to 3600 seconds expected", text);
    q->wait_ms = (int)seconds * 1000;
    return CS_OK;
}

static enum cs_rc log_question(const struct cli_args *args, struct audit_question *q,
                               struct cs_err *err)
{
    *q = (struct audit_question){.ca_file = cli_value(args, "ca-file"),
                                 .registry = cli_value(args, "registry"),
                                 .log_key = cli_value(args, "key"),
                                 .request = cli_value(args, "request"),
                                 .since = cli_value(args, "since")};
    CS_TRY(read_wait(args, q, err));
    CS_TRY(cli_need(args, "log", &q->log, err));
    return cli_need(args, "trust", &q->trust_root, err);
}

static enum cs_rc question(const struct cli_args *args, struct audit_question *q,
                           struct cs_err *err)
{
    const char *const *words = NULL;
    if (cli_words(args, &words) > 0)
        return cs_err_set(err, CS_INVALID, "'%s' is not expected here", words[0]);
    return log_question(args, q, err);
}

static int usage(const struct cs_err *err)
{
    fprintf(stderr, "countersign: %s\n", err->msg);
    return CLI_USAGE;
}

static int run_verify(const struct cli_args *args)
{
    struct audit_question q;
    struct cs_err err = {0};
    if (question(args, &q, &err) != CS_OK)
        return usage(&err);
    CS_AUTO(audit_report) report = audit_report_new(stdout, cli_switch(args, "json"));
    if (report == NULL)
        return AUDIT_CANNOT;
    if (audit_verify(&q, report, &err) != CS_OK)
        audit_finding(report, AUDIT_CANNOT, NULL, err.code[0] != '\0' ? err.code : "audit.cannot",
                      "%s", err.msg);
    return audit_report_end(report);
}

static int run_replay(const struct cli_args *args)
{
    struct audit_question q;
    struct cs_err err = {0};
    const char *kafka = NULL;
    if (question(args, &q, &err) != CS_OK || cli_need(args, "kafka", &kafka, &err) != CS_OK)
        return usage(&err);
    CS_AUTO(audit_report) report = audit_report_new(stdout, cli_switch(args, "json"));
    if (report == NULL)
        return AUDIT_CANNOT;
    if (audit_replay(&q, kafka, report, &err) != CS_OK)
        audit_finding(report, AUDIT_CANNOT, NULL, err.code[0] != '\0' ? err.code : "audit.cannot",
                      "%s", err.msg);
    return audit_report_end(report);
}

/* Findings of a command that prints something else go to stderr; its exit status is their class. */
static int finish(struct audit_report *report, const struct cs_err *err, enum cs_rc rc)
{
    if (rc != CS_OK)
        audit_finding(report, AUDIT_CANNOT, NULL, err->code[0] != '\0' ? err->code : "audit.cannot",
                      "%s", err->msg);
    for (int c = AUDIT_INTEGRITY; c <= AUDIT_CANNOT; c++) {
        if (audit_findings(report, (enum audit_class)c) > 0)
            return c;
    }
    return AUDIT_PASS;
}

static int run_show(const struct cli_args *args)
{
    struct audit_question q;
    struct cs_err err = {0};
    const char *const *words = NULL;
    if (cli_words(args, &words) != 1) {
        fputs("countersign: say which request: audit show REQUEST\n", stderr);
        return CLI_USAGE;
    }
    if (log_question(args, &q, &err) != CS_OK)
        return usage(&err);
    CS_AUTO(audit_report) report = audit_report_new(stderr, false);
    if (report == NULL)
        return AUDIT_CANNOT;
    const enum cs_rc rc = audit_show(&q, words[0], cli_switch(args, "json"), report, &err);
    return finish(report, &err, rc);
}

/* A date, or a whole RFC 3339 time. */
static enum cs_rc read_since(const struct cli_args *args, int64_t *out, struct cs_err *err)
{
    char whole[64];
    const char *text = cli_value(args, "since");
    *out = 0;
    if (text == NULL)
        return CS_OK;
    CS_TRY(
        cs_strf(whole, sizeof(whole), err, "%s%s", text, strlen(text) == 10 ? "T00:00:00Z" : ""));
    if (cs_time_parse(whole, out, err) != CS_OK)
        return cs_err_set(err, CS_INVALID, "--since %s: a date such as 2026-01-31 expected", text);
    return CS_OK;
}

static int run_list(const struct cli_args *args)
{
    struct audit_question q;
    struct cs_err err = {0};
    struct audit_filter f = {.certificate = cli_value(args, "certificate"),
                             .csv = cli_switch(args, "csv"),
                             .json = cli_switch(args, "json")};
    if (question(args, &q, &err) != CS_OK || read_since(args, &f.since_ms, &err) != CS_OK)
        return usage(&err);
    q.since = NULL; /* a time here, not a checkpoint */
    CS_AUTO(audit_report) report = audit_report_new(stderr, false);
    if (report == NULL)
        return AUDIT_CANNOT;
    const enum cs_rc rc = audit_list(&q, &f, report, &err);
    return finish(report, &err, rc);
}

const struct cli_command cli_audit[] = {
    {"audit verify",
     "Prove integrity, completeness and authorization from the log and the trust root alone.", "",
     verify_flags, run_verify},
    {"audit replay",
     "Rebuild the tree from cs.audit and compare each record with its source topic.", "",
     replay_flags, run_replay},
    {"audit show", "Tell the story of one request, in order.", "REQUEST", show_flags, run_show},
    {"audit list", "List what was signed, oldest first.", "", list_flags, run_list},
    {NULL, NULL, NULL, NULL, NULL}};
