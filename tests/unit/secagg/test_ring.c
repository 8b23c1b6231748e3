// SPDX-License-Identifier: Apache-2.0
/* Who is whose neighbour, and a coordinator that would like to choose that. */
#include "common/secagg/graph.h"
#include "tests/unit/secagg/world.h"

static void neighbours_are_mutual_different_and_k(void **state)
{
    (void)state;
    for (uint32_t n = 5; n < 40; n++) {
        const uint8_t beacon[32] = {(uint8_t)n};
        const uint32_t k = 2 + 2 * (n % ((n - 2) / 2));
        struct mien_graph graph = {0};

        assert_int_equal(mien_graph_init(&graph, n, k, beacon), MIEN_OK);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t list[MAX_N];
            uint32_t n_neighbours = 0;

            for (uint32_t j = 0; j < n; j++) {
                const uint32_t slot = mien_graph_slot(&graph, i, j);

                n_neighbours += slot != UINT32_MAX;
                assert_true((slot == UINT32_MAX) == (mien_graph_slot(&graph, j, i) == UINT32_MAX));
                assert_true(slot == UINT32_MAX || mien_graph_holder(&graph, i, slot) == j);
            }
            assert_int_equal(n_neighbours, k);
            assert_int_equal(mien_graph_slot(&graph, i, i), UINT32_MAX);
            mien_graph_list(&graph, i, list);
            for (uint32_t j = 1; j <= k; j++)
                assert_true(list[j - 1] < list[j]);
        }
        mien_graph_fini(&graph);
    }
}

/* Over many beacons every pair of members is as often neighbours as any other: 2,000 rings of 9
 * with k = 2, so each pair is expected 500 times. Chi-square of 36 pairs, 35 degrees of freedom at
 * most: a right ring passes 75 with probability below 1e-4, and these beacons are fixed. */
static void a_random_beacon_makes_a_random_ring(void **state)
{
    (void)state;
    enum { N = 9, RINGS = 2000 };
    uint32_t met[N][N] = {0};
    double chi = 0.0;

    for (uint32_t ring = 0; ring < RINGS; ring++) {
        const uint8_t beacon[32] = {(uint8_t)ring, (uint8_t)(ring >> 8)};
        struct mien_graph graph = {0};

        assert_int_equal(mien_graph_init(&graph, N, 2, beacon), MIEN_OK);
        for (uint32_t i = 0; i < N * N; i++)
            met[i / N][i % N] += mien_graph_slot(&graph, i / N, i % N) != UINT32_MAX;
        mien_graph_fini(&graph);
    }
    for (uint32_t pair = 0; pair < N * N; pair++) {
        const double over = met[pair / N][pair % N] - RINGS / 4.0;

        if (pair / N < pair % N)
            chi += over * over / (RINGS / 4.0);
    }
    assert_true(chi < 75.0);
}

/* One device of a ring is shown what its coordinator likes. */
enum trick { ANOTHER_NEIGHBOUR, ONE_MISSING, ONE_TWICE, WITHOUT_ME, N_TRICKS };

static enum mien_status show_list(struct world *w, enum trick trick)
{
    uint32_t peers[MAX_N];
    uint32_t n = mien_secagg_sum_peers(w->sum, 0, peers);
    const uint32_t other = peers[1]; /* peers[0] is the device itself */

    if (trick == ANOTHER_NEIGHBOUR)
        for (uint32_t stranger = 1; peers[1] == other || peers[1] == peers[2]; stranger++)
            peers[1] = stranger;
    if (trick == ONE_MISSING)
        memmove(peers + 1, peers + 2, (--n - 1) * sizeof(*peers));
    if (trick == ONE_TWICE)
        peers[2] = peers[1];
    if (trick == WITHOUT_ME)
        memmove(peers, peers + 1, --n * sizeof(*peers));
    for (uint32_t i = 0; i < n; i++) {
        enum mien_status status =
            mien_secagg_device_roster(w->device[0], peers[i], credential_of(w, peers[i]),
                                      mien_secagg_sum_roster(w->sum, peers[i]), NULL);
        if (status != MIEN_OK)
            return status;
    }
    return mien_secagg_device_roster_end(w->device[0], &w->rng, NULL);
}

static void another_list_of_neighbours_is_refused(void **state)
{
    (void)state;
    for (int trick = 0; trick < N_TRICKS; trick++) {
        struct world w;

        world_init_ring(&w, 24, 6, 4, 70);
        assert_true(run_keys(&w));
        assert_int_equal(give_roll(&w, 0, NULL), MIEN_OK);
        const enum mien_status status = show_list(&w, (enum trick)trick);
        assert_int_equal(status, trick == ONE_TWICE ? MIEN_EPARSE : MIEN_EAUTH);
        assert_int_equal(mien_secagg_device_deliver_end(w.device[0], NULL), MIEN_ESTATE);
        world_fini(&w);
    }
}

/* Changed after it was committed to: another opening would be another ring. */
static void another_opening_is_refused_by_both_sides(void **state)
{
    (void)state;
    struct world w;

    world_init_ring(&w, 24, 6, 4, 71);
    assert_true(run_keys(&w));
    w.opening[31] ^= 1;
    assert_int_equal(give_roll(&w, 0, NULL), MIEN_EAUTH);
    assert_int_equal(give_roster(&w, 0, NULL), MIEN_ESTATE);
    world_fini(&w);
    world_init_ring(&w, 24, 6, 4, 71);
    w.opening[31] ^= 1;
    assert_false(run_keys(&w));
    world_fini(&w);
}

/* Bytes of masked vectors, all members' vectors zero: 24 x 37 residues of 20 bits, as their low
 * 16 bits, 1,776 bytes a session, 20 sessions. Chi-square with 255 degrees of freedom: above 377
 * with probability 1e-6; the seeds are fixed. */
static void masked_vectors_look_uniform(void **state)
{
    (void)state;
    uint32_t seen[256] = {0};
    uint32_t n_seen = 0;
    double chi = 0.0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w;

        world_init_ring(&w, 24, 6, 4, 800 + seed);
        assert_true(run_keys(&w) && run_shares(&w));
        for (uint32_t i = 0; i < w.n; i++) {
            uint32_t masked[DIM] = {0};

            deliver_to(&w, i);
            assert_int_equal(mien_secagg_device_mask(w.device[i], masked), MIEN_OK);
            for (uint32_t j = 0; j < DIM; j++) {
                seen[masked[j] & 0xff]++;
                seen[masked[j] >> 8 & 0xff]++;
                n_seen += 2;
            }
        }
        world_fini(&w);
    }
    for (uint32_t i = 0; i < 256; i++) {
        const double over = seen[i] - n_seen / 256.0;

        chi += over * over / (n_seen / 256.0);
    }
    assert_true(chi < 377.0 && chi > 150.0);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_mutual_different_and_k),
        cmocka_unit_test(a_random_beacon_makes_a_random_ring),
        cmocka_unit_test(another_list_of_neighbours_is_refused),
        cmocka_unit_test(another_opening_is_refused_by_both_sides),
        cmocka_unit_test(masked_vectors_look_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
