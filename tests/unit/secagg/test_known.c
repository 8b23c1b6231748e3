// SPDX-License-Identifier: Apache-2.0
/* What is remembered of credentials saves their signatures' check, and no other. */
#include "common/secagg/known.h"
#include "tests/unit/secagg/world.h"

struct authority {
    uint8_t seed[32];
    uint8_t key[32];
};

static struct authority make_authority(uint8_t first)
{
    struct authority ca = {.seed = {first}};

    assert_int_equal(mien_ed25519_public(ca.seed, ca.key), MIEN_OK);
    return ca;
}

static struct mien_span issue(const struct authority *ca, uint32_t number,
                              uint8_t out[MIEN_CREDENTIAL_BYTES])
{
    struct mien_credential who = {.not_after = 1000};

    memcpy(who.device_id, &number, sizeof(number));
    assert_int_equal(mien_credential_issue(&who, ca->seed, out), MIEN_OK);
    return (struct mien_span){out, MIEN_CREDENTIAL_BYTES};
}

static void a_forged_credential_is_refused_by_a_cache_that_knows_the_true_one(void **state)
{
    (void)state;
    const struct authority ca = make_authority(1);
    const struct authority other = make_authority(2);
    struct mien_known *known = NULL;
    struct mien_credential who;
    uint8_t bytes[MIEN_CREDENTIAL_BYTES];
    const struct mien_span span = issue(&ca, 7, bytes);

    assert_int_equal(mien_known_new(&known), MIEN_OK);
    assert_int_equal(mien_known_verify(known, span, ca.key, 500, &who, NULL), MIEN_OK);
    assert_int_equal(mien_known_verify(known, span, ca.key, 500, &who, NULL), MIEN_OK);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 0x10;
        /* Twice: what was refused is not remembered. */
        for (int again = 0; again < 2; again++)
            assert_int_equal(mien_known_verify(known, span, ca.key, 500, &who, NULL),
                             i == 0 ? MIEN_EPARSE : MIEN_EAUTH);
        bytes[i] ^= 0x10;
    }
    assert_int_equal(mien_known_verify(known, (struct mien_span){bytes, sizeof(bytes) - 1}, ca.key,
                                       500, &who, NULL),
                     MIEN_EPARSE);
    /* Time goes on for those that are known. */
    assert_int_equal(mien_known_verify(known, span, ca.key, 1001, &who, NULL), MIEN_EEXPIRED);
    assert_int_equal(mien_known_verify(known, span, ca.key, 0, &who, NULL), MIEN_OK);
    /* Known under one authority is nothing under another. */
    assert_int_equal(mien_known_verify(known, span, other.key, 500, &who, NULL), MIEN_EAUTH);
    assert_int_equal(mien_known_verify(known, span, other.key, 500, &who, NULL), MIEN_EAUTH);
    assert_int_equal(mien_known_verify(known, span, ca.key, 500, &who, NULL), MIEN_OK);
    mien_known_free(known);
}

/* More credentials than it holds, some twice, each fourth forged: every answer is that of a check
 * in full. */
static void what_it_holds_changes_no_answer(void **state)
{
    (void)state;
    const struct authority ca = make_authority(3);
    const struct authority other = make_authority(4);
    struct mien_known *known = NULL;

    assert_int_equal(mien_known_new(&known), MIEN_OK);
    for (uint32_t i = 0; i < MIEN_KNOWN_CREDENTIALS + 600; i++) {
        const bool forged = i % 4 == 3;
        uint8_t bytes[MIEN_CREDENTIAL_BYTES];
        struct mien_credential who = {.not_after = 0};
        const struct mien_span span = issue(forged ? &other : &ca, i / 2, bytes);

        assert_int_equal(mien_known_verify(known, span, ca.key, 500, &who, NULL),
                         forged ? MIEN_EAUTH : MIEN_OK);
        const uint32_t number = i / 2;
        assert_true(forged || memcmp(who.device_id, &number, sizeof(number)) == 0);
    }
    mien_known_free(known);
}

static void a_device_that_knows_its_peers_refuses_a_forged_one(void **state)
{
    (void)state;
    struct world w;
    struct mien_known *known = NULL;
    struct mien_err err = {0};

    assert_int_equal(mien_known_new(&known), MIEN_OK);
    world_init(&w, 5, 80);
    for (uint32_t i = 0; i < 2; i++) {
        struct mien_secagg_device_config config = world_config(&w, i);

        config.known = known;
        mien_secagg_device_free(w.device[i]);
        assert_int_equal(mien_secagg_device_new(&config, &w.rng, &w.device[i], NULL), MIEN_OK);
    }
    assert_true(run_keys(&w));
    assert_int_equal(give_roll(&w, 0, NULL), MIEN_OK);
    assert_int_equal(give_roster(&w, 0, NULL), MIEN_OK);
    /* Another device of the same process, say: all peers are known to it. */
    assert_int_equal(give_roll(&w, 1, NULL), MIEN_OK);
    enum mien_status status = MIEN_OK;
    for (uint32_t i = 0; i < w.n && status == MIEN_OK; i++) {
        uint8_t credential[MIEN_CREDENTIAL_BYTES];

        memcpy(credential, w.credential[i], sizeof(credential));
        credential[MIEN_CREDENTIAL_BYTES - 1] ^= i == 3;
        status = mien_secagg_device_roster(w.device[1], i,
                                           (struct mien_span){credential, sizeof(credential)},
                                           mien_secagg_sum_roster(w.sum, i), &err);
        assert_int_equal(status, i == 3 ? MIEN_EAUTH : MIEN_OK);
    }
    assert_string_equal(err.text, "member 3: a credential is not signed by this run's CA");
    world_fini(&w);
    mien_known_free(known);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_credential_is_refused_by_a_cache_that_knows_the_true_one),
        cmocka_unit_test(what_it_holds_changes_no_answer),
        cmocka_unit_test(a_device_that_knows_its_peers_refuses_a_forged_one),
        cmocka_unit_test(nothing_stays_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
