/* Trees of tiles against the definition of RFC 6962, for every size from 0 to 600 and around tile
 * borders. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/hex.h"
#include "base/mem.h"
#include "tlog/edge.h"
#include "tlog/entry.h"
#include "tlog/proof.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { SIZES = 600, LARGE = 66000 };

static struct cs_hash leaves[LARGE];

/* RFC 6962 section 2.1, word for word. */
static struct cs_hash naive(size_t lo, size_t n) /* NOLINT(misc-no-recursion) */
{
    struct cs_hash h;
    size_t k = 1;
    cs_sha256("", 0, h.b);
    if (n == 0)
        return h;
    if (n == 1)
        return leaves[lo];
    while (k * 2 < n)
        k *= 2;
    const struct cs_hash left = naive(lo, k);
    const struct cs_hash right = naive(lo + k, n - k);
    return cs_merkle_node(&left, &right);
}

/* Tiles made from the definition, so that proofs are not judged by the code that made them. */
static enum cs_rc read_tile(void *self, const struct cs_tlog_tile *t, struct cs_hash *out,
                            struct cs_err *err)
{
    const size_t *size = self;
    const size_t span = (size_t)1 << (8 * t->level);
    (void)err;
    assert_int_equal(t->width, cs_tlog_width(*size, t->level, t->index));
    for (size_t i = 0; i < t->width; i++)
        out[i] = naive((t->index * CS_TLOG_TILE + i) * span, span);
    return CS_OK;
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < LARGE; i++) {
        char text[32];
        const int n = snprintf(text, sizeof(text), "leaf %zu", i);
        leaves[i] = cs_tlog_leaf(cs_bytes(text, (size_t)n));
    }
    return 0;
}

static void assert_same(const struct cs_hash *a, const struct cs_hash *b)
{
    assert_memory_equal(a->b, b->b, sizeof(a->b));
}

static void roots_are_those_of_the_definition(void **state)
{
    CS_CLEANUP(cs_free_voidp) void *mem = cs_calloc(1, sizeof(struct cs_tlog_edge));
    struct cs_tlog_edge *e = mem;
    (void)state;
    for (size_t n = 0; n < LARGE; n++) {
        if (n <= SIZES || (n >= 65535 && n <= 65537) || n % 7919 == 0) {
            const struct cs_hash want = naive(0, n);
            const struct cs_hash got = cs_tlog_edge_root(e);
            assert_same(&want, &got);
        }
        assert_ok(cs_tlog_edge_append(e, &leaves[n], NULL, NULL), &(struct cs_err){0});
    }
}

struct seen {
    uint64_t next[CS_TLOG_LEVELS];
};

static enum cs_rc full_tile(void *self, unsigned level, uint64_t index,
                            const struct cs_hash *hashes, struct cs_err *err)
{
    struct seen *s = self;
    const size_t span = (size_t)1 << (8 * level);
    (void)err;
    assert_int_equal(index, s->next[level]++);
    for (size_t i = 0; i < CS_TLOG_TILE; i += 51) {
        const struct cs_hash want = naive((index * CS_TLOG_TILE + i) * span, span);
        assert_same(&want, &hashes[i]);
    }
    return CS_OK;
}

static void each_full_tile_is_told_once(void **state)
{
    CS_CLEANUP(cs_free_voidp) void *mem = cs_calloc(1, sizeof(struct cs_tlog_edge));
    struct cs_tlog_edge *e = mem;
    struct seen seen = {{0}};
    const struct cs_tlog_sink sink = {.self = &seen, .full = full_tile};
    (void)state;
    for (size_t n = 0; n < LARGE; n++)
        assert_ok(cs_tlog_edge_append(e, &leaves[n], &sink, NULL), &(struct cs_err){0});
    assert_int_equal(seen.next[0], LARGE / 256);
    assert_int_equal(seen.next[1], 1);
    assert_int_equal(seen.next[2], 0);
    assert_int_equal(cs_tlog_edge_width(e, 0), LARGE % 256);
}

static void inclusion_proofs_lead_to_the_root_and_no_other_does(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZES; size += size < 70 ? 1 : 53) {
        const struct cs_tlog_tiles tiles = {.self = &size, .read = read_tile};
        const struct cs_tlog_head head = {.size = size, .root = naive(0, size)};
        for (size_t i = 0; i < size; i += size < 70 ? 1 : 17) {
            struct cs_err err = {0};
            struct cs_tlog_proof p;
            assert_ok(cs_tlog_prove_inclusion(&tiles, i, size, &p, &err), &err);
            assert_ok(cs_tlog_check_inclusion(&leaves[i], i, &head, &p, &err), &err);
            assert_rc(CS_DENIED, cs_tlog_check_inclusion(&leaves[i + 1], i, &head, &p, &err));
            if (p.n == 0)
                continue;
            p.hashes[p.n - 1].b[31] ^= 1;
            assert_rc(CS_DENIED, cs_tlog_check_inclusion(&leaves[i], i, &head, &p, &err));
            p.hashes[p.n - 1].b[31] ^= 1;
            p.n--;
            assert_rc(CS_DENIED, cs_tlog_check_inclusion(&leaves[i], i, &head, &p, &err));
        }
    }
}

static void consistency_proofs_bind_old_to_new(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZES; size += size < 70 ? 1 : 53) {
        const struct cs_tlog_tiles tiles = {.self = &size, .read = read_tile};
        const struct cs_tlog_head head = {.size = size, .root = naive(0, size)};
        for (size_t m = 1; m <= size; m += size < 70 ? 1 : 17) {
            struct cs_err err = {0};
            struct cs_tlog_proof p;
            struct cs_tlog_head old = {.size = m, .root = naive(0, m)};
            assert_ok(cs_tlog_prove_consistency(&tiles, m, size, &p, &err), &err);
            assert_ok(cs_tlog_check_consistency(&old, &head, &p, &err), &err);
            old.root.b[0] ^= 1;
            assert_rc(CS_DENIED, cs_tlog_check_consistency(&old, &head, &p, &err));
        }
    }
}

static void roots_from_tiles_are_the_same(void **state)
{
    (void)state;
    for (size_t size = 0; size <= SIZES; size++) {
        struct cs_err err = {0};
        struct cs_hash got;
        const struct cs_tlog_tiles tiles = {.self = &size, .read = read_tile};
        const struct cs_hash want = naive(0, size);
        assert_ok(cs_tlog_root(&tiles, size, &got, &err), &err);
        assert_same(&want, &got);
    }
}

/* The well-known tree of Certificate Transparency's reference tests: eight fixed inputs. */
static void known_roots(void **state)
{
    static const struct {
        const char *hex;
        const char *root; /* of the inputs up to this one */
    } rows[] = {
        {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"606162636465666768696a6b6c6d6e6f",
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"}};
    CS_CLEANUP(cs_free_voidp) void *mem = cs_calloc(1, sizeof(struct cs_tlog_edge));
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_err err = {0};
        uint8_t bytes[16];
        char got[65];
        const size_t n = strlen(rows[i].hex) / 2;
        assert_ok(cs_hex_decode(rows[i].hex, bytes, n, &err), &err);
        const struct cs_hash leaf = cs_tlog_leaf(cs_bytes(bytes, n));
        assert_ok(cs_tlog_edge_append(mem, &leaf, NULL, &err), &err);
        const struct cs_hash root = cs_tlog_edge_root(mem);
        cs_hex_encode(root.b, sizeof(root.b), got);
        assert_string_equal(rows[i].root, got);
    }
}

static void paths_are_those_of_the_specification(void **state)
{
    static const struct {
        struct cs_tlog_tile tile;
        const char *path;
    } rows[] = {{{false, 0, 0, 256}, "tile/0/000"},
                {{false, 0, 273, 112}, "tile/0/273.p/112"},
                {{false, 2, 0, 1}, "tile/2/000.p/1"},
                {{false, 7, 0, 255}, "tile/7/000.p/255"},
                {{true, 0, 1234067, 256}, "tile/entries/x001/x234/067"},
                {{false, 1, 1234067, 8}, "tile/1/x001/x234/067.p/8"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[CS_TLOG_PATH];
        struct cs_tlog_tile t;
        struct cs_err err = {0};
        assert_ok(cs_tlog_path(&rows[i].tile, path, &err), &err);
        assert_string_equal(rows[i].path, path);
        assert_ok(cs_tlog_path_parse(path, &t, &err), &err);
        assert_true(t.entries == rows[i].tile.entries && t.level == rows[i].tile.level &&
                    t.index == rows[i].tile.index && t.width == rows[i].tile.width);
    }
}

static void other_spellings_of_paths_are_refused(void **state)
{
    static const char *const paths[] = {"",
                                        "tile/",
                                        "tile/0",
                                        "tile/0/",
                                        "tile/0/0",
                                        "tile/0/0000",
                                        "tile/00/000",
                                        "tile/8/000",
                                        "tile/0/000.p/0",
                                        "tile/0/000.p/256",
                                        "tile/0/000.p/01",
                                        "tile/0/000.p/",
                                        "tile/0/x000/000",
                                        "tile/0/x001/x000/",
                                        "tile/0/000/",
                                        "tile/0/../000",
                                        "/tile/0/000",
                                        "tile/entries/",
                                        "tile/entries/00x",
                                        "tile/0/x999/x999/x999/x999/x999/x999/999",
                                        "tile/-/000",
                                        "tile/0/000.p/-1",
                                        "tile/0/ 00"};
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct cs_tlog_tile t;
        struct cs_err err = {0};
        if (cs_tlog_path_parse(paths[i], &t, &err) == CS_OK)
            fail_msg("'%s' was taken for a tile", paths[i]);
    }
}

static void widths_of_a_tree_of_70000(void **state)
{
    (void)state;
    assert_int_equal(cs_tlog_width(70000, 0, 272), 256);
    assert_int_equal(cs_tlog_width(70000, 0, 273), 112);
    assert_int_equal(cs_tlog_width(70000, 0, 274), 0);
    assert_int_equal(cs_tlog_width(70000, 1, 0), 256);
    assert_int_equal(cs_tlog_width(70000, 1, 1), 17);
    assert_int_equal(cs_tlog_width(70000, 2, 0), 1);
    assert_int_equal(cs_tlog_width(70000, 3, 0), 0);
    assert_int_equal(cs_tlog_width(256, 1, 0), 1);
    assert_int_equal(cs_tlog_width(256, 0, 1), 0);
    assert_int_equal(cs_tlog_width(UINT64_MAX, 7, 0), 255);
    assert_false(cs_tlog_covered(&(struct cs_tlog_tile){false, 0, 273, 113}, 70000));
    assert_true(cs_tlog_covered(&(struct cs_tlog_tile){true, 0, 273, 112}, 70000));
}

static void bundles_come_apart_as_they_were_put_together(void **state)
{
    CS_AUTO_BUF b = CS_BUF_INIT(1 << 20);
    struct cs_bytes got[3];
    struct cs_err err = {0};
    static uint8_t big[CS_TLOG_ENTRY_MAX + 1];
    (void)state;
    assert_ok(cs_tlog_bundle_add(&b, cs_bytes("abc", 3), &err), &err);
    assert_ok(cs_tlog_bundle_add(&b, cs_bytes("", 0), &err), &err);
    assert_ok(cs_tlog_bundle_add(&b, cs_bytes(big, CS_TLOG_ENTRY_MAX), &err), &err);
    assert_rc(CS_LIMIT, cs_tlog_bundle_add(&b, cs_bytes(big, sizeof(big)), &err));
    assert_ok(cs_tlog_bundle_read(cs_buf_view(&b), 3, got, &err), &err);
    assert_true(cs_bytes_eq(got[0], cs_bytes("abc", 3)));
    assert_int_equal(got[1].len, 0);
    assert_int_equal(got[2].len, CS_TLOG_ENTRY_MAX);
    assert_rc(CS_INVALID, cs_tlog_bundle_read(cs_buf_view(&b), 2, got, &err));
    for (size_t cut = 0; cut < 8; cut++)
        assert_rc(CS_INVALID, cs_tlog_bundle_read(cs_bytes(b.ptr, cut), 3, got, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_definition),
        cmocka_unit_test(each_full_tile_is_told_once),
        cmocka_unit_test(inclusion_proofs_lead_to_the_root_and_no_other_does),
        cmocka_unit_test(consistency_proofs_bind_old_to_new),
        cmocka_unit_test(roots_from_tiles_are_the_same),
        cmocka_unit_test(known_roots),
        cmocka_unit_test(paths_are_those_of_the_specification),
        cmocka_unit_test(other_spellings_of_paths_are_refused),
        cmocka_unit_test(widths_of_a_tree_of_70000),
        cmocka_unit_test(bundles_come_apart_as_they_were_put_together),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
