/* countersign audit ...: the log, verified and told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_replay.h"
#include "audit_verify.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

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

static enum cs_rc question(const struct cli_args *args, struct audit_question *q,
                           struct cs_err *err)
{
    const char *const *words = NULL;
    if (cli_words(args, &words) > 0)
        return cs_err_set(err, CS_INVALID, "'%s' is not expected here", words[0]);
    *q = (struct audit_question){.ca_file = cli_value(args, "ca-file"),
                                 .registry = cli_value(args, "registry"),
                                 .log_key = cli_value(args, "key"),
                                 .request = cli_value(args, "request"),
                                 .since = cli_value(args, "since")};
    CS_TRY(read_wait(args, q, err));
    CS_TRY(cli_need(args, "log", &q->log, err));
    return cli_need(args, "trust", &q->trust_root, err);
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

const struct cli_command cli_audit[] = {
    {"audit verify",
     "Prove integrity, completeness and authorization from the log and the trust root alone.", "",
     verify_flags, run_verify},
    {"audit replay",
     "Rebuild the tree from cs.audit and compare each record with its source topic.", "",
     replay_flags, run_replay},
    {NULL, NULL, NULL, NULL, NULL}};
