/* `countersign audit verify`: integrity, completeness, authorization, from the log and the trust
 * root alone. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "audit_report.h"
#include "base/err.h"

struct audit_question {
    const char *log;        /* directory or URL */
    const char *ca_file;    /* NULL: the system's */
    const char *trust_root; /* root.pub */
    const char *registry;   /* more registries that the root signed; NULL: those in the log */
    const char *log_key;    /* verifier key or a file with it; NULL: the registry's auditor keys */
    const char *request;    /* must be in the log, finished; NULL: none */
    int wait_ms;            /* how long the request may take to get there */
    const char *since;      /* file with an earlier checkpoint; NULL: none */
};

/* The findings are in the report; an error means that verifying could not be done. */
enum cs_rc audit_verify(const struct audit_question *q, struct audit_report *report,
                        struct cs_err *err) CS_MUST_CHECK;
