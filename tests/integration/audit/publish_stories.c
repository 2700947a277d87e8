/* Publishes the lives of N requests on a real Kafka, with the trust files and blobs that belong to
 * them: audit_publish_stories DIRECTORY BOOTSTRAP N. SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include "adapter/fsblob/fsblob.h"
#include "adapter/kafka/kafka.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "base/uuid.h"
#include "harness/harness.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *directory;
static const char *bootstrap;
static int requests;

static void put(const char *name, struct cs_bytes bytes)
{
    char path[400];
    struct cs_err err = {0};
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/%s", directory, name), &err);
    assert_ok(cs_file_write_atomic(path, bytes.ptr, bytes.len, 0600, &err), &err);
}

static void write_trust(const struct story *s)
{
    char path[400];
    struct cs_err err = {0};
    put("root.pub", cs_bytes_str(s->root_text));
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/auditor.key", directory), &err);
    assert_ok(cs_signing_key_save(s->keys[STORY_AUDITOR], path, NULL, &err), &err);
    put("registry.bin", s->registry);
}

/* Blobs are in the store before the events that name them, as the daemons do it. */
static void put_blobs(const struct story *s, size_t *from, struct cs_blobs *blobs)
{
    for (; *from < s->n_blobs; ++*from) {
        static const char *const kinds[] = {"manifests", "evidence"};
        const struct story_blob *b = &s->blobs[*from];
        for (size_t k = 0; k < 2; k++) {
            char name[100];
            struct cs_err err = {0};
            assert_ok(cs_strf(name, sizeof(name), &err, "%s/%s", kinds[k], b->name + 8), &err);
            assert_ok(cs_blob_put(blobs, name, b->bytes, NULL, &err), &err);
        }
    }
}

static void publish(struct story *s, const struct cs_bus_producer *bus, struct cs_blobs *blobs)
{
    size_t sent = 0;
    size_t stored = 0;
    const struct timespec pace = {.tv_nsec = 3000000}; /* so that deaths fall between records */
    for (int i = 0; i < requests; i++) {
        char id[CS_UUID_TEXT];
        struct cs_err err = {0};
        cs_uuid_random(id);
        story_sign(s, &(struct story_request){.id = id, .approvals = 1});
        put_blobs(s, &stored, blobs);
        for (; sent < s->n; sent++) {
            assert_ok(bus->send(bus->self, &s->records[sent], NULL, NULL, &err), &err);
            nanosleep(&pace, NULL);
        }
    }
    struct cs_err err = {0};
    assert_ok(bus->flush(bus->self, 30000, &err), &err);
    printf("published %zu records\n", sent);
}

static void publish_stories(void **state)
{
    char path[400];
    struct cs_err err = {0};
    CS_AUTO(cs_blobs) blobs = NULL;
    CS_AUTO(cs_kafka_producer) producer = NULL;
    CS_AUTO(story) s = story_new(1);
    (void)state;
    assert_ok(cs_strf(path, sizeof(path), &err, "%s/blobs", directory), &err);
    assert_ok(cs_blobs_open(path, &blobs, &err), &err);
    const struct cs_kafka_options o = {.bootstrap = bootstrap, .client_id = "stories"};
    assert_ok(cs_kafka_producer_open(&o, &producer, &err), &err);
    write_trust(s);
    publish(s, cs_kafka_producer_port(producer), blobs);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(publish_stories)};
    if (argc != 4)
        return 64;
    directory = argv[1];
    bootstrap = argv[2];
    requests = atoi(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
