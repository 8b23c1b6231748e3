// SPDX-License-Identifier: Apache-2.0
/* Members that reveal shares which are not theirs: how many a session bears, that it names them,
 * and that with more it ends in no sum. */
#include "tests/unit/secagg/world.h"

/* What a session comes to that some lie in. */
struct ending {
    enum mien_status status;
    struct mien_secagg_blame blame;
    int64_t total[DIM];
};

/* Reveals with a lie about each secret, or about every other one. */
static bool reveal_lying(struct world *w, uint32_t from, bool always)
{
    const uint32_t n_peers = mien_secagg_device_n_peers(w->device[from]);
    bool lied = false;

    for (uint32_t place = 0; place < n_peers; place++) {
        const uint32_t of = mien_secagg_device_peer(w->device[from], place);
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;

        assert_int_equal(mien_secagg_device_reveal(w->device[from], place, &survived, share, &has),
                         MIEN_OK);
        if (!has)
            continue;
        if (always || mien_rng_seeded_below(w->seeded, 2) == 0) {
            const uint64_t limb = mien_rng_seeded_below(w->seeded, MIEN_SHARE_LIMBS);

            share[8 * limb + 7] ^= (uint8_t)(1 + mien_rng_seeded_below(w->seeded, 255));
            lied = true;
        }
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, survived,
                                                (struct mien_span){share, sizeof(share)}),
                         MIEN_OK);
    }
    return lied;
}

/* A whole session; lies[i] becomes whether i did. */
static void run_with_liars(struct world *w, bool lies[MAX_N], bool always, struct ending *end)
{
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];

    memset(end, 0, sizeof(*end));
    assert_true(run_keys(w) && run_shares(w) && run_inputs(w, bitmap, root) &&
                run_confirms(w, bitmap, root));
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(w, i), MIEN_OK);
        if (lies[i])
            lies[i] = reveal_lying(w, i, always);
        else
            reveal_from(w, i, UINT32_MAX);
    }
    end->status = mien_secagg_sum_unmask(w->sum, NULL, end->total, &end->blame);
}

static void assert_right_sum(const struct world *w, const struct ending *end)
{
    assert_int_equal(end->status, MIEN_OK);
    assert_int_equal(end->blame.failed, UINT32_MAX);
    for (uint32_t j = 0; j < DIM; j++) {
        int64_t want = 0;

        for (uint32_t i = 0; i < w->n; i++)
            want += takes_part(w, i, BEFORE_INPUT) ? w->vector[i][j] : 0;
        assert_int_equal(end->total[j], want);
    }
}

static void assert_named(const struct world *w, const bool *lies, const struct ending *end)
{
    for (uint32_t i = 0; i < w->n; i++)
        assert_int_equal(mien_bitmap_has(end->blame.wrong, i), lies[i]);
}

static void draw_liars(struct world *w, uint32_t n_liars, bool lies[MAX_N])
{
    memset(lies, 0, MAX_N * sizeof(*lies));
    while (n_liars > 0) {
        const uint64_t i = mien_rng_seeded_below(w->seeded, w->n);

        if (w->leaves[i] != STAYS || lies[i])
            continue;
        lies[i] = true;
        n_liars--;
    }
}

/* Everybody holds a share of everybody's secrets, so of n - a shares (n - a - t) / 2 may be wrong
 * when a left. */
static void a_session_bears_liars_to_the_bound_and_names_them(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 14; seed++) {
        struct world w;
        struct ending end;
        bool lies[MAX_N];
        const uint32_t n = 9 + (uint32_t)seed;

        world_init(&w, n, 3000 + seed);
        if (seed % 2 == 1)
            w.leaves[seed % n] = BEFORE_INPUT;
        const uint32_t spare = n - (uint32_t)(seed % 2) - w.session.t;
        draw_liars(&w, seed % 3 == 0 ? spare / 2 : (uint32_t)seed % (spare / 2 + 1), lies);
        run_with_liars(&w, lies, seed % 4 < 2, &end);
        assert_right_sum(&w, &end);
        assert_named(&w, lies, &end);
        world_fini(&w);
    }
}

static void one_liar_above_the_bound_ends_the_session_without_a_sum(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct world w;
        struct ending end;
        bool lies[MAX_N];
        const uint32_t n = 10 + 2 * (uint32_t)seed;

        world_init(&w, n, 3100 + seed);
        const uint32_t spare = n - w.session.t;
        draw_liars(&w, spare / 2 + 1, lies);
        /* About everything: no other secret tells who they are. */
        run_with_liars(&w, lies, true, &end);
        /* Each limb of a share may be the wrong one: a few secrets come out all the same. */
        if (end.status == MIEN_OK) {
            assert_right_sum(&w, &end);
        } else {
            assert_int_equal(end.status, MIEN_ECORRUPT);
            assert_true(end.blame.failed < n);
            for (uint32_t j = 0; j < DIM; j++)
                assert_int_equal(end.total[j], 0);
        }
        world_fini(&w);
    }
}

/* On a ring most of one member's neighbours lie: its secret has more wrong shares than the code
 * bears, and is rebuilt since other secrets gave them away. */
static void liars_found_out_elsewhere_cost_one_share_each(void **state)
{
    (void)state;
    struct world w;
    struct ending end;
    bool lies[MAX_N] = {false};
    uint32_t peers[MAX_N];
    uint32_t n_liars = 0;

    world_init_ring(&w, 48, 20, 11, 3200);
    assert_true(run_keys(&w));
    const uint32_t n_peers = mien_secagg_sum_peers(w.sum, 4, peers);
    /* Of 20 shares 9 are to spare; the code bears 4 liars, seven are there. */
    for (uint32_t i = 0; i < n_peers && n_liars < 7; i += 2) {
        if (peers[i] != 4 && !lies[peers[i]]) {
            lies[peers[i]] = true;
            n_liars++;
        }
    }
    assert_int_equal(n_liars, 7);
    world_fini(&w);
    world_init_ring(&w, 48, 20, 11, 3200); /* the same again */
    run_with_liars(&w, lies, true, &end);
    assert_right_sum(&w, &end);
    assert_named(&w, lies, &end);
    world_fini(&w);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_bears_liars_to_the_bound_and_names_them),
        cmocka_unit_test(one_liar_above_the_bound_ends_the_session_without_a_sum),
        cmocka_unit_test(liars_found_out_elsewhere_cost_one_share_each),
        cmocka_unit_test(nothing_stays_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
