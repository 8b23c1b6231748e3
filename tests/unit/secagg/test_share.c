// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/rebuild.h"
#include "tests/support/test.h"

#include <string.h>

#define P ((UINT64_C(1) << 61) - 1)

static struct mien_rng_seeded *seeded;
static struct mien_rng rng;

static int setup(void **state)
{
    (void)state;
    if (mien_rng_seeded_new(17, 0, &seeded) != MIEN_OK)
        return -1;
    rng = mien_rng_seeded_handle(seeded);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mien_rng_seeded_free(seeded);
    return mien_mem_live() == 0 ? 0 : -1;
}

/* Members 0, 1, 2, ... */
static const uint32_t *everybody(void)
{
    static uint32_t index[64];

    for (uint32_t i = 0; i < 64; i++)
        index[i] = i;
    return index;
}

/* By hand: through (1, 3), (2, 5) and (3, 7) goes 2x + 1. Weights at zero for x = 1, 2, 3 are 3, -3
 * and 1; for x = 1, 3 they are 3/2 and -1/2, and 1/2 mod 2^61 - 1 is 2^60. */
static void weights_are_those_found_by_hand(void **state)
{
    (void)state;
    uint64_t weight[3];

    assert_int_equal(mien_share_weights((const uint32_t[]){0, 1, 2}, 3, weight), MIEN_OK);
    assert_true(weight[0] == 3 && weight[1] == P - 3 && weight[2] == 1);
    assert_int_equal(mien_share_weights((const uint32_t[]){0, 2}, 2, weight), MIEN_OK);
    assert_true(weight[0] == (UINT64_C(1) << 60) + 1 && weight[1] == P - (UINT64_C(1) << 60));
    assert_int_equal(mien_share_weights((const uint32_t[]){1, 1}, 2, weight), MIEN_EINVAL);
    assert_int_equal(mien_share_weights((const uint32_t[]){1}, 0, weight), MIEN_EINVAL);
}

static enum mien_status fill_zeros(void *self, void *out, size_t n)
{
    (void)self;
    memset(out, 0, n);
    return MIEN_OK;
}

/* All coefficients but the secret are zero, so every share is the secret's limbs. */
static void limbs_are_seed_and_check(void **state)
{
    (void)state;
    struct mien_rng zeros = {.fill = fill_zeros};
    struct mien_share shares[2];
    uint8_t seed[MIEN_SEED_BYTES];

    for (int i = 0; i < MIEN_SEED_BYTES; i++)
        seed[i] = (uint8_t)i;
    assert_int_equal(mien_share_split(seed, everybody(), 2, 2, &zeros, shares), MIEN_OK);
    const uint64_t *limb = shares[1].limb;
    assert_true((limb[0] & ((UINT64_C(1) << 43) - 1)) == UINT64_C(0x0001020304050607) >> 21);
    assert_true((limb[2] & ((UINT64_C(1) << 42) - 1)) ==
                (UINT64_C(0x08090a0b0c0d0e0f) & ((UINT64_C(1) << 42) - 1)));
    /* The first 52 bits of Python's hashlib.sha256(b'mien seed check v1\0' + bytes(range(16))). */
    const uint64_t check = UINT64_C(0xa8f65f6de011c);
    assert_true(limb[0] >> 43 == check >> 35);
    assert_true(limb[1] >> 43 == (check >> 18 & 0x1ffff));
    assert_true(limb[2] >> 42 == (check & 0x3ffff));
}

/* A random subset of t of n. */
static void draw_subset(uint32_t n, uint32_t t, uint32_t *out)
{
    uint32_t all[64];

    for (uint32_t i = 0; i < n; i++)
        all[i] = i;
    for (uint32_t i = 0; i < t; i++) {
        const uint32_t j = i + (uint32_t)mien_rng_seeded_below(seeded, n - i);
        const uint32_t kept = all[i];

        out[i] = all[j];
        all[j] = kept;
    }
}

static void any_t_shares_give_the_seed_and_fewer_do_not(void **state)
{
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        const uint32_t n = 1 + (uint32_t)mien_rng_seeded_below(seeded, 64);
        const uint32_t t = 1 + (uint32_t)mien_rng_seeded_below(seeded, n);
        uint8_t seed[MIEN_SEED_BYTES];
        uint8_t joined[MIEN_SEED_BYTES] = {0};
        uint32_t index[64];
        uint64_t weight[64];
        struct mien_share all[64];
        struct mien_share some[64];

        assert_int_equal(mien_rng_fill(&rng, seed, sizeof(seed)), MIEN_OK);
        assert_int_equal(mien_share_split(seed, everybody(), n, t, &rng, all), MIEN_OK);
        draw_subset(n, t, index);
        for (uint32_t i = 0; i < t; i++)
            some[i] = all[index[i]];
        assert_int_equal(mien_share_weights(index, t, weight), MIEN_OK);
        assert_int_equal(mien_share_join(weight, some, t, joined), MIEN_OK);
        assert_memory_equal(seed, joined, sizeof(seed));
        if (t == 1)
            continue;
        assert_int_equal(mien_share_weights(index, t - 1, weight), MIEN_OK);
        assert_int_equal(mien_share_join(weight, some, t - 1, joined), MIEN_ECORRUPT);
    }
    assert_int_equal(mien_share_split((const uint8_t[16]){0}, everybody(), 3, 4, &rng, NULL),
                     MIEN_EINVAL);
    assert_int_equal(mien_share_split((const uint8_t[16]){0}, everybody(), 3, 0, &rng, NULL),
                     MIEN_EINVAL);
}

static void a_share_has_one_spelling(void **state)
{
    (void)state;
    const struct mien_share share = {.limb = {0, P - 1, 7}};
    struct mien_share again;
    uint8_t bytes[MIEN_SHARE_BYTES];

    mien_share_encode(&share, bytes);
    assert_int_equal(mien_share_decode(bytes, &again), MIEN_OK);
    assert_memory_equal(&share, &again, sizeof(share));
    for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++) {
        mien_share_encode(&share, bytes);
        mien_store_be64(bytes + 8 * limb, P); /* zero in other words */
        assert_int_equal(mien_share_decode(bytes, &again), MIEN_EPARSE);
        mien_store_be64(bytes + 8 * limb, UINT64_MAX);
        assert_int_equal(mien_share_decode(bytes, &again), MIEN_EPARSE);
    }
}

#define N 9
#define T 7

static void deal(const uint8_t seed[MIEN_SEED_BYTES], struct mien_share shares[N])
{
    assert_int_equal(mien_share_split(seed, everybody(), N, T, &rng, shares), MIEN_OK);
}

static void one_wrong_share_is_found_with_one_to_spare(void **state)
{
    (void)state;
    const uint8_t seed[MIEN_SEED_BYTES] = "sixteen bytes ..";

    for (uint32_t place = 0; place < N - 1; place++) {
        for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++) {
            static struct mien_rebuild rebuild;
            struct mien_share shares[N];
            const struct mien_rebuild_shares all_but_last = {N - 1, everybody(), shares};
            uint8_t out[MIEN_SEED_BYTES];
            bool wrong[N];

            mien_rebuild_init(&rebuild, T);
            deal(seed, shares);
            shares[place].limb[limb] ^= 1;
            assert_int_equal(mien_rebuild_seed(&rebuild, &all_but_last, out, wrong), MIEN_OK);
            assert_memory_equal(out, seed, sizeof(seed));
            for (uint32_t i = 0; i < N - 1; i++)
                assert_int_equal(wrong[i], i == place);
            mien_rebuild_fini(&rebuild);
        }
    }
}

static void a_wrong_share_without_a_spare_is_an_error(void **state)
{
    (void)state;
    static struct mien_rebuild rebuild;
    struct mien_share shares[N];
    struct mien_rebuild_shares some = {T, everybody(), shares};
    uint8_t out[MIEN_SEED_BYTES];
    bool wrong[N];

    mien_rebuild_init(&rebuild, T);
    deal((const uint8_t[16]){1}, shares);
    shares[3].limb[2] = (shares[3].limb[2] + 1) % P;
    assert_int_equal(mien_rebuild_seed(&rebuild, &some, out, wrong), MIEN_ECORRUPT);
    for (uint32_t i = 0; i < T; i++)
        assert_false(wrong[i]);
    some.n = T - 1;
    assert_int_equal(mien_rebuild_seed(&rebuild, &some, out, wrong), MIEN_ECORRUPT);
    mien_rebuild_fini(&rebuild);
}

/* A secret that some of its holders lie about. */
struct lied {
    uint32_t n;
    uint32_t t;
    uint32_t n_liars;
    uint8_t seed[MIEN_SEED_BYTES];
    uint32_t index[64];
    struct mien_share share[64];
    bool lies[64];
};

/* What a liar says: another number, the neighbour's, one off, or one wrong limb of three. */
static void lie(struct lied *l, uint32_t i)
{
    const uint64_t kind = mien_rng_seeded_below(seeded, 4);
    struct mien_share *share = &l->share[i];

    l->lies[i] = true;
    if (kind == 0) {
        for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++)
            share->limb[limb] = (share->limb[limb] + 1 + mien_rng_seeded_below(seeded, P - 1)) % P;
    } else if (kind == 1) {
        share->limb[mien_rng_seeded_below(seeded, MIEN_SHARE_LIMBS)] ^= 2;
    } else if (kind == 2) {
        share->limb[0] = (share->limb[0] + 1) % P;
        share->limb[2] = (share->limb[2] + P - 1) % P;
    } else {
        for (int limb = 0; limb < MIEN_SHARE_LIMBS; limb++)
            share->limb[limb] = (share->limb[limb] + 17) % P; /* all of this kind agree */
    }
}

static void draw_lied(struct lied *l, uint32_t n, uint32_t t, uint32_t n_liars)
{
    struct mien_share all[64];
    uint32_t liars[64];

    memset(l, 0, sizeof(*l));
    l->n = n;
    l->t = t;
    l->n_liars = n_liars;
    assert_int_equal(mien_rng_fill(&rng, l->seed, sizeof(l->seed)), MIEN_OK);
    assert_int_equal(mien_share_split(l->seed, everybody(), 64, t, &rng, all), MIEN_OK);
    draw_subset(64, n, l->index);
    for (uint32_t i = 0; i < n; i++)
        l->share[i] = all[l->index[i]];
    draw_subset(n, n_liars, liars);
    for (uint32_t i = 0; i < n_liars; i++)
        lie(l, liars[i]);
}

static void half_of_the_spare_shares_may_be_wrong_and_all_who_lied_are_named(void **state)
{
    (void)state;
    static struct mien_rebuild rebuild;

    for (int trial = 0; trial < 600; trial++) {
        struct lied l;
        const uint32_t t = 1 + (uint32_t)mien_rng_seeded_below(seeded, 48);
        const uint32_t n = t + (uint32_t)mien_rng_seeded_below(seeded, 65 - t);
        const uint32_t most = n - t == 1 ? 1 : (n - t) / 2;
        const struct mien_rebuild_shares shares = {n, l.index, l.share};
        uint8_t out[MIEN_SEED_BYTES];
        bool wrong[64];

        /* To the bound in every third trial, below it in the others. */
        draw_lied(&l, n, t,
                  trial % 3 == 0 ? most : (uint32_t)mien_rng_seeded_below(seeded, most + 1));
        mien_rebuild_init(&rebuild, t);
        assert_int_equal(mien_rebuild_seed(&rebuild, &shares, out, wrong), MIEN_OK);
        assert_memory_equal(out, l.seed, sizeof(out));
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(wrong[i], l.lies[i]);
    }
    mien_rebuild_fini(&rebuild);
}

/* One more, up to all of them: what comes out is the seed (they may be wrong in different limbs, of
 * which each stands for itself) or nothing, never another seed. */
static void with_more_wrong_shares_the_seed_is_right_or_there_is_none(void **state)
{
    (void)state;
    static struct mien_rebuild rebuild;
    uint32_t n_refused = 0;

    for (int trial = 0; trial < 600; trial++) {
        struct lied l;
        const uint32_t t = 2 + (uint32_t)mien_rng_seeded_below(seeded, 40);
        const uint32_t n = t + (uint32_t)mien_rng_seeded_below(seeded, 65 - t);
        const uint32_t more = (n - t == 1 ? 1 : (n - t) / 2) + 1;
        const struct mien_rebuild_shares shares = {n, l.index, l.share};
        uint8_t out[MIEN_SEED_BYTES];
        bool wrong[64];

        draw_lied(&l, n, t,
                  trial % 2 == 0 ? more
                                 : more + (uint32_t)mien_rng_seeded_below(seeded, n - more + 1));
        mien_rebuild_init(&rebuild, t);
        const enum mien_status status = mien_rebuild_seed(&rebuild, &shares, out, wrong);
        assert_true(status == MIEN_OK || status == MIEN_ECORRUPT);
        if (status == MIEN_OK)
            assert_memory_equal(out, l.seed, sizeof(out));
        n_refused += status == MIEN_ECORRUPT;
    }
    assert_true(n_refused > 300);
    mien_rebuild_fini(&rebuild);
}

/* Liars that know each other's shares move a secret that they can decode to: the values of another
 * polynomial, which is theirs where it matters. The seed's check refuses it. */
static void liars_who_agree_on_another_secret_are_refused(void **state)
{
    (void)state;
    static struct mien_rebuild rebuild;
    const uint8_t seed[MIEN_SEED_BYTES] = "sixteen bytes ..";
    struct mien_share shares[N];
    const struct mien_rebuild_shares all = {N, everybody(), shares};
    uint8_t out[MIEN_SEED_BYTES];
    bool wrong[N];

    mien_rebuild_init(&rebuild, T);
    deal(seed, shares);
    /* Eight of nine add a constant to their shares of one limb: the ninth is the liar now. */
    for (uint32_t i = 0; i < N - 1; i++)
        shares[i].limb[1] = (shares[i].limb[1] + 5) % P;
    assert_int_equal(mien_rebuild_seed(&rebuild, &all, out, wrong), MIEN_ECORRUPT);
    mien_rebuild_fini(&rebuild);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_found_by_hand),
        cmocka_unit_test(limbs_are_seed_and_check),
        cmocka_unit_test(any_t_shares_give_the_seed_and_fewer_do_not),
        cmocka_unit_test(a_share_has_one_spelling),
        cmocka_unit_test(one_wrong_share_is_found_with_one_to_spare),
        cmocka_unit_test(a_wrong_share_without_a_spare_is_an_error),
        cmocka_unit_test(half_of_the_spare_shares_may_be_wrong_and_all_who_lied_are_named),
        cmocka_unit_test(with_more_wrong_shares_the_seed_is_right_or_there_is_none),
        cmocka_unit_test(liars_who_agree_on_another_secret_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
