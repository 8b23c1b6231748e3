// SPDX-License-Identifier: Apache-2.0
/* Members and coordinators that do not keep to the protocol. */
#include "common/secagg/channel.h"
#include "tests/unit/secagg/world.h"

/* Member i's signature under keys that it chose. */
static void sign_keys(const struct world *w, uint32_t i, struct mien_session_keys *keys)
{
    uint8_t statement[MIEN_KEYS_STATEMENT_BYTES];

    mien_session_keys_statement(mien_secagg_sum_session_id(w->sum), i, keys, statement);
    assert_int_equal(mien_ed25519_sign(w->identity_seed[i],
                                       (struct mien_span){statement, sizeof(statement)},
                                       keys->signature),
                     MIEN_OK);
}

/* Device 0 is shown everybody as they are, but for member 3 with these keys and credential, by a
 * coordinator that makes a roll to match. */
static enum mien_status show_member_3(struct world *w, const struct mien_session_keys *keys)
{
    uint8_t roll[MAX_N * MIEN_ROLL_ENTRY_BYTES];
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < w->n; i++) {
        uint8_t *entry = roll + i * MIEN_ROLL_ENTRY_BYTES;
        struct mien_session_keys own;

        mien_secagg_device_keys(w->device[i], &own);
        memcpy(entry, w->tags + i * MIEN_ROLL_TAG_BYTES, MIEN_ROLL_TAG_BYTES);
        assert_int_equal(mien_session_entry(mien_secagg_sum_session_id(w->sum), i, w->credential[i],
                                            i == 3 ? keys : &own, entry + MIEN_ROLL_TAG_BYTES),
                         MIEN_OK);
    }
    assert_int_equal(mien_secagg_device_roll(w->device[0],
                                             (struct mien_span){roll, w->n * MIEN_ROLL_ENTRY_BYTES},
                                             NULL),
                     MIEN_OK);
    assert_int_equal(mien_secagg_device_roll_end(w->device[0], w->opening, NULL), MIEN_OK);
    for (uint32_t i = 0; i <= 3 && status == MIEN_OK; i++) {
        struct mien_session_keys own;

        mien_secagg_device_keys(w->device[i], &own);
        status = mien_secagg_device_roster(w->device[0], i, credential_of(w, i),
                                           i == 3 ? keys : &own, NULL);
    }
    return status;
}

static void signed_keys_that_would_harm_others_are_refused_by_both_sides(void **state)
{
    (void)state;
    enum { LOW_MASK, LOW_CHANNEL, HIGH_BIT, MIRRORED, SWAPPED_ROLE, SAME_TWICE, N_TRICKS };
    for (int trick = 0; trick < N_TRICKS; trick++) {
        struct world w;
        struct mien_session_keys keys;
        struct mien_session_keys first;

        world_init(&w, 5, 21);
        mien_secagg_device_keys(w.device[0], &first);
        mien_secagg_device_keys(w.device[3], &keys);
        if (trick == LOW_MASK)
            memset(keys.mask_pk, 0, 32);
        if (trick == LOW_CHANNEL)
            memset(keys.channel_pk, 0, 32);
        if (trick == HIGH_BIT)
            keys.mask_pk[31] |= 0x80;
        if (trick == MIRRORED)
            memcpy(keys.mask_pk, first.mask_pk, 32);
        if (trick == SWAPPED_ROLE)
            memcpy(keys.mask_pk, first.channel_pk, 32);
        if (trick == SAME_TWICE)
            memcpy(keys.mask_pk, keys.channel_pk, 32);
        sign_keys(&w, 3, &keys);
        assert_int_equal(mien_secagg_sum_keys(w.sum, 0, w.credential[0], &first, NULL), MIEN_OK);
        assert_int_equal(mien_secagg_sum_keys(w.sum, 3, w.credential[3], &keys, NULL), MIEN_EAUTH);
        assert_null(mien_secagg_sum_roster(w.sum, 3));
        assert_int_equal(show_member_3(&w, &keys), MIEN_EAUTH);
        world_fini(&w);
    }
}

static void keys_of_another_session_or_place_are_refused(void **state)
{
    (void)state;
    for (int trick = 0; trick < 2; trick++) {
        struct world w;
        struct world other;
        struct mien_session_keys keys;

        world_init(&w, 5, 22);
        world_init(&other, 4 + (uint32_t)trick, 22 + (uint64_t)trick);
        /* The same people in another session; or in this one, at another place. */
        mien_secagg_device_keys(trick == 0 ? other.device[3] : w.device[2], &keys);
        assert_int_equal(mien_secagg_sum_keys(w.sum, 3, w.credential[3], &keys, NULL), MIEN_EAUTH);
        assert_int_equal(show_member_3(&w, &keys), MIEN_EAUTH);
        world_fini(&w);
        world_fini(&other);
    }
}

/* Member 3 shows the credential of member 1's device, issued again for member 3's unit; or its own,
 * for member 1's unit. */
static void several_devices_of_one_unit_are_refused(void **state)
{
    (void)state;
    for (int trick = 0; trick < 2; trick++) {
        struct world w;
        struct mien_credential who;
        struct mien_credential first;
        struct mien_session_keys keys;

        world_init(&w, 5, 23);
        mien_credential_read(w.credential[3], &who);
        mien_credential_read(w.credential[1], &first);
        if (trick == 0)
            memcpy(who.device_id, first.device_id, sizeof(who.device_id));
        else
            memcpy(who.unit_digest, first.unit_digest, sizeof(who.unit_digest));
        assert_int_equal(mien_credential_issue(&who, w.ca_seed, w.credential[3]), MIEN_OK);
        mien_secagg_device_keys(w.device[3], &keys);
        assert_int_equal(show_member_3(&w, &keys), MIEN_EAUTH);
        if (trick == 1)
            assert_int_equal(mien_secagg_sum_keys(w.sum, 3, w.credential[3], &keys, NULL),
                             MIEN_EAUTH);
        world_fini(&w);
    }
}

static void expired_and_foreign_credentials_are_refused(void **state)
{
    (void)state;
    struct mien_credential who = {.not_after = 1000};
    struct mien_credential out;
    const uint8_t ca_seed[32] = {1};
    const uint8_t other_seed[32] = {2};
    uint8_t ca_key[32];
    uint8_t bytes[MIEN_CREDENTIAL_BYTES];
    const struct mien_span span = {bytes, sizeof(bytes)};

    assert_int_equal(mien_ed25519_public(ca_seed, ca_key), MIEN_OK);
    assert_int_equal(mien_credential_issue(&who, ca_seed, bytes), MIEN_OK);
    assert_int_equal(mien_credential_verify(span, ca_key, 1000, &out, NULL), MIEN_OK);
    assert_int_equal(mien_credential_verify(span, ca_key, 0, &out, NULL), MIEN_OK);
    assert_int_equal(mien_credential_verify(span, ca_key, 1001, &out, NULL), MIEN_EEXPIRED);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        assert_int_equal(mien_credential_verify(span, ca_key, 500, &out, NULL),
                         i == 0 ? MIEN_EPARSE : MIEN_EAUTH);
        bytes[i] ^= 1;
    }
    assert_int_equal(mien_credential_verify((struct mien_span){bytes, sizeof(bytes) - 1}, ca_key,
                                            500, &out, NULL),
                     MIEN_EPARSE);
    assert_int_equal(mien_credential_issue(&who, other_seed, bytes), MIEN_OK);
    assert_int_equal(mien_credential_verify(span, ca_key, 500, &out, NULL), MIEN_EAUTH);
}

/* Member 4 deals shares of a seed that is not its key's, then leaves: nobody could take its masks
 * off, and it is known who did that. */
static void who_deals_another_seed_is_blamed(void **state)
{
    (void)state;
    struct world w;
    const uint8_t sk[2][32] = {{8}, {16}};
    const uint8_t seed[MIEN_SEED_BYTES] = {3};
    struct mien_session_keys keys;
    struct mien_share shares[7];
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    struct mien_secagg_blame blame;

    world_init(&w, 7, 24);
    w.leaves[4] = BEFORE_KEYS;
    assert_int_equal(mien_x25519_public(sk[0], keys.mask_pk), MIEN_OK);
    assert_int_equal(mien_x25519_public(sk[1], keys.channel_pk), MIEN_OK);
    sign_keys(&w, 4, &keys);
    assert_int_equal(mien_secagg_sum_keys(w.sum, 4, w.credential[4], &keys, NULL), MIEN_OK);
    assert_true(run_keys(&w));
    assert_int_equal(mien_share_split(seed, (const uint32_t[]){0, 1, 2, 3, 4, 5, 6}, 7, w.session.t,
                                      &w.rng, shares),
                     MIEN_OK);
    for (uint32_t to = 0; to < 7; to++) {
        uint8_t shared[MIEN_KEY_BYTES];
        const struct mien_channel channel = {shared,
                                             mien_secagg_sum_session_id(w.sum),
                                             {4, w.credential[4] + 1},
                                             {to, w.credential[to] + 1}};
        const struct mien_channel_shares pair = {shares[to], shares[to]};
        uint8_t sealed[MIEN_SEALED_SHARES_BYTES];

        if (to == 4)
            continue;
        assert_int_equal(
            mien_x25519_shared(sk[1], mien_secagg_sum_roster(w.sum, to)->channel_pk, shared),
            MIEN_OK);
        assert_int_equal(mien_channel_seal(&channel, &pair, sealed), MIEN_OK);
        assert_int_equal(
            mien_secagg_sum_shares(w.sum, 4, to, (struct mien_span){sealed, sizeof(sealed)}),
            MIEN_OK);
    }
    assert_true(run_shares(&w) && run_inputs(&w, bitmap, root) && run_confirms(&w, bitmap, root));
    run_reveals(&w);
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blame), MIEN_ECORRUPT);
    assert_int_equal(blame.failed, 4);
    world_fini(&w);
}

/* A wrong share of a self-mask seed, which no public key is held against, with none to spare. */
static void a_wrong_self_mask_share_spoils_no_sum_silently(void **state)
{
    (void)state;
    struct world w;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    int64_t total[DIM] = {0};
    struct mien_secagg_blame blame;

    world_init(&w, 6, 25); /* t = 5 */
    w.leaves[2] = BEFORE_REVEAL;
    assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root) &&
                run_confirms(&w, bitmap, root));
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.leaves[i] != STAYS)
            continue;
        assert_int_equal(give_confirmed(&w, i), MIEN_OK);
        reveal_from(&w, i, i == 5 ? 1 : UINT32_MAX);
    }
    assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blame), MIEN_ECORRUPT);
    for (uint32_t j = 0; j < DIM; j++)
        assert_int_equal(total[j], 0);
    world_fini(&w);
}

/* Sums at the modulus' edge: all members at +q, then all at -q. */
static void sums_at_the_bound_do_not_wrap(void **state)
{
    (void)state;
    const int32_t q = ((1 << (BITS - 1)) - 1) / 9;

    for (int sign = -1; sign <= 1; sign += 2) {
        struct world w;
        uint8_t bitmap[MIEN_BITMAP_BYTES];
        uint8_t root[32];
        int64_t total[DIM] = {0};
        struct mien_secagg_blame blame;

        world_init(&w, 9, 26);
        for (uint32_t i = 0; i < w.n; i++) {
            for (uint32_t j = 0; j < DIM; j++)
                w.vector[i][j] = sign * q;
        }
        assert_true(run_keys(&w) && run_shares(&w) && run_inputs(&w, bitmap, root) &&
                    run_confirms(&w, bitmap, root));
        run_reveals(&w);
        assert_int_equal(mien_secagg_sum_unmask(w.sum, NULL, total, &blame), MIEN_OK);
        for (uint32_t j = 0; j < DIM; j++)
            assert_int_equal(total[j], (int64_t)9 * sign * q);
        world_fini(&w);
    }
}

/* Any call at any time with any bytes: a status, never a crash, and a vector never leaves. */
static void poke_device(struct world *w, struct mien_secagg_device *d)
{
    uint8_t bytes[256];
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t out[MIEN_SEALED_SHARES_BYTES];
    uint8_t signature[MIEN_SIGNATURE_BYTES];
    uint32_t vector[DIM] = {0};
    bool has = false;
    bool survived = false;
    const uint32_t index = (uint32_t)mien_rng_seeded_below(w->seeded, 9);
    const struct mien_span span = {bytes, mien_rng_seeded_below(w->seeded, sizeof(bytes))};
    struct mien_session_keys keys;
    enum mien_status status = MIEN_OK;

    assert_int_equal(mien_rng_fill(&w->rng, bytes, sizeof(bytes)), MIEN_OK);
    assert_int_equal(mien_rng_fill(&w->rng, bitmap, sizeof(bitmap)), MIEN_OK);
    memcpy(&keys, bytes, sizeof(keys));
    switch (mien_rng_seeded_below(w->seeded, 12)) {
    case 0:
        status = mien_secagg_device_roster(d, index, span, &keys, NULL);
        break;
    case 1:
        status = mien_secagg_device_roster_end(d, &w->rng, NULL);
        break;
    case 2:
        status = mien_secagg_device_shares(d, index, out, &has);
        break;
    case 3:
        status = mien_secagg_device_deliver(d, index, span, NULL);
        break;
    case 4:
        status = mien_secagg_device_deliver_end(d, NULL);
        break;
    case 5:
        assert_int_equal(mien_secagg_device_mask(d, vector), MIEN_ESTATE);
        return;
    case 6:
        status =
            mien_secagg_device_survivors(d, bitmap, bytes, w->identity_seed[0], signature, NULL);
        break;
    case 7:
        status = mien_secagg_device_roll(d, span, NULL);
        break;
    case 8:
        status = mien_secagg_device_roll_end(d, bytes, NULL);
        break;
    case 9:
        status = mien_secagg_device_confirm(d, index, bytes, NULL);
        break;
    case 10:
        status = mien_secagg_device_confirm_end(d, NULL);
        break;
    default:
        status = mien_secagg_device_reveal(d, index, &survived, out, &has);
        break;
    }
    assert_true(status != MIEN_OK || !has);
}

static void poke_coordinator(struct world *w)
{
    uint8_t bytes[256];
    const uint32_t a = (uint32_t)mien_rng_seeded_below(w->seeded, 9);
    const uint32_t b = (uint32_t)mien_rng_seeded_below(w->seeded, 9);
    const uint64_t exact[3] = {(DIM * BITS + 7) / 8, MIEN_SHARE_BYTES, MIEN_SEALED_SHARES_BYTES};
    const struct mien_span span = {bytes, exact[mien_rng_seeded_below(w->seeded, 3)]};
    struct mien_session_keys keys;

    assert_int_equal(mien_rng_fill(&w->rng, bytes, sizeof(bytes)), MIEN_OK);
    memcpy(&keys, bytes, sizeof(keys));
    assert_true(mien_secagg_sum_keys(w->sum, a, w->credential[0], &keys, NULL) != MIEN_OK);
    if (mien_secagg_sum_shares(w->sum, a, b, span) == MIEN_OK)
        assert_int_equal(span.len, MIEN_SEALED_SHARES_BYTES);
    (void)!mien_secagg_sum_confirm(w->sum, a, bytes);
    if (mien_secagg_sum_reveal(w->sum, a, b, bytes[0] & 1, span) == MIEN_OK)
        assert_int_equal(span.len, MIEN_SHARE_BYTES);
    (void)mien_secagg_sum_delivery(w->sum, a, b);
    (void)mien_secagg_sum_shared(w->sum, a);
}

static void random_calls_with_random_bytes_get_statuses(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world w;
        uint8_t bitmap[MIEN_BITMAP_BYTES];
        uint8_t root[32];
        int64_t total[DIM] = {0};
        struct mien_secagg_blame blame;

        world_init(&w, 8, 1000 + seed);
        const uint64_t stop = mien_rng_seeded_below(w.seeded, 5);
        bool goes_on = stop > 0 && run_keys(&w);
        goes_on = goes_on && stop > 1 && run_shares(&w);
        goes_on = goes_on && stop > 2 && run_inputs(&w, bitmap, root);
        goes_on = goes_on && stop > 3 && run_confirms(&w, bitmap, root);
        for (int i = 0; i < 60; i++) {
            poke_coordinator(&w);
            if (stop < 2) /* run_shares leaves devices that wait for true deliveries */
                poke_device(&w, w.device[mien_rng_seeded_below(w.seeded, w.n)]);
        }
        if (goes_on) {
            /* Random shares are as good as wrong ones. */
            enum mien_status status = mien_secagg_sum_unmask(w.sum, NULL, total, &blame);
            assert_true(status == MIEN_ESTATE || status == MIEN_ECORRUPT);
        }
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_keys_that_would_harm_others_are_refused_by_both_sides),
        cmocka_unit_test(keys_of_another_session_or_place_are_refused),
        cmocka_unit_test(several_devices_of_one_unit_are_refused),
        cmocka_unit_test(expired_and_foreign_credentials_are_refused),
        cmocka_unit_test(who_deals_another_seed_is_blamed),
        cmocka_unit_test(a_wrong_self_mask_share_spoils_no_sum_silently),
        cmocka_unit_test(sums_at_the_bound_do_not_wrap),
        cmocka_unit_test(random_calls_with_random_bytes_get_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
