// SPDX-License-Identifier: Apache-2.0
/* Limits of taking part, kept by the store whatever its caller does, and over restarts. */
#include "server/store/store.h"

#include "tests/unit/store/fixture.h"

static struct mien_store *begin(char dir[64])
{
    const struct mien_entry_plan plan = fixture_correlated(); /* two rounds apart, three times */

    fixture_path(dir);
    fixture_create(dir, &plan);
    struct mien_store *store = fixture_open(dir);
    (void)fixture_start(store);
    return store;
}

static struct mien_store *again(struct mien_store *store, const char *dir)
{
    mien_store_close(store);
    struct mien_store *opened = fixture_open(dir);
    (void)fixture_start(opened);
    return opened;
}

/* Puts one unit into the open round. */
static enum mien_status put(struct mien_store *store, struct mien_store_round round, uint8_t unit,
                            const char *says)
{
    const struct mien_store_input input = fixture_input(unit);
    struct mien_err err = {0};
    enum mien_status status = mien_store_put_inputs(store, round, 0, &input, 1, &err);

    if (status != MIEN_OK && strstr(err.text, says) == NULL)
        fail_msg("%s", err.text);
    return status;
}

/* A round of some units, released. */
static void round_of(struct mien_store *store, const uint8_t *units, size_t n)
{
    struct mien_store_round round = mien_store_next_round(store);
    uint8_t digests[8 * 32] = {0};

    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(put(store, round, units[i], ""), MIEN_OK);
        digests[32 * i] = units[i];
    }
    assert_int_equal(mien_store_put_survivors(store, round, 0, digests, n, NULL), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    (void)fixture_release(store, round);
}

static void a_unit_sits_out_and_stops(void **state)
{
    (void)state;
    char dir[64];
    struct mien_store *store = begin(dir);
    static const uint8_t even[] = {1, 2, 3};
    static const uint8_t odd[] = {4, 5, 6};

    for (int i = 0; i < 3; i++) {
        round_of(store, even, 3);
        store = again(store, dir);
        struct mien_store_round round = mien_store_next_round(store);
        assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
        /* All or none: the unit beside it is not in either. */
        const struct mien_store_input both[] = {fixture_input(9), fixture_input(1)};
        assert_int_equal(mien_store_put_inputs(store, round, 0, both, 2, NULL), MIEN_EPOLICY);
        assert_int_equal(put(store, round, 1, i < 2 ? "sits out until" : "as many as it may"),
                         MIEN_EPOLICY);
        assert_int_equal(mien_store_abandon(store, round, "for the test", NULL), MIEN_OK);
        round_of(store, odd, 3);
    }
    struct mien_store_round round = mien_store_next_round(store);
    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(put(store, round, 2, "3 vectors, as many as it may"), MIEN_EPOLICY);
    assert_int_equal(put(store, round, 9, ""), MIEN_OK);
    mien_store_close(store);
    fixture_remove(dir);
}

/* A vector that came is a part, also of a round that was abandoned; another attempt at that round
 * is the same step, and counts again. */
static void an_abandoned_round_counts(void **state)
{
    (void)state;
    char dir[64];
    struct mien_store *store = begin(dir);

    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        struct mien_store_round round = mien_store_next_round(store);

        assert_int_equal(round.round, 1);
        assert_int_equal(round.attempt, attempt);
        assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
        assert_int_equal(put(store, round, 1, ""), MIEN_OK);
        assert_int_equal(mien_store_abandon(store, round, "for the test", NULL), MIEN_OK);
    }
    struct mien_store_round round = mien_store_next_round(store);
    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(put(store, round, 1, "3 vectors"), MIEN_EPOLICY);
    mien_store_close(store);
    fixture_remove(dir);
}

static void parts_are_listed_after_a_restart(void **state)
{
    (void)state;
    char dir[64];
    struct mien_store *store = begin(dir);
    static const uint8_t first[] = {7, 2, 5};
    static const uint8_t second[] = {1, 3, 4};
    struct mien_store_part *parts = NULL;
    size_t n = 0;

    assert_int_equal(mien_store_parts(store, &parts, &n, NULL), MIEN_OK);
    assert_int_equal(n, 0);
    mien_free(parts);
    assert_int_equal(mien_store_n_steps(store), 0);
    round_of(store, first, 3);
    round_of(store, second, 3);
    round_of(store, first, 3);
    store = again(store, dir);
    assert_int_equal(mien_store_n_steps(store), 3);
    assert_int_equal(mien_store_parts(store, &parts, &n, NULL), MIEN_OK);
    assert_int_equal(n, 6);
    for (size_t i = 1; i < n; i++)
        assert_true(memcmp(parts[i - 1].unit, parts[i].unit, 32) < 0);
    assert_int_equal(parts[1].unit[0], 2);
    assert_int_equal(parts[1].n, 2);
    assert_int_equal(parts[1].last_round, 3);
    assert_int_equal(parts[0].n, 1);
    assert_int_equal(parts[0].last_round, 2);
    mien_free(parts);
    mien_store_close(store);
    fixture_remove(dir);
}

static void listing_survives_each_failed_allocation(void **state)
{
    (void)state;
    char dir[64];
    struct mien_store *store = begin(dir);
    static const uint8_t units[] = {1, 2, 3};
    struct mien_store_part *parts = NULL;
    size_t n = 0;

    round_of(store, units, 3);
    mien_mem_fail_at(0);
    assert_int_equal(mien_store_parts(store, &parts, &n, NULL), MIEN_ENOMEM);
    mien_mem_fail_at(-1);
    assert_null(parts);
    mien_store_close(store);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_sits_out_and_stops),
        cmocka_unit_test(an_abandoned_round_counts),
        cmocka_unit_test(parts_are_listed_after_a_restart),
        cmocka_unit_test(listing_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
