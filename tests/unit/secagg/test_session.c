// SPDX-License-Identifier: Apache-2.0
/* Whole sessions between real device cores and the coordinator core, with members leaving at every
 * step, and parties that do not keep to the protocol. */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/coordinator.h"
#include "common/secagg/device.h"
#include "common/secagg/mask.h"
#include "tests/support/test.h"

#include <string.h>

#define MAX_N 24
#define DIM 37
#define BITS 20

enum leave { STAYS, BEFORE_KEYS, BEFORE_SHARES, BEFORE_INPUT, BEFORE_REVEAL };

struct world {
    struct mien_rng_seeded *seeded;
    struct mien_rng rng;
    uint32_t n;
    uint8_t ca_seed[32];
    uint8_t identity_seed[MAX_N][32];
    uint8_t identity[MAX_N][32];
    uint8_t credential[MAX_N][MIEN_CREDENTIAL_BYTES];
    struct mien_session session;
    struct mien_secagg_device *device[MAX_N];
    struct mien_secagg_sum *sum;
    enum leave leaves[MAX_N];
    int32_t vector[MAX_N][DIM];
};

static void world_init(struct world *w, uint32_t n, uint64_t seed)
{
    uint8_t ids[MAX_N * MIEN_DEVICE_ID_BYTES];
    uint8_t ca_key[32];

    memset(w, 0, sizeof(*w));
    assert_int_equal(mien_rng_seeded_new(seed, 0, &w->seeded), MIEN_OK);
    w->rng = mien_rng_seeded_handle(w->seeded);
    w->n = n;
    assert_int_equal(mien_rng_fill(&w->rng, w->ca_seed, 32), MIEN_OK);
    assert_int_equal(mien_ed25519_public(w->ca_seed, ca_key), MIEN_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_credential who = {.not_after = 1000};

        assert_int_equal(mien_rng_fill(&w->rng, w->identity_seed[i], 32), MIEN_OK);
        assert_int_equal(mien_ed25519_public(w->identity_seed[i], w->identity[i]), MIEN_OK);
        who.device_id[0] = (uint8_t)i;
        who.unit_digest[0] = (uint8_t)i;
        memcpy(who.key, w->identity[i], 32);
        memcpy(ids + i * MIEN_DEVICE_ID_BYTES, who.device_id, MIEN_DEVICE_ID_BYTES);
        assert_int_equal(mien_credential_issue(&who, w->ca_seed, w->credential[i]), MIEN_OK);
        for (uint32_t j = 0; j < DIM; j++)
            w->vector[i][j] = (int32_t)mien_rng_seeded_below(w->seeded, 20001) - 10000;
    }
    w->session = (struct mien_session){
        .round = 3, .n = n, .t = mien_session_threshold(n), .dim = DIM, .bits = BITS};
    assert_int_equal(
        mien_digest((struct mien_span){ids, n * MIEN_DEVICE_ID_BYTES}, w->session.members_digest),
        MIEN_OK);
    assert_int_equal(mien_secagg_sum_new(&w->session, &w->sum), MIEN_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_secagg_device_config config = {
            .session = w->session, .index = i, .now = 500, .min_members = 2};

        memcpy(config.device_key, w->identity_seed[i], 32);
        memcpy(config.ca_key, ca_key, 32);
        memcpy(config.credential, w->credential[i], MIEN_CREDENTIAL_BYTES);
        assert_int_equal(mien_secagg_device_new(&config, &w->rng, &w->device[i], NULL), MIEN_OK);
    }
}

static void world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        mien_secagg_device_free(w->device[i]);
    mien_secagg_sum_free(w->sum);
    mien_rng_seeded_free(w->seeded);
}

static enum mien_status give_roster(struct world *w, uint32_t to, struct mien_err *err)
{
    for (uint32_t i = 0; i < w->n; i++) {
        const struct mien_session_keys *keys = mien_secagg_sum_roster(w->sum, i);
        struct mien_span credential = {w->credential[i], MIEN_CREDENTIAL_BYTES};

        if (keys == NULL)
            continue;
        enum mien_status status =
            mien_secagg_device_roster(w->device[to], i, credential, keys, err);
        if (status != MIEN_OK)
            return status;
    }
    return mien_secagg_device_roster_end(w->device[to], &w->rng, err);
}

/* Keys from all that stay so long; false when too few. */
static bool run_keys(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        struct mien_session_keys keys;

        if (w->leaves[i] == BEFORE_KEYS)
            continue;
        mien_secagg_device_keys(w->device[i], &keys);
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->identity[i], &keys, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_sum_keys(w->sum, i, w->identity[i], &keys, NULL), MIEN_ESTATE);
    }
    return mien_secagg_sum_close_keys(w->sum) == MIEN_OK;
}

static bool takes_part(const struct world *w, uint32_t i, enum leave step)
{
    return w->leaves[i] == STAYS || w->leaves[i] > step;
}

static bool run_shares(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (!takes_part(w, i, BEFORE_SHARES))
            continue;
        assert_int_equal(give_roster(w, i, NULL), MIEN_OK);
        for (uint32_t to = 0; to < w->n; to++) {
            uint8_t sealed[MIEN_SEALED_SHARES_BYTES];
            bool has = false;

            assert_int_equal(mien_secagg_device_shares(w->device[i], to, sealed, &has), MIEN_OK);
            if (has)
                assert_int_equal(mien_secagg_sum_shares(w->sum, i, to,
                                                        (struct mien_span){sealed, sizeof(sealed)}),
                                 MIEN_OK);
        }
        assert_true(mien_secagg_sum_shared(w->sum, i));
    }
    return mien_secagg_sum_close_shares(w->sum) == MIEN_OK;
}

static void deliver_to(struct world *w, uint32_t to)
{
    for (uint32_t from = 0; from < w->n; from++) {
        const uint8_t *sealed = mien_secagg_sum_delivery(w->sum, from, to);

        if (sealed != NULL)
            assert_int_equal(mien_secagg_device_deliver(
                                 w->device[to], from,
                                 (struct mien_span){sealed, MIEN_SEALED_SHARES_BYTES}, NULL),
                             MIEN_OK);
    }
    assert_int_equal(mien_secagg_device_deliver_end(w->device[to], NULL), MIEN_OK);
}

/* Vectors of all that stay so long; fixes the survivors. */
static bool run_inputs(struct world *w, uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t root[32])
{
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t masked[DIM];
        uint8_t packed[(DIM * BITS + 7) / 8];

        if (!takes_part(w, i, BEFORE_SHARES))
            continue;
        deliver_to(w, i);
        memcpy(masked, w->vector[i], sizeof(masked));
        assert_int_equal(mien_secagg_device_mask(w->device[i], masked), MIEN_OK);
        if (!takes_part(w, i, BEFORE_INPUT))
            continue;
        mien_pack(masked, DIM, BITS, packed);
        const struct mien_span span = {packed, sizeof(packed)};
        assert_int_equal(
            mien_secagg_sum_input(w->sum, i, (struct mien_span){packed, sizeof(packed) - 1}),
            MIEN_EPARSE);
        assert_int_equal(mien_secagg_sum_input(w->sum, i, span), MIEN_OK);
        assert_int_equal(mien_secagg_sum_input(w->sum, i, span), MIEN_ESTATE);
    }
    return mien_secagg_sum_close_inputs(w->sum, bitmap, root) == MIEN_OK;
}

static void reveal_from(struct world *w, uint32_t from, uint32_t flipped)
{
    for (uint32_t of = 0; of < w->n; of++) {
        uint8_t share[MIEN_SHARE_BYTES];
        bool survived = false;
        bool has = false;

        assert_int_equal(mien_secagg_device_reveal(w->device[from], of, &survived, share, &has),
                         MIEN_OK);
        if (!has)
            continue;
        if (of == flipped)
            share[MIEN_SHARE_BYTES - 1] ^= 1;
        const struct mien_span span = {share, sizeof(share)};
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, !survived, span), MIEN_EAUTH);
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, survived, span), MIEN_OK);
        assert_int_equal(mien_secagg_sum_reveal(w->sum, from, of, survived, span), MIEN_EPARSE);
    }
}

static void run_reveals(struct world *w, const uint8_t *bitmap, const uint8_t *root)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->leaves[i] != STAYS)
            continue;
        assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_device_survivors(w->device[i], bitmap, root, NULL),
                         MIEN_ESTATE);
        reveal_from(w, i, UINT32_MAX);
    }
}

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
        assert_int_equal(mien_secagg_sum_unmask(w->sum, total, &blamed), MIEN_ESTATE);
        return;
    }
    assert_int_equal(mien_secagg_sum_unmask(w->sum, total, &blamed), MIEN_OK);
    assert_int_equal(blamed, UINT32_MAX);
    assert_sum_is_the_survivors(w, total);
    assert_int_equal(mien_secagg_sum_unmask(w->sum, total, &blamed), MIEN_ESTATE);
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
    assert_int_equal(mien_secagg_sum_unmask(w.sum, total, &blamed), MIEN_OK);
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
    assert_int_equal(mien_secagg_sum_unmask(w.sum, total, &blamed), MIEN_ECORRUPT);
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
