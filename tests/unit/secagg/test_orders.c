// SPDX-License-Identifier: Apache-2.0
/* Sessions whose messages come in any order, twice, and not at all: each message of each step by
 * itself, members leaving between any two of their own. The sum is that of the survivors, bit by
 * bit, or there is none and the session says so. */
#include "tests/unit/secagg/world.h"

/* One message, or one entry of a list, on its way to the coordinator. */
struct letter {
    uint32_t from;
    uint32_t place; /* of the receiver among the sender's neighbours, or of the secret's owner */
};

#define MAX_LETTERS (2 * MAX_N * MAX_N)

struct post {
    struct letter letter[MAX_LETTERS];
    uint32_t n;
};

static void put(struct post *post, uint32_t from, uint32_t place)
{
    assert_true(post->n < MAX_LETTERS);
    post->letter[post->n++] = (struct letter){from, place};
}

/* Some are sent twice; then all are shuffled. */
static void shuffle(struct world *w, struct post *post)
{
    const uint32_t n = post->n;

    for (uint32_t i = 0; i < n; i++) {
        if (mien_rng_seeded_below(w->seeded, 8) == 0)
            put(post, post->letter[i].from, post->letter[i].place);
    }
    for (uint32_t i = post->n; i > 1; i--) {
        const uint64_t j = mien_rng_seeded_below(w->seeded, i);
        const struct letter kept = post->letter[i - 1];

        post->letter[i - 1] = post->letter[j];
        post->letter[j] = kept;
    }
}

/* Whether a member is there still: each message may be its last one. */
static bool sends(struct world *w, uint32_t i, uint64_t lasts)
{
    if (w->leaves[i] != STAYS)
        return false;
    if (mien_rng_seeded_below(w->seeded, lasts) == 0)
        w->leaves[i] = BEFORE_KEYS; /* when does not matter here, only that it has left */
    return true;
}

static bool keys_in_any_order(struct world *w, struct post *post, uint64_t lasts)
{
    bool came[MAX_N] = {false};

    post->n = 0;
    for (uint32_t i = 0; i < w->n; i++)
        put(post, i, 0);
    shuffle(w, post);
    for (uint32_t i = 0; i < post->n; i++) {
        const uint32_t from = post->letter[i].from;
        struct mien_session_keys keys;

        if (!sends(w, from, lasts))
            continue;
        mien_secagg_device_keys(w->device[from], &keys);
        assert_int_equal(mien_secagg_sum_keys(w->sum, from, w->credential[from], &keys, NULL),
                         came[from] ? MIEN_ESTATE : MIEN_OK);
        came[from] = true;
    }
    return mien_secagg_sum_close_keys(w->sum, w->opening) == MIEN_OK;
}

static bool shares_in_any_order(struct world *w, struct post *post, uint64_t lasts)
{
    static uint8_t sealed[MAX_N][MAX_N][MIEN_SEALED_SHARES_BYTES];
    static bool came[MAX_N][MAX_N];

    memset(came, 0, sizeof(came));
    post->n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->leaves[i] != STAYS)
            continue;
        assert_int_equal(give_roll(w, i, NULL), MIEN_OK);
        if (give_roster(w, i, NULL) != MIEN_OK) {
            w->leaves[i] = BEFORE_SHARES; /* too few neighbours: it gives up */
            continue;
        }
        for (uint32_t place = 0; place < mien_secagg_device_n_peers(w->device[i]); place++) {
            bool has = false;

            assert_int_equal(mien_secagg_device_shares(w->device[i], place, sealed[i][place], &has),
                             MIEN_OK);
            if (has)
                put(post, i, place);
        }
    }
    shuffle(w, post);
    for (uint32_t i = 0; i < post->n; i++) {
        const struct letter *l = &post->letter[i];
        const uint32_t to = mien_secagg_device_peer(w->device[l->from], l->place);

        if (!sends(w, l->from, lasts * w->session.k))
            continue;
        assert_int_equal(mien_secagg_sum_shares(w->sum, l->from, to,
                                                (struct mien_span){sealed[l->from][l->place],
                                                                   MIEN_SEALED_SHARES_BYTES}),
                         came[l->from][l->place] ? MIEN_EPARSE : MIEN_OK);
        came[l->from][l->place] = true;
    }
    return mien_secagg_sum_close_shares(w->sum) == MIEN_OK;
}

/* A member's deliveries in any order; a second copy of one would end its session (test_session.c),
 * and TLS brings none. */
static void deliver_in_any_order(struct world *w, uint32_t to, struct post *post)
{
    post->n = 0;
    for (uint32_t from = 0; from < w->n; from++) {
        if (mien_secagg_sum_delivery(w->sum, from, to) != NULL)
            put(post, from, 0);
    }
    for (uint32_t i = post->n; i > 0; i--) {
        const uint64_t j = mien_rng_seeded_below(w->seeded, i);
        const uint32_t from = post->letter[j].from;

        post->letter[j] = post->letter[i - 1];
        assert_int_equal(mien_secagg_device_deliver(
                             w->device[to], from,
                             (struct mien_span){mien_secagg_sum_delivery(w->sum, from, to),
                                                MIEN_SEALED_SHARES_BYTES},
                             NULL),
                         MIEN_OK);
    }
    assert_int_equal(mien_secagg_device_deliver_end(w->device[to], NULL), MIEN_OK);
}

static bool inputs_in_any_order(struct world *w, struct post *post, uint64_t lasts,
                                uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t root[32], int64_t *want)
{
    static uint8_t packed[MAX_N][(DIM * BITS + 7) / 8];
    bool came[MAX_N] = {false};

    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t masked[DIM];

        if (!mien_secagg_sum_goes_on(w->sum, i) || w->leaves[i] != STAYS)
            continue;
        deliver_in_any_order(w, i, post);
        memcpy(masked, w->vector[i], sizeof(masked));
        assert_int_equal(mien_secagg_device_mask(w->device[i], masked), MIEN_OK);
        mien_pack(masked, DIM, BITS, packed[i]);
    }
    post->n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (mien_secagg_sum_goes_on(w->sum, i) && w->leaves[i] == STAYS)
            put(post, i, 0);
    }
    shuffle(w, post);
    for (uint32_t i = 0; i < post->n; i++) {
        const uint32_t from = post->letter[i].from;

        if (!sends(w, from, lasts))
            continue;
        assert_int_equal(mien_secagg_sum_input(
                             w->sum, from, (struct mien_span){packed[from], sizeof(packed[from])}),
                         came[from] ? MIEN_ESTATE : MIEN_OK);
        for (uint32_t j = 0; j < DIM && !came[from]; j++)
            want[j] += w->vector[from][j];
        came[from] = true;
    }
    return mien_secagg_sum_close_inputs(w->sum, bitmap, root) == MIEN_OK;
}

static bool confirms_in_any_order(struct world *w, struct post *post, uint64_t lasts,
                                  const uint8_t *bitmap, const uint8_t *root)
{
    static uint8_t signature[MAX_N][MIEN_SIGNATURE_BYTES];
    bool came[MAX_N] = {false};

    post->n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (!mien_bitmap_has(bitmap, i) || w->leaves[i] != STAYS)
            continue;
        assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root,
                                                      w->identity_seed[i], signature[i], NULL),
                         MIEN_OK);
        put(post, i, 0);
    }
    shuffle(w, post);
    for (uint32_t i = 0; i < post->n; i++) {
        const uint32_t from = post->letter[i].from;

        if (!sends(w, from, lasts))
            continue;
        assert_int_equal(mien_secagg_sum_confirm(w->sum, from, signature[from]),
                         came[from] ? MIEN_EPARSE : MIEN_OK);
        came[from] = true;
    }
    return mien_secagg_sum_close_confirms(w->sum) == MIEN_OK;
}

/* Entries of REVEAL one by one: a member may leave with half of them said. */
static bool reveals_in_any_order(struct world *w, struct post *post, uint64_t lasts)
{
    static bool came[MAX_N][MAX_N];

    memset(came, 0, sizeof(came));
    post->n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (mien_secagg_sum_confirmation(w->sum, i) == NULL || w->leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(w, i), MIEN_OK);
        for (uint32_t place = 0; place < mien_secagg_device_n_peers(w->device[i]); place++)
            put(post, i, place);
    }
    shuffle(w, post);
    for (uint32_t i = 0; i < post->n; i++) {
        const struct letter *l = &post->letter[i];
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;

        assert_int_equal(
            mien_secagg_device_reveal(w->device[l->from], l->place, &survived, share, &has),
            MIEN_OK);
        if (!has || !sends(w, l->from, lasts * w->session.k))
            continue;
        assert_int_equal(mien_secagg_sum_reveal(
                             w->sum, l->from, mien_secagg_device_peer(w->device[l->from], l->place),
                             survived, (struct mien_span){share, sizeof(share)}),
                         came[l->from][l->place] ? MIEN_EPARSE : MIEN_OK);
        came[l->from][l->place] = true;
    }
    return mien_secagg_sum_ready(w->sum);
}

/* Whether a sum came of it; asserts that it is the right one, or that there is none. */
static bool run_in_any_order(struct world *w, uint64_t lasts)
{
    static struct post post;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t want[DIM] = {0};
    int64_t total[DIM] = {0};
    struct mien_secagg_blame blame;
    const bool summed = keys_in_any_order(w, &post, lasts) &&
                        shares_in_any_order(w, &post, lasts) &&
                        inputs_in_any_order(w, &post, lasts, bitmap, root, want) &&
                        confirms_in_any_order(w, &post, lasts, bitmap, root) &&
                        reveals_in_any_order(w, &post, lasts);

    assert_int_equal(mien_secagg_sum_unmask(w->sum, NULL, total, &blame),
                     summed ? MIEN_OK : MIEN_ESTATE);
    for (uint32_t j = 0; j < DIM; j++)
        assert_int_equal(total[j], summed ? want[j] : 0);
    assert_int_equal(blame.n_wrong, 0);
    return summed;
}

static void the_sum_is_right_whatever_order_messages_come_in(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct world w;
        const uint32_t n = 5 + (uint32_t)seed;

        world_init_ring(&w, n, seed % 2 == 0 ? n - 1 : 4, seed % 2 == 0 ? 2 * n / 3 + 1 : 3,
                        4000 + seed);
        /* Nobody leaves. */
        assert_true(run_in_any_order(&w, UINT32_MAX));
        world_fini(&w);
    }
}

static void members_may_leave_between_any_two_of_their_messages(void **state)
{
    (void)state;
    uint32_t n_sums = 0;
    uint32_t n_without = 0;

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world w;
        const bool ring = seed % 2 == 1;
        const uint32_t n = 8 + (uint32_t)seed % 7;

        world_init_ring(&w, n, ring ? 6 : n - 1, ring ? 4 : 2 * n / 3 + 1, 4100 + seed);
        const bool summed = run_in_any_order(&w, 20 + 20 * (seed % 3));
        n_sums += summed;
        n_without += !summed;
        world_fini(&w);
    }
    assert_true(n_sums >= 8 && n_without >= 4);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_right_whatever_order_messages_come_in),
        cmocka_unit_test(members_may_leave_between_any_two_of_their_messages),
        cmocka_unit_test(nothing_stays_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
