/* What readers of the log get over HTTP, asked by curl: the right headers, and nothing that is not
 * under the published checkpoint. SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "harness/harness.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A log that is being served. */
struct served {
    char directory[200];
    char listen[40];
    struct cs_signing_key *key;
    struct store *store;
    struct serve *serve;
    size_t n;
};

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void add(struct served *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[40];
        struct cs_err err = {0};
        const int len = snprintf(text, sizeof(text), "entry %zu", s->n++);
        assert_ok(store_add(s->store, cs_bytes(text, (size_t)len), &err), &err);
    }
}

static void commit(struct served *s)
{
    struct cs_err err = {0};
    assert_ok(store_commit(s->store, &err), &err);
}

static int set_up(void **state)
{
    static const uint8_t seed[32] = {5};
    static struct served s;
    struct cs_err err = {0};
    memset(&s, 0, sizeof(s));
    harness_tmpdir(s.directory, sizeof(s.directory));
    s.key = cs_signing_key_from_seed(seed);
    assert_ok(store_open(s.directory, "countersign/test", s.key, &s.store, &err), &err);
    assert_ok(cs_strf(s.listen, sizeof(s.listen), &err, "127.0.0.1:%d", free_port()), &err);
    assert_ok(serve_start(s.listen, s.directory, s.store, &s.serve, &err), &err);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct served *s = *state;
    serve_stop(s->serve);
    store_close(s->store);
    cs_signing_key_free(s->key);
    harness_tmpdir_remove(s->directory);
    return 0;
}

/* curl's view: status line and headers, lower case as HTTP allows. */
static void ask(const struct served *s, const char *method, const char *path, char out[4096])
{
    char url[300];
    struct cs_err err = {0};
    CS_AUTO_BUF text = CS_BUF_INIT(65536);
    assert_ok(cs_strf(url, sizeof(url), &err, "http://%s/%s", s->listen, path), &err);
    const char *const argv[] = {"curl", "-s", "-i", "--path-as-is", "-o", "/dev/null",
                                "-D",   "-",  "-X", method,         url,  NULL};
    assert_int_equal(harness_run(argv, &text), 0);
    assert_ok(cs_strf(out, 4096, &err, "%s", cs_buf_cstr(&text)), &err);
}

static void assert_status(const struct served *s, const char *path, const char *status)
{
    char answer[4096];
    ask(s, "GET", path, answer);
    if (strncmp(answer + 9, status, 3) != 0)
        fail_msg("%s: %s expected, got %.40s", path, status, answer);
}

static void assert_header(const char *answer, const char *header)
{
    if (strstr(answer, header) == NULL)
        fail_msg("'%s' is not in %s", header, answer);
}

static void resources_and_how_long_they_may_be_kept(void **state)
{
    struct served *s = *state;
    char answer[4096];
    struct cs_err err = {0};
    static const char bundle[] =
        "bundles/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    add(s, 300);
    commit(s);
    assert_ok(store_put(s->store, bundle, cs_bytes("abc", 3), &err), &err);
    ask(s, "GET", "checkpoint", answer);
    assert_header(answer, "200 OK");
    assert_header(answer, "Content-Type: text/plain; charset=utf-8");
    assert_header(answer, "Cache-Control: public, max-age=1\r");
    static const char *const paths[] = {"tile/0/000",       "tile/0/001.p/44",
                                        "tile/entries/000", "tile/entries/001.p/44",
                                        "tile/1/000.p/1",   bundle};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ask(s, "GET", paths[i], answer);
        assert_header(answer, "200 OK");
        assert_header(answer, "Content-Type: application/octet-stream");
        assert_header(answer, "immutable");
    }
}

static void nothing_else_is_served(void **state)
{
    struct served *s = *state;
    static const char *const paths[] = {"",
                                        "state",
                                        "lock",
                                        "tile",
                                        "tile/",
                                        "tile/0/../../state",
                                        "../state",
                                        "bundles/",
                                        "bundles/../state",
                                        "checkpoint/",
                                        "tile/0/000.p",
                                        "tile/9/000",
                                        "tile/0/999"};
    add(s, 300);
    commit(s);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_status(s, paths[i], "404");
}

static void it_can_only_be_read(void **state)
{
    struct served *s = *state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
    char answer[4096];
    commit(s);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        ask(s, methods[i], "checkpoint", answer);
        assert_header(answer, "405");
        assert_header(answer, "Allow: GET, HEAD");
    }
}

/* A tile that is written, and not yet under a checkpoint, may become another one after a crash. */
static void tiles_appear_with_their_checkpoint(void **state)
{
    struct served *s = *state;
    char path[300];
    struct cs_err err = {0};
    add(s, 250);
    commit(s);
    add(s, 10);
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/tile/0/000", s->directory), &err);
    assert_int_equal(access(path, R_OK), 0);
    assert_status(s, "tile/0/000", "404");
    assert_status(s, "tile/entries/000", "404");
    commit(s);
    assert_status(s, "tile/0/000", "200");
    assert_status(s, "tile/entries/000", "200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resources_and_how_long_they_may_be_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_else_is_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_can_only_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tiles_appear_with_their_checkpoint, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
