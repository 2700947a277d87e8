/* countersign-keyd: holds the PIN and the token, speaks with one worker over the socket pair at
 * descriptor 0, ends with it. Started by countersign-signer; never by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/softkeys/softkeys.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/message.h"
#include "keyd.h"
#include "sandbox/sandbox.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A manifest has at most 4 MiB, a bundle about the same. */
enum { MAX_FRAME = 16 << 20, ANSWER_ARENA = 1 << 20, QUESTION_ARENA = 32 << 20 };

/* The last four are of one backend or the other. */
enum flag {
    F_ROOT,
    F_REGISTRY,
    F_KEY,
    F_POOL,
    F_INSTANCE,
    F_RESUME,
    F_DIGEST,
    F_PIN,
    F_MODULE,
    F_TOKEN,
    F_SOFTKEYS,
    F_ENVIRONMENT,
    F_COUNT
};

static const struct option flags[] = {{"trust.root", required_argument, NULL, F_ROOT},
                                      {"trust.registry", required_argument, NULL, F_REGISTRY},
                                      {"keyd.key", required_argument, NULL, F_KEY},
                                      {"pool", required_argument, NULL, F_POOL},
                                      {"service.instance", required_argument, NULL, F_INSTANCE},
                                      {"resume_file", required_argument, NULL, F_RESUME},
                                      {"digest", required_argument, NULL, F_DIGEST},
                                      {"pkcs11.module", required_argument, NULL, F_MODULE},
                                      {"pkcs11.token", required_argument, NULL, F_TOKEN},
                                      {"pin_file", required_argument, NULL, F_PIN},
                                      {"softkeys.directory", required_argument, NULL, F_SOFTKEYS},
                                      {"environment", required_argument, NULL, F_ENVIRONMENT},
                                      {NULL, 0, NULL, 0}};

/* "NAME=VALUE NAME=VALUE": what the token's module reads (SOFTHSM2_CONF). */
static void set_environment(char *list)
{
    char *rest = NULL;
    for (char *w = strtok_r(list, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        if (strchr(w, '=') != NULL)
            putenv(w);
    }
}

static enum cs_rc serve_one(struct keyd *k, struct cs_arena *q_arena, struct cs_arena *a_arena,
                            struct cs_err *err)
{
    CS_AUTO_BUF bytes = CS_BUF_INIT(MAX_FRAME);
    Cs__Signer__KeydAnswer answer = CS__SIGNER__KEYD_ANSWER__INIT;
    struct ProtobufCMessage *q = NULL;
    struct cs_bytes out;
    int fd = -1;
    CS_TRY(cs_frame_receive_fd(STDIN_FILENO, &bytes, &fd, err));
    enum cs_rc rc = cs_message_unpack(&cs__signer__keyd_request__descriptor, cs_buf_view(&bytes),
                                      q_arena, &q, err);
    if (rc == CS_OK)
        keyd_answer(k, (const Cs__Signer__KeydRequest *)q, fd, a_arena, &answer);
    if (fd >= 0)
        close(fd);
    CS_TRY(rc);
    CS_TRY(cs_message_pack(&answer.base, a_arena, &out, err));
    return cs_frame_send(STDIN_FILENO, out, err);
}

static enum cs_rc serve(const struct keyd_options *o, const struct cs_keys *keys,
                        struct cs_err *err)
{
    static struct keyd k;
    CS_AUTO(cs_arena) q = cs_arena_new(QUESTION_ARENA);
    CS_AUTO(cs_arena) a = cs_arena_new(ANSWER_ARENA);
    if (q == NULL || a == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    enum cs_rc rc = keyd_init(&k, o, keys, err);
    if (rc == CS_OK)
        cs_log_info("keyd.ready", CS_KS("pool", o->pool), CS_KS("boot", k.boot_id));
    while (rc == CS_OK) {
        rc = serve_one(&k, q, a, err);
        cs_arena_reset(q);
        cs_arena_reset(a);
    }
    keyd_done(&k);
    return rc;
}

/* A token, or encrypted files for trials. */
static enum cs_rc open_and_serve(const struct keyd_options *o, const char *const v[F_COUNT],
                                 struct cs_err *err)
{
    CS_AUTO(cs_pkcs11) token = NULL;
    CS_AUTO(cs_softkeys) soft = NULL;
    const struct cs_pkcs11_options t = {
        .module = v[F_MODULE], .token_label = v[F_TOKEN], .pin_file = v[F_PIN]};
    const struct cs_softkeys_options s = {.directory = v[F_SOFTKEYS], .passphrase_file = v[F_PIN]};
    if (v[F_SOFTKEYS] != NULL) {
        CS_TRY(cs_softkeys_open(&s, &soft, err));
        return serve(o, cs_softkeys_port(soft), err);
    }
    if (v[F_MODULE] == NULL || v[F_TOKEN] == NULL)
        return cs_err_set(err, CS_INVALID, "neither a token nor software keys");
    CS_TRY(cs_pkcs11_open(&t, &token, err));
    return serve(o, cs_pkcs11_port(token), err);
}

int main(int argc, char **argv)
{
    const char *v[F_COUNT] = {NULL};
    struct cs_err err = {0};
    int c = 0;
    while ((c = getopt_long(argc, argv, "", flags, NULL)) >= 0 && c < F_COUNT) {
        v[c] = optarg;
        if (c == F_ENVIRONMENT)
            set_environment(optarg);
    }
    for (int i = 0; i <= F_PIN; i++) {
        if (v[i] == NULL || c >= 0) {
            fprintf(stderr, "countersign-keyd is started by countersign-signer\n");
            return 2;
        }
    }
    cs_log_init("keyd", CS_LOG_INFO);
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 1;
    const struct keyd_options o = {.trust_root = v[F_ROOT],
                                   .trust_registry = v[F_REGISTRY],
                                   .key_file = v[F_KEY],
                                   .pool = v[F_POOL],
                                   .instance = v[F_INSTANCE],
                                   .resume_file = v[F_RESUME],
                                   .digest_path = v[F_DIGEST]};
    if (open_and_serve(&o, v, &err) == CS_RETRY) /* the worker is gone */
        return 0;
    cs_log_error("keyd.failed", CS_KERR(&err));
    return 1;
}
