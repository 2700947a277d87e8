/* SMTP by libcurl behind port/mail.h. Nothing but this folder speaks SMTP.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "port/mail.h"

struct cs_smtp_options {
    const char *url;      /* smtp://host:25, smtps://host:465 */
    const char *user;     /* "": no AUTH */
    const char *password; /* borrowed; kept as a copy until close */
    const char *ca_file;  /* "": the system's */
    bool require_tls;     /* smtp://: refuse a relay without STARTTLS */
    int timeout_ms;       /* of a whole mail */
};

/* One thread. */
struct cs_smtp;

/* CS_INVALID ("mail.url") for anything but smtp:// and smtps://, and for a password that would
 * travel without TLS to another machine. Does not connect. */
enum cs_rc cs_smtp_open(const struct cs_smtp_options *o, struct cs_smtp **out,
                        struct cs_err *err) CS_MUST_CHECK;
void cs_smtp_close(struct cs_smtp *s);
void cs_smtp_freep(struct cs_smtp **s);
/* Borrowed; valid until close. */
const struct cs_mail_port *cs_smtp_port(struct cs_smtp *s);
