/* countersign-keys generate|csr|resume: makes signing keys inside the token, asks a certificate
 * authority for their certificates, and lets keyd try a corrected PIN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/pkcs11/pkcs11.h"
#include "adapter/softkeys/softkeys.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/request.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>

static const struct cs_option own[] = {
    {"pkcs11.module", CS_OPTION_PATH, NULL, 0, 0, 0, "The token's PKCS #11 module."},
    {"pkcs11.token", CS_OPTION_TEXT, NULL, 0, 0, 0, "The token's label."},
    {"pkcs11.pin_file", CS_OPTION_PATH, NULL, 0, 0, 0, "File with the token's PIN."},
    {"softkeys.directory", CS_OPTION_PATH, NULL, 0, 0, 0,
     "For trials, instead of a token: directory of encrypted key files."},
    {"softkeys.passphrase_file", CS_OPTION_PATH, NULL, 0, 0, 0,
     "File with the passphrase that they are encrypted under."},
    {"label", CS_OPTION_TEXT, NULL, 0, 0, 0, "The key's label in the token."},
    {"type", CS_OPTION_TEXT, "rsa-3072", 0, 0, 0,
     "Kind of key to make: rsa-3072, rsa-4096, ec-p256, ec-p384."},
    {"subject", CS_OPTION_TEXT, NULL, 0, 0, 0,
     "Subject of the certificate request, like CN=Example,O=Example Org,C=AT."},
    {"out", CS_OPTION_PATH, NULL, 0, 0, 0, "Where the certificate request (PEM) is written."},
    {NULL, CS_OPTION_TEXT, NULL, 0, 0, 0, NULL}};
static const struct cs_option *const tables[] = {own, cs_options_common, NULL};

struct signer {
    const struct cs_keys *keys;
    const struct cs_key *key;
};

static enum cs_rc sign(void *self, const char *hash, struct cs_bytes digest, struct cs_buf *out,
                       struct cs_err *err)
{
    const struct signer *s = self;
    const struct cs_sign_input in = {.scheme = s->key->kind == CS_KEY_RSA ? CS_SCHEME_RSA_PKCS1
                                                                          : CS_SCHEME_ECDSA,
                                     .hash = hash,
                                     .digest = digest};
    return s->keys->sign(s->keys->self, s->key, &in, out, err);
}

static enum cs_rc need(const struct cs_options *o, const char *name, const char **out,
                       struct cs_err *err)
{
    *out = cs_option_text(o, name);
    return **out != '\0' ? CS_OK : cs_err_set(err, CS_INVALID, "say --%s", name);
}

/* The backend that the options name. */
struct backend {
    struct cs_pkcs11 *token;
    struct cs_softkeys *soft;
};

static enum cs_rc generate(const struct cs_options *o, const struct backend *b, struct cs_err *err)
{
    const char *label = NULL;
    const char *type = cs_option_text(o, "type");
    CS_TRY(need(o, "label", &label, err));
    CS_TRY(b->soft != NULL ? cs_softkeys_generate(b->soft, label, type, err)
                           : cs_pkcs11_generate(b->token, label, type, err));
    printf("%s: a new %s key\n", label, type);
    return CS_OK;
}

static enum cs_rc csr(const struct cs_options *o, const struct backend *b, struct cs_err *err)
{
    CS_AUTO_BUF pem = CS_BUF_INIT(64 * 1024);
    struct signer s = {.keys =
                           b->soft != NULL ? cs_softkeys_port(b->soft) : cs_pkcs11_port(b->token)};
    struct cs_csr in = {.self = &s, .sign = sign};
    const char *label = NULL;
    const char *out = NULL;
    CS_TRY(need(o, "label", &label, err));
    CS_TRY(need(o, "subject", &in.subject, err));
    CS_TRY(need(o, "out", &out, err));
    CS_TRY(s.keys->find(s.keys->self, label, &s.key, err));
    in.spki = s.key->spki;
    CS_TRY(cs_csr_make(&in, &pem, err));
    CS_TRY(cs_file_write_atomic(out, pem.ptr, pem.len, 0644, err));
    printf("%s: certificate request for key '%s'\n", out, label);
    return CS_OK;
}

/* keyd looks at this file's time before it dares to use the secret again. */
static enum cs_rc resume(const struct cs_options *o, struct cs_err *err)
{
    char path[600];
    const char *pin = cs_option_text(o, "pkcs11.pin_file");
    if (pin[0] == '\0')
        CS_TRY(need(o, "softkeys.passphrase_file", &pin, err));
    CS_TRY(cs_strf(path, sizeof(path), err, "%s.resume", pin));
    CS_TRY(cs_file_write_atomic(path, "resume\n", 7, 0644, err));
    printf("%s: the signer tries again with its next job\n", path);
    return CS_OK;
}

static enum cs_rc open_backend(const struct cs_options *o, struct backend *b, struct cs_err *err)
{
    struct cs_softkeys_options s = {.directory = cs_option_text(o, "softkeys.directory")};
    struct cs_pkcs11_options p = {.module = NULL};
    if (s.directory[0] != '\0') {
        CS_TRY(need(o, "softkeys.passphrase_file", &s.passphrase_file, err));
        return cs_softkeys_open(&s, &b->soft, err);
    }
    CS_TRY(need(o, "pkcs11.module", &p.module, err));
    CS_TRY(need(o, "pkcs11.token", &p.token_label, err));
    CS_TRY(need(o, "pkcs11.pin_file", &p.pin_file, err));
    return cs_pkcs11_open(&p, &b->token, err);
}

static enum cs_rc work(const struct cs_options *o, const char *word, const struct backend *b,
                       struct cs_err *err)
{
    if (strcmp(word, "generate") == 0)
        return generate(o, b, err);
    if (strcmp(word, "csr") == 0)
        return csr(o, b, err);
    return cs_err_set(err, CS_INVALID, "say generate, csr or resume; '%s' is none of them", word);
}

static enum cs_rc run(const struct cs_options *o, const char *word, struct cs_err *err)
{
    struct backend b = {.token = NULL};
    if (strcmp(word, "resume") == 0)
        return resume(o, err);
    enum cs_rc rc = open_backend(o, &b, err);
    if (rc == CS_OK)
        rc = work(o, word, &b, err);
    cs_pkcs11_close(b.token);
    cs_softkeys_close(b.soft);
    return rc;
}

static int command(const struct cs_options *o, const char *const *words, size_t n)
{
    struct cs_err err = {0};
    if (n != 1) {
        fprintf(stderr, "countersign-keys: say generate, csr or resume\n");
        return 2;
    }
    if (run(o, words[0], &err) == CS_OK)
        return 0;
    fprintf(stderr, "countersign-keys: %s\n", err.msg);
    return 1;
}

static enum cs_rc no_daemon(struct cs_app *app, void **state, struct cs_err *err)
{
    (void)app;
    (void)state;
    return cs_err_set(err, CS_INVALID, "say generate, csr or resume");
}

int main(int argc, char **argv)
{
    return cs_service_main(
        argc, argv,
        &(const struct cs_service){
            .name = "keys", .tables = tables, .start = no_daemon, .command = command});
}
