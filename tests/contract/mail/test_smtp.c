/* The SMTP adapter against a relay that is not ours; what arrived is judged by Python's mail
 * parser. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "adapter/smtp/header.h"
#include "adapter/smtp/smtp.h"
#include "base/file.h"

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct relay {
    char dir[256];
    pid_t pid;
    char url[64];
};

static void start(struct relay *r, const char *mode)
{
    int out[2];
    char port[16] = "";
    size_t n = 0;
    struct cs_err err = {0};
    assert_int_equal(pipe(out), 0);
    r->pid = fork();
    if (r->pid == 0) {
        dup2(out[1], 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/usr/bin/python3", "python3", CS_SOURCE_DIR "/tests/contract/mail/relay.py", r->dir,
              mode, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (n < sizeof(port) - 1 && strchr(port, '\n') == NULL) {
        size_t got = 0;
        assert_ok(cs_fd_read_full(out[0], port + n, 1, &got, &err), &err);
        if (got == 0)
            fail_msg("the test relay did not start: is python3-aiosmtpd installed?");
        n += got;
    }
    close(out[0]);
    snprintf(r->url, sizeof(r->url), "smtp://127.0.0.1:%d", atoi(port));
}

static void stop(struct relay *r)
{
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    harness_tmpdir_remove(r->dir);
}

static struct cs_mail example(const char *to)
{
    return (struct cs_mail){
        .from = {.name = "Countersign", .address = "countersign@sign.example"},
        .to = {.name = "Jörg \"J\" Bäcker", .address = to},
        .subject =
            "Bitte entscheiden: Grüße-und-noch-viel-mehr-Übermut-für-alle-Fälle.exe signieren?",
        .message_id = "d1@sign.example",
        .thread_id = "request-1@sign.example",
        .delivery_id = "d1",
        .date_ms = 1769862896000,
        .text = cs_bytes_str("Request: 1\nCode to approve: 7K2M-9QX1\n.\nFrom here = Grüße\n"),
        .html = cs_bytes_str("<p>Gr\xc3\xbc\xc3\x9f"
                             "e</p>\n")};
}

static struct cs_smtp *open_smtp(const char *url, const char *password, const char *ca)
{
    struct cs_smtp *s = NULL;
    struct cs_err err = {0};
    const struct cs_smtp_options o = {.url = url,
                                      .user = password[0] == '\0' ? "" : "countersign",
                                      .password = password,
                                      .ca_file = ca,
                                      .require_tls = ca[0] != '\0',
                                      .timeout_ms = 5000};
    assert_ok(cs_smtp_open(&o, &s, &err), &err);
    return s;
}

static enum cs_rc deliver(struct cs_smtp *s, const char *to, struct cs_err *err)
{
    const struct cs_mail m = example(to);
    const struct cs_mail_port *port = cs_smtp_port(s);
    return port->send(port->self, &m, err);
}

static void has(const char *json, const char *what)
{
    if (strstr(json, what) == NULL)
        fail_msg("'%s' is not in:\n%s", what, json);
}

static const char *received(const struct relay *r, int n, struct cs_buf *out)
{
    char path[300];
    struct cs_err err = {0};
    out->len = 0;
    snprintf(path, sizeof(path), "%s/mail-%d.json", r->dir, n);
    assert_ok(cs_file_read(path, out, &err), &err);
    return cs_buf_cstr(out);
}

static void a_mail_arrives_as_it_was_meant(void **state)
{
    (void)state;
    struct relay r = {0};
    struct cs_err err = {0};
    CS_AUTO_BUF json = CS_BUF_INIT(65536);
    harness_tmpdir(r.dir, sizeof(r.dir));
    start(&r, "plain");
    CS_AUTO(cs_smtp) s = open_smtp(r.url, "", "");
    assert_ok(deliver(s, "joerg@example.com", &err), &err);
    assert_ok(deliver(s, "joerg@example.com", &err), &err);
    const char *j = received(&r, 1, &json);
    has(j, "\"Subject\": \"Bitte entscheiden: "
           "Grüße-und-noch-viel-mehr-Übermut-für-alle-Fälle.exe signieren?\"");
    has(j, "Jörg \\\\\\\"J\\\\\\\" Bäcker");
    has(j, "\"From\": \"Countersign <countersign@sign.example>\"");
    has(j, "\"sender\": \"countersign@sign.example\"");
    has(j, "\"Message-ID\": \"<d1@sign.example>\"");
    has(j, "\"References\": \"<request-1@sign.example>\"");
    has(j, "\"In-Reply-To\": \"<request-1@sign.example>\"");
    has(j, "\"Date\": \"2026-01-31T12:34:56+00:00\"");
    has(j, "\"Delivery\": \"d1\"");
    has(j, "\"type\": \"multipart/alternative\"");
    has(j, "\"order\": [\n\"multipart/alternative\",\n\"text/plain\",\n\"text/html\"\n]");
    has(j, "\"text\": \"Request: 1\\nCode to approve: 7K2M-9QX1\\n.\\nFrom here = Grüße\\n\"");
    has(j, "\"html\": \"<p>Grüße</p>\\n\"");
    assert_null(strstr(j, "Bcc"));
    /* Only libcurl's boundary line is longer than the 78 that RFC 5322 recommends. */
    assert_true(atoi(strstr(j, "\"longest\": ") + 11) <= 90);
    has(received(&r, 2, &json), "\"Message-ID\": \"<d1@sign.example>\"");
    stop(&r);
}

static void failures_fall_into_their_classes(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        enum cs_rc rc;
        const char *code;
    } rows[] = {{"later@example.com", CS_RETRY, "mail.later"},
                {"full@example.com", CS_RETRY, "mail.later"},
                {"drop@example.com", CS_RETRY, "mail.later"},
                {"nobody@example.com", CS_INVALID, "mail.bounced"},
                {"spam@example.com", CS_INVALID, "mail.bounced"},
                {"a b@example.com", CS_INVALID, "mail.address"},
                {"a>\r\nRCPT TO:<b@example.com", CS_INVALID, "mail.address"},
                {"fine@example.com", CS_OK, ""}};
    struct relay r = {0};
    harness_tmpdir(r.dir, sizeof(r.dir));
    start(&r, "plain");
    CS_AUTO(cs_smtp) s = open_smtp(r.url, "", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_err err = {0};
        assert_rc(rows[i].rc, deliver(s, rows[i].to, &err));
        assert_string_equal(err.code, rows[i].code);
    }
    stop(&r);
}

static void nobody_there_is_worth_a_retry(void **state)
{
    (void)state;
    struct cs_err err = {0};
    CS_AUTO(cs_smtp) s = open_smtp("smtp://127.0.0.1:1", "", "");
    assert_rc(CS_RETRY, deliver(s, "joerg@example.com", &err));
}

static void tls_and_login(void **state)
{
    (void)state;
    struct relay r = {0};
    char key[300];
    char cert[300];
    struct cs_err err = {0};
    CS_AUTO_BUF json = CS_BUF_INIT(65536);
    harness_tmpdir(r.dir, sizeof(r.dir));
    snprintf(key, sizeof(key), "%s/key.pem", r.dir);
    snprintf(cert, sizeof(cert), "%s/cert.pem", r.dir);
    const char *const make[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-keyout",
                                key,
                                "-out",
                                cert,
                                "-subj",
                                "/CN=127.0.0.1",
                                "-addext",
                                "subjectAltName=IP:127.0.0.1",
                                NULL};
    assert_int_equal(harness_run(make, NULL), 0);
    start(&r, "tls");
    CS_AUTO(cs_smtp) right = open_smtp(r.url, "correct", cert);
    assert_ok(deliver(right, "joerg@example.com", &err), &err);
    const char *j = received(&r, 1, &json);
    has(j, "\"tls\": true");
    has(j, "\"login\": true");

    CS_AUTO(cs_smtp) wrong = open_smtp(r.url, "wrong", cert);
    assert_rc(CS_DENIED, deliver(wrong, "joerg@example.com", &err));
    assert_string_equal(err.code, "mail.login");
    assert_null(strstr(err.msg, "wrong"));
    CS_AUTO(cs_smtp) stranger = open_smtp(r.url, "correct", "/etc/ssl/certs/ca-certificates.crt");
    const enum cs_rc rc = deliver(stranger, "joerg@example.com", &err);
    if (rc != CS_DENIED)
        fail_msg("%s %s", err.code, err.msg);
    stop(&r);
}

static void a_password_never_travels_unprotected(void **state)
{
    (void)state;
    struct cs_err err = {0};
    struct cs_smtp *s = NULL;
    struct cs_smtp_options o = {.url = "smtp://mail.example.com:25",
                                .user = "u",
                                .password = "p",
                                .ca_file = "",
                                .timeout_ms = 1000};
    assert_rc(CS_INVALID, cs_smtp_open(&o, &s, &err));
    o.url = "http://mail.example.com";
    o.user = "";
    assert_rc(CS_INVALID, cs_smtp_open(&o, &s, &err));
}

static void headers_are_folded_and_cannot_be_injected(void **state)
{
    (void)state;
    struct cs_err err = {0};
    CS_AUTO_BUF out = CS_BUF_INIT(8192);
    assert_rc(CS_INVALID, cs_mail_header(&out, "Subject", "a\r\nBcc: x@example.com", &err));
    assert_rc(CS_INVALID, cs_mail_header(&out, "Subject", "a\tb", &err));
    assert_rc(CS_INVALID, cs_mail_header(&out, "Subject", "\xff", &err));
    const struct cs_mailbox evil = {.name = "a\nBcc: x", .address = "a@example.com"};
    assert_rc(CS_INVALID, cs_mail_header_box(&out, "To", &evil, &err));
    assert_rc(CS_INVALID,
              cs_mail_header_box(&out, "To", &(struct cs_mailbox){"", "a@b@example.com"}, &err));
    out.len = 0;
    assert_ok(cs_mail_header(&out, "Subject", "=?UTF-8?Q?not_decoded?=", &err), &err);
    assert_null(strstr(cs_buf_cstr(&out), "not_decoded"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_arrives_as_it_was_meant),
        cmocka_unit_test(failures_fall_into_their_classes),
        cmocka_unit_test(nobody_there_is_worth_a_retry),
        cmocka_unit_test(tls_and_login),
        cmocka_unit_test(a_password_never_travels_unprotected),
        cmocka_unit_test(headers_are_folded_and_cannot_be_injected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
