/* Tokens and codes: repeatable, unpredictable without the secret, and committed to by hashes alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "crypto/hash.h"
#include "secrets.h"

#include <cmocka.h>
#include <string.h>

static const uint8_t key[SECRETS_KEY] = "0123456789abcdef0123456789abcde";
static const uint8_t body[32] = "SHA-256 of what is approved";
static const uint8_t other_body[32] = "SHA-256 of something else";

static void a_second_mail_carries_the_same_secrets(void **state)
{
    (void)state;
    struct cs_err err = {0};
    struct secrets a;
    struct secrets b;
    char id[CS_UUID_TEXT];
    char again[CS_UUID_TEXT];
    secrets_invitation_id("event-1", "approver-1", 1, body, id);
    secrets_invitation_id("event-1", "approver-1", 1, body, again);
    assert_string_equal(id, again);
    assert_true(cs_uuid_valid(id));
    assert_ok(secrets_derive(key, id, &a, &err), &err);
    assert_ok(secrets_derive(key, again, &b, &err), &err);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(strlen(a.view_token), 43);
    assert_int_equal(strlen(a.approve), 8);
    assert_string_not_equal(a.approve, a.deny);
}

static void everything_depends_on_secret_approver_generation_and_body(void **state)
{
    (void)state;
    struct cs_err err = {0};
    struct secrets first;
    struct secrets other;
    uint8_t other_key[SECRETS_KEY];
    char ids[5][CS_UUID_TEXT];
    secrets_invitation_id("event-1", "approver-1", 1, body, ids[0]);
    secrets_invitation_id("event-1", "approver-2", 1, body, ids[1]);
    secrets_invitation_id("event-1", "approver-1", 2, body, ids[2]);
    secrets_invitation_id("event-2", "approver-1", 1, body, ids[3]);
    secrets_invitation_id("event-1", "approver-1", 1, other_body, ids[4]);
    assert_ok(secrets_derive(key, ids[0], &first, &err), &err);
    for (int i = 1; i < 5; i++) {
        assert_ok(secrets_derive(key, ids[i], &other, &err), &err);
        assert_string_not_equal(ids[0], ids[i]);
        assert_string_not_equal(first.view_token, other.view_token);
        assert_string_not_equal(first.approve, other.approve);
        assert_string_not_equal(first.deny, other.deny);
    }
    memcpy(other_key, key, sizeof(key));
    other_key[31] ^= 1;
    assert_ok(secrets_derive(other_key, ids[0], &other, &err), &err);
    assert_string_not_equal(first.view_token, other.view_token);
    assert_string_not_equal(first.approve, other.approve);
}

static void commitments_are_hashes_of_what_the_gateway_will_compute(void **state)
{
    (void)state;
    struct cs_err err = {0};
    struct secrets s;
    struct commitments c;
    uint8_t proof[32];
    uint8_t hash[32];
    const char *id = "00000000-0000-4000-8000-000000000001";
    char typed[10] = "";
    char code[9];
    assert_ok(secrets_derive(key, id, &s, &err), &err);
    assert_ok(secrets_commit(id, &s, &c, &err), &err);
    cs_sha256(s.view_token, 43, hash);
    assert_memory_equal(hash, c.view_token_sha256, 32);

    /* As an approver types it: lower case, with the dash. */
    for (int i = 0, at = 0; i < 8; i++) {
        if (i == 4)
            typed[at++] = '-';
        typed[at++] = (char)(s.approve[i] >= 'A' ? s.approve[i] + 32 : s.approve[i]);
    }
    assert_ok(cs_code_canonical(typed, code, &err), &err);
    assert_ok(cs_decision_proof(id, s.view_token, code, proof, &err), &err);
    cs_sha256(proof, 32, hash);
    assert_memory_equal(hash, c.approve_proof_sha256, 32);
    assert_memory_not_equal(hash, c.deny_proof_sha256, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_mail_carries_the_same_secrets),
        cmocka_unit_test(everything_depends_on_secret_approver_generation_and_body),
        cmocka_unit_test(commitments_are_hashes_of_what_the_gateway_will_compute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
