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

/* One session; whether it ended in a sum. Complete, it must exactly when t members stay to the end;
 * on a ring nobody but the graph knows, and a session that ends early must not give a sum. */
static bool run_session(struct world *w)
{
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    struct mien_secagg_blame blame;

    if (!run_keys(w) || !run_shares(w) || !run_inputs(w, bitmap, root) ||
        !run_confirms(w, bitmap, root)) {
        assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blame), MIEN_ESTATE);
        return false;
    }
    run_reveals(w);
    if (!mien_secagg_sum_ready(w->sum)) {
        assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blame), MIEN_ESTATE);
        return false;
    }
    assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blame), MIEN_OK);
    assert_int_equal(blame.n_wrong, 0);
    assert_int_equal(blame.failed, UINT32_MAX);
    assert_sum_is_the_survivors(w, total);
    assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blame), MIEN_ESTATE);
    return true;
}

static void draw_leavers(struct world *w, uint64_t percent)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (mien_rng_seeded_below(w->seeded, 100) < percent)
            w->leaves[i] = (enum leave)(1 + mien_rng_seeded_below(w->seeded, BEFORE_REVEAL));
    }
}

static void the_sum_is_exact_whoever_leaves_when(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;

        world_init(&w, 3 + (uint32_t)seed % 12, seed);
        draw_leavers(&w, 20);
        const bool enough = count(&w, BEFORE_REVEAL) >= w.session.t;
        assert_true(run_session(&w) == enough);
        world_fini(&w);
    }
}

/* Rings of all sizes, with more and fewer shares than the graph takes. */
static void the_sum_on_a_ring_is_exact_or_there_is_none(void **state)
{
    (void)state;
    uint32_t n_sums = 0;
    uint32_t n_partial = 0;

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world w;
        const uint32_t n = 8 + (uint32_t)seed;
        const uint32_t k = 4 + 2 * (uint32_t)(seed % ((n - 4) / 2));
        const uint32_t t = k / 2 + 1 + (uint32_t)(seed % 3);

        world_init_ring(&w, n, k, t > k ? k : t, 500 + seed);
        draw_leavers(&w, seed % 4 * 7);
        const bool some_left = count(&w, BEFORE_INPUT) < n;
        const bool summed = run_session(&w);
        n_sums += summed;
        n_partial += summed && some_left;
        if (seed % 4 == 0)
            assert_true(summed); /* nobody left */
        world_fini(&w);
    }
    assert_true(n_sums > 20 && n_partial > 5);
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
            assert_true(run_session(&w) == (less == 0));
            world_fini(&w);
        }
    }
}

/* The first n neighbours of member 4 leave at a step. */
static void let_neighbours_leave(struct world *w, uint32_t n, enum leave step)
{
    uint32_t peers[MAX_N];
    const uint32_t n_peers = mien_secagg_sum_peers(w->sum, 4, peers);

    for (uint32_t i = 0; i < n_peers && n > 0; i++) {
        if (peers[i] == 4)
            continue;
        w->leaves[peers[i]] = step;
        n--;
    }
}

/* On a ring it is a member's own neighbours that count: of the k of one member exactly t, then one
 * less, stay. */
static void exactly_t_neighbours_are_enough_and_one_less_is_not(void **state)
{
    (void)state;
    for (int step = BEFORE_SHARES; step <= BEFORE_REVEAL; step++) {
        for (uint32_t less = 0; less < 2; less++) {
            struct world w;
            uint8_t bitmap[MIEN_BITMAP_BYTES];
            uint8_t root[32];

            world_init_ring(&w, 30, 10, 7, 101);
            assert_true(run_keys(&w));
            let_neighbours_leave(&w, 3 + less, (enum leave)step);
            /* Who has too few neighbours before masking is left out, and others with it. */
            bool summed = run_shares(&w);
            assert_true(mien_secagg_sum_goes_on(w.sum, 4) == (less == 0 || step > BEFORE_SHARES));
            summed = summed && run_inputs(&w, bitmap, root) && run_confirms(&w, bitmap, root);
            if (summed)
                run_reveals(&w);
            summed = summed && mien_secagg_sum_ready(w.sum);
            assert_true(step == BEFORE_SHARES || summed == (less == 0));
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
    struct mien_secagg_blame blame;

    world_init(&w, 9, 4);
    w.leaves[2] = BEFORE_INPUT;
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root) &&
                run_confirms(&w, bitmap, root));
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(&w, i), MIEN_OK);
        reveal_from(&w, i, i == 5 ? 2 : UINT32_MAX);
    }
    /* n = 9, t = 7, 8 shares of the leaver's key seed: one may be wrong. */
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blame), MIEN_OK);
    assert_int_equal(blame.n_wrong, 1);
    assert_true(mien_bitmap_has(blame.wrong, 5));
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
    struct mien_secagg_blame blame;

    world_init(&w, 6, 4); /* t = 5 */
    w.leaves[2] = BEFORE_INPUT;
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root) &&
                run_confirms(&w, bitmap, root));
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(&w, i), MIEN_OK);
        reveal_from(&w, i, i == 5 ? 2 : UINT32_MAX);
    }
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blame), MIEN_ECORRUPT);
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

        world_init(&w, 5, 8);
        assert_true(run_keys(&w));
        enum mien_status status = give_roll(&w, 0, NULL);
        for (uint32_t i = 0; i < w.n && status == MIEN_OK; i++) {
            struct mien_session_keys keys = *mien_secagg_sum_roster(w.sum, i);
            struct mien_span credential = credential_of(&w, i);

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
        uint8_t signature[MIEN_SIGNATURE_BYTES];

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
        assert_int_equal(mien_secagg_device_survivors(w.device[0], bitmap, root, w.identity_seed[0],
                                                      signature, NULL),
                         want);
        assert_int_equal(mien_secagg_device_confirm_end(w.device[0], NULL), MIEN_ESTATE);
        world_fini(&w);
    }
}

/* Every field of a session, changed by one bit, makes another session. */
static void what_a_session_is_about_is_bound(void **state)
{
    (void)state;
    struct mien_session a = {
        .round = 1, .purpose = 1, .n = 5, .k = 4, .t = 4, .dim = 9, .bits = 20};
    uint32_t *const numbers[] = {&a.attempt, &a.session_index, &a.purpose, &a.n, &a.k,
                                 &a.t,       &a.dim,           &a.bits};
    uint8_t *const bytes[] = {a.run_id,         a.model_hash, a.plan_hash,
                              a.members_digest, a.commitment, a.nonce};
    uint8_t id[32];
    uint8_t other[32];

    assert_int_equal(mien_session_id(&a, id), MIEN_OK);
    a.round ^= 1;
    assert_int_equal(mien_session_id(&a, other), MIEN_OK);
    assert_memory_not_equal(id, other, 32);
    a.round ^= 1;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i] ^= 1;
        assert_int_equal(mien_session_id(&a, other), MIEN_OK);
        assert_memory_not_equal(id, other, 32);
        *numbers[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        bytes[i][15] ^= 1;
        assert_int_equal(mien_session_id(&a, other), MIEN_OK);
        assert_memory_not_equal(id, other, 32);
        bytes[i][15] ^= 1;
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
        cmocka_unit_test(the_sum_on_a_ring_is_exact_or_there_is_none),
        cmocka_unit_test(exactly_t_survivors_are_enough_and_one_less_is_not),
        cmocka_unit_test(exactly_t_neighbours_are_enough_and_one_less_is_not),
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
