// SPDX-License-Identifier: Apache-2.0
/* Whole sessions between real device cores and the coordinator core, with members leaving at every
 * step, and parties that do not keep to the protocol. */
#include "tests/unit/secagg/world.h"

static void assert_sum_is_the_survivors(const struct world *w, const int64_t *total)
{
    for (uint32_t j = 0; j < DIM; j++) {
        int64_t want = 0;

        for (uint32_t i = 0; i < w->n; i++)
            want += takes_part(w, i, BEFORE_INPUT) ? w->vector[i][j] : 0;
        assert_int_equal(total[j], want);
    }
}

static uint32_t count(const struct world *w, enum leave step)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n += takes_part(w, i, step);
    return n;
}

/* One session; whether it ended in a sum. It must exactly when t members stay to the end. */
static void run_session(struct world *w)
{
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    uint32_t blamed = 0;
    const uint32_t t = w->session.t;

    assert_true(run_keys(w) == (count(w, BEFORE_KEYS) >= t));
    if (count(w, BEFORE_KEYS) < t)
        return;
    assert_true(run_shares(w) == (count(w, BEFORE_SHARES) >= t));
    if (count(w, BEFORE_SHARES) < t)
        return;
    assert_true(run_inputs(w, bitmap, root) == (count(w, BEFORE_INPUT) >= t));
    if (count(w, BEFORE_INPUT) < t)
        return;
    run_reveals(w, bitmap, root);
    assert_true(mien_secagg_sum_ready(w->sum) == (count(w, BEFORE_REVEAL) >= t));
    if (count(w, BEFORE_REVEAL) < t) {
        assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blamed), MIEN_ESTATE);
        return;
    }
    assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blamed), MIEN_OK);
    assert_int_equal(blamed, UINT32_MAX);
    assert_sum_is_the_survivors(w, total);
    assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blamed), MIEN_ESTATE);
}

static void the_sum_is_exact_whoever_leaves_when(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;

        world_init(&w, 3 + (uint32_t)seed % 12, seed);
        for (uint32_t i = 0; i < w.n; i++) {
            if (mien_rng_seeded_below(w.seeded, 10) < 2)
                w.leaves[i] = (enum leave)(1 + mien_rng_seeded_below(w.seeded, 4));
        }
        run_session(&w);
        world_fini(&w);
    }
}

static void exactly_t_survivors_are_enough_and_one_less_is_not(void **state)
{
    (void)state;
    for (int step = BEFORE_KEYS; step <= BEFORE_REVEAL; step++) {
        for (uint32_t less = 0; less < 2; less++) {
            struct world w;

            world_init(&w, 7, 100);
            for (uint32_t i = w.session.t - less; i < w.n; i++)
                w.leaves[i] = (enum leave)step;
            run_session(&w);
            world_fini(&w);
        }
    }
}

static void a_wrong_share_is_found_and_blamed(void **state)
{
    (void)state;
    struct world w;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    uint32_t blamed = 0;

    world_init(&w, 9, 4);
    w.leaves[2] = BEFORE_INPUT;
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root));
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.leaves[i] != STAYS)
            continue;
        assert_int_equal(mien_secagg_device_survivors(w.device[i], bitmap, root, NULL), MIEN_OK);
        reveal_from(&w, i, i == 5 ? 2 : UINT32_MAX);
    }
    /* n = 9, t = 7, 8 shares of the leaver's key seed: one may be wrong. */
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blamed), MIEN_OK);
    assert_int_equal(blamed, 5);
    assert_sum_is_the_survivors(&w, total);
    world_fini(&w);
}

static void a_wrong_share_without_spares_spoils_no_sum_silently(void **state)
{
    (void)state;
    struct world w;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    uint32_t blamed = 0;

    world_init(&w, 6, 4); /* t = 5 */
    w.leaves[2] = BEFORE_INPUT;
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root));
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.leaves[i] != STAYS)
            continue;
        assert_int_equal(mien_secagg_device_survivors(w.device[i], bitmap, root, NULL), MIEN_OK);
        reveal_from(&w, i, i == 5 ? 2 : UINT32_MAX);
    }
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blamed), MIEN_ECORRUPT);
    for (uint32_t j = 0; j < DIM; j++)
        assert_int_equal(total[j], 0);
    world_fini(&w);
}

static void devices_refuse_rosters_that_are_not_right(void **state)
{
    (void)state;
    enum { OWN_CHANGED, DOUBLED_KEY, FOREIGN_CREDENTIAL, WRONG_SIGNATURE, LEFT_OUT, N_TRICKS };
    for (int trick = 0; trick < N_TRICKS; trick++) {
        struct world w;
        enum mien_status status = MIEN_OK;

        world_init(&w, 5, 8);
        assert_true(run_keys(&w));
        for (uint32_t i = 0; i < w.n && status == MIEN_OK; i++) {
            struct mien_session_keys keys = *mien_secagg_sum_roster(w.sum, i);
            struct mien_span credential = {w.credential[i], MIEN_CREDENTIAL_BYTES};

            if (trick == OWN_CHANGED && i == 0)
                keys.mask_pk[0] ^= 1;
            if (trick == DOUBLED_KEY && i == 3)
                keys = *mien_secagg_sum_roster(w.sum, 2);
            if (trick == FOREIGN_CREDENTIAL && i == 3)
                credential.data = w.credential[4];
            if (trick == WRONG_SIGNATURE && i == 3)
                keys.signature[5] ^= 1;
            if (trick == LEFT_OUT && i == 0)
                continue;
            status = mien_secagg_device_roster(w.device[0], i, credential, &keys, NULL);
        }
        if (status == MIEN_OK)
            status = mien_secagg_device_roster_end(w.device[0], &w.rng, NULL);
        assert_int_equal(status, MIEN_EAUTH);
        assert_int_equal(give_roster(&w, 0, NULL), MIEN_ESTATE);
        world_fini(&w);
    }
}

static void a_ciphertext_opens_for_its_pair_and_direction_only(void **state)
{
    (void)state;
    struct world w;

    for (int trick = 0; trick < 4; trick++) {
        uint8_t sealed[MIEN_SEALED_SHARES_BYTES];

        world_init(&w, 4, 9);
        assert_true(run_keys(&w) && run_shares(&w));
        memcpy(sealed, mien_secagg_sum_delivery(w.sum, 1, 0), sizeof(sealed));
        struct mien_span span = {sealed, sizeof(sealed)};
        uint32_t from = 1;
        enum mien_status want = MIEN_EAUTH;
        if (trick == 0) { /* reflected: device 0's own ciphertext for 1 */
            memcpy(sealed, mien_secagg_sum_delivery(w.sum, 0, 1), sizeof(sealed));
        } else if (trick == 1) { /* swapped: said to be from 2 */
            from = 2;
        } else if (trick == 2) { /* one bit */
            sealed[3] ^= 1;
        } else { /* cut */
            span.len--;
            want = MIEN_EPARSE;
        }
        assert_int_equal(mien_secagg_device_deliver(w.device[0], from, span, NULL), want);
        assert_int_equal(mien_secagg_device_deliver_end(w.device[0], NULL), MIEN_ESTATE);
        world_fini(&w);
    }
}

static void devices_refuse_survivor_sets_that_are_not_right(void **state)
{
    (void)state;
    enum { WITHOUT_ME, TOO_FEW, STRANGER, WRONG_ROOT, N_TRICKS };
    for (int trick = 0; trick < N_TRICKS; trick++) {
        struct world w;
        uint8_t bitmap[MIEN_BITMAP_BYTES];
        uint8_t root[32];

        world_init(&w, 7, 11);
        w.leaves[6] = BEFORE_SHARES;
        assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root));
        if (trick == WITHOUT_ME)
            bitmap[0] = (uint8_t)(bitmap[0] & ~1u);
        if (trick == TOO_FEW)
            bitmap[0] = 0x0f;
        if (trick == STRANGER)
            mien_bitmap_add(bitmap, 6);
        assert_int_equal(mien_session_root(mien_secagg_sum_session_id(w.sum), w.n, bitmap, root),
                         MIEN_OK);
        root[0] = (uint8_t)(root[0] ^ (trick == WRONG_ROOT));
        enum mien_status want = trick == TOO_FEW ? MIEN_EPOLICY : MIEN_EAUTH;
        assert_int_equal(mien_secagg_device_survivors(w.device[0], bitmap, root, NULL), want);
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;
        assert_int_equal(mien_secagg_device_reveal(w.device[0], 1, &survived, share, &has),
                         MIEN_ESTATE);
        world_fini(&w);
    }
}

static void what_a_session_is_about_is_bound(void **state)
{
    (void)state;
    struct mien_session a = {.round = 1, .n = 5, .t = 4, .dim = 9, .bits = 20};
    struct mien_session changed[5] = {a, a, a, a, a};
    uint8_t id[32];

    changed[0].round++;
    changed[1].model_hash[7] = 1;
    changed[2].plan_hash[7] = 1;
    changed[3].attempt++;
    changed[4].members_digest[0] = 1;
    assert_int_equal(mien_session_id(&a, id), MIEN_OK);
    for (int i = 0; i < 5; i++) {
        uint8_t other[32];

        assert_int_equal(mien_session_id(&changed[i], other), MIEN_OK);
        assert_true(memcmp(id, other, 32) != 0);
    }
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_exact_whoever_leaves_when),
        cmocka_unit_test(exactly_t_survivors_are_enough_and_one_less_is_not),
        cmocka_unit_test(a_wrong_share_is_found_and_blamed),
        cmocka_unit_test(a_wrong_share_without_spares_spoils_no_sum_silently),
        cmocka_unit_test(devices_refuse_rosters_that_are_not_right),
        cmocka_unit_test(a_ciphertext_opens_for_its_pair_and_direction_only),
        cmocka_unit_test(devices_refuse_survivor_sets_that_are_not_right),
        cmocka_unit_test(what_a_session_is_about_is_bound),
        cmocka_unit_test(nothing_stays_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
