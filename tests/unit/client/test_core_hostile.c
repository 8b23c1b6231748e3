// SPDX-License-Identifier: Apache-2.0
/* A coordinator, or a peer through it, that does not play by the rules. */
#include "group.h"

static struct group g;
static struct scripted *const d = &g.device[0];

static int setup(void **state)
{
    (void)state;
    group_init(&g);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    group_fini(&g);
    assert_int_equal(mien_mem_live(), 0);
    return 0;
}

/* From the start, so that one test can try many lies. */
static void afresh(void)
{
    group_fini(&g);
    group_init(&g);
}

static void to_survivors(void)
{
    group_to_slot(&g, 1);
    for (uint32_t i = 0; i < GROUP_N; i++)
        group_upload(&g, i);
    assert_int_equal(mien_secagg_sum_close_inputs(g.sum, g.bitmap, g.root), MIEN_OK);
}

/* Every device confirmed, device 0 revealed. */
static void to_revealed(void)
{
    to_survivors();
    for (uint32_t i = 0; i < GROUP_N; i++)
        group_confirm(&g, i);
    assert_int_equal(mien_secagg_sum_close_confirms(g.sum), MIEN_OK);
    group_reveal(&g, 0);
}

/* Takes a member out of the set and makes its root anew. */
static struct mien_message survivors_without(uint32_t i)
{
    struct mien_message message = group_survivors(&g);

    message.survivors.bitmap[0] &= (uint8_t) ~(1u << i);
    assert_int_equal(
        mien_session_root(g.session_id, GROUP_N, message.survivors.bitmap, message.survivors.root),
        MIEN_OK);
    return message;
}

static void a_second_survivor_set_gets_nothing(void **state)
{
    (void)state;
    for (int revealed = 0; revealed < 2; revealed++) {
        afresh();
        if (revealed) {
            to_revealed();
        } else {
            to_survivors();
            group_confirm(&g, 0);
        }
        struct mien_message second = survivors_without(3);
        scripted_tell(d, &second);
        scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_PROTOCOL);
        scripted_expect_silence(d);
    }
}

/* The coordinator tells device 0 that everybody survived and the others that device 3 did not: then
 * it needs both sides' shares, and gets neither. */
static void two_survivor_sets_get_no_share_from_anybody(void **state)
{
    (void)state;
    struct mien_message_confirmed_entry signatures[GROUP_N];
    uint8_t signature[GROUP_N][64];

    to_survivors();
    for (uint32_t i = 0; i < GROUP_N - 1; i++) {
        struct mien_message set = i == 0 ? group_survivors(&g) : survivors_without(3);

        scripted_tell(&g.device[i], &set);
        struct mien_message message = scripted_next(&g.device[i], MIEN_FRAME_CONFIRM);
        memcpy(signature[i], message.confirm.signature, 64);
    }
    for (uint32_t i = 0; i < GROUP_N - 1; i++) {
        struct mien_message message = {.type = MIEN_FRAME_CONFIRMED,
                                       .confirmed = {.n_parts = 1, .entries = signatures}};

        memcpy(message.confirmed.session_id, g.session_id, 32);
        for (uint32_t from = 0; from < GROUP_N - 1; from++) {
            if (from == i)
                continue;
            signatures[message.confirmed.n_entries].index = from;
            memcpy(signatures[message.confirmed.n_entries++].signature, signature[from], 64);
        }
        scripted_tell(&g.device[i], &message);
        scripted_expect_refusal(&g.device[i], MIEN_MESSAGE_ERROR_POLICY);
        scripted_expect_silence(&g.device[i]);
    }
}

static void signatures_with_a_lie_get_nothing(void **state)
{
    (void)state;
    for (int lie = 0; lie < 7; lie++) {
        struct mien_message_confirmed_entry entries[GROUP_N];

        afresh();
        to_survivors();
        for (uint32_t i = 0; i < GROUP_N; i++)
            group_confirm(&g, i);
        struct mien_message message = group_confirmed(&g, 0, entries);
        if (lie == 0) { /* two forged of three: one and its own are not enough */
            entries[0].signature[3] ^= 1;
            entries[1].signature[3] ^= 1;
        }
        if (lie == 1) /* too few */
            message.confirmed.n_entries = 1;
        if (lie == 2) { /* one member's for another's */
            memcpy(entries[0].signature, entries[1].signature, 64);
            memcpy(entries[1].signature, entries[2].signature, 64);
        }
        if (lie == 3)
            entries[1] = entries[0]; /* twice */
        if (lie == 4)
            entries[2].index = GROUP_N;
        message.confirmed.session_id[0] ^= lie == 5;
        message.confirmed.part += lie == 6;
        scripted_tell(d, &message);
        struct mien_message error = scripted_next(d, MIEN_FRAME_ERROR);
        assert_true(error.error.sentence[0] != '\0');
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

static void the_same_survivor_set_twice_gets_nothing_either(void **state)
{
    (void)state;
    to_revealed();
    struct mien_message again = group_survivors(&g);
    scripted_tell(d, &again);
    scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_PROTOCOL);
    scripted_expect_silence(d);
}

static void unsound_survivor_sets_get_nothing(void **state)
{
    (void)state;
    for (int lie = 0; lie < 5; lie++) {
        afresh();
        to_survivors();
        struct mien_message message = group_survivors(&g);

        if (lie == 0)
            message = survivors_without(0); /* itself */
        if (lie == 1) {                     /* too few to reach the threshold */
            memset(message.survivors.bitmap, 0, sizeof(message.survivors.bitmap));
            message.survivors.bitmap[0] = 3;
            assert_int_equal(mien_session_root(g.session_id, GROUP_N, message.survivors.bitmap,
                                               message.survivors.root),
                             MIEN_OK);
        }
        if (lie == 2)
            message.survivors.root[0] ^= 1;
        if (lie == 3)
            message.survivors.n = GROUP_N - 1;
        if (lie == 4)
            message.survivors.session_id[0] ^= 1;
        scripted_tell(d, &message);
        struct mien_message error = scripted_next(d, MIEN_FRAME_ERROR);
        assert_true(error.error.sentence[0] != '\0');
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

/* Computes the id for a session that was changed, so that only the change is wrong. */
static struct mien_message changed_session(int lie)
{
    struct mien_session *a = &g.session;

    a->round += lie == 0;
    a->attempt += lie == 1;
    a->n -= lie == 2 ? 3 : 0; /* under the plan's smallest group */
    a->n += lie == 3 ? 5 : 0; /* over its largest */
    a->t -= lie == 4;
    a->dim -= lie == 5;
    a->bits -= lie == 6;
    a->purpose += lie == 7;
    a->model_hash[0] ^= lie == 8; /* others were given another model */
    a->plan_hash[0] ^= lie == 9;
    a->run_id[0] ^= lie == 10;
    a->k -= lie == 13; /* fewer neighbours */
    assert_int_equal(mien_session_id(a, g.session_id), MIEN_OK);
    struct mien_message message = group_session(&g, 0);
    message.session.purpose = (enum mien_message_purpose)a->purpose;
    message.session.index += lie == 11 ? a->n : 0;
    message.session.session_id[9] ^= lie == 12;
    return message;
}

static void sessions_that_are_not_of_the_plan_are_refused(void **state)
{
    (void)state;
    for (int lie = 0; lie < 14; lie++) {
        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        struct mien_message message = changed_session(lie);

        scripted_tell(d, &message);
        scripted_expect(d, MIEN_FRAME_ERROR);
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

static void a_group_under_the_hosts_own_limit_is_refused(void **state)
{
    (void)state;
    d->config.limits.min_group = GROUP_N + 1;
    d->plan.group_min = GROUP_N + 1; /* the plan promises it, the session breaks it */
    d->plan.cohort = 2 * GROUP_N;
    d->plan_bytes.len = 0;
    assert_int_equal(mien_plan_encode(&d->plan, &d->plan_bytes), MIEN_OK);
    assert_int_equal(mien_digest(mien_buf_span(&d->plan_bytes), d->plan_hash), MIEN_OK);
    scripted_start(d);
    scripted_check_in(d);
    scripted_train(d, 1, 2);
    group_open(&g, 1, 0);
    struct mien_message begin = group_session(&g, 0);
    scripted_tell(d, &begin);
    scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_PROTOCOL);
}

static void rolls_with_a_lie_are_refused(void **state)
{
    (void)state;
    for (int lie = 0; lie < 11; lie++) {
        uint8_t entries[GROUP_N * MIEN_ROLL_ENTRY_BYTES + MIEN_ROLL_ENTRY_BYTES] = {0};

        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        group_keys(&g);
        struct mien_message roll = group_roll(&g);
        memcpy(entries, roll.roll.entries, GROUP_N * MIEN_ROLL_ENTRY_BYTES);
        roll.roll.entries = entries;
        roll.roll.opening[0] ^= lie == 0; /* not what was committed to */
        entries[0] ^= lie == 1;           /* another unit in its place */
        entries[16] ^= lie == 2;          /* its own keys changed */
        entries[2 * 32 + 1] ^= lie == 3;  /* a member that the session does not have */
        if (lie == 4)                     /* a unit twice */
            memcpy(entries + 2 * 32, entries + 3 * 32, 16);
        if (lie == 5) { /* fewer keys than the threshold */
            memset(entries + 2 * 32 + 16, 0, 16);
            memset(entries + 3 * 32 + 16, 0, 16);
        }
        roll.roll.n_entries -= lie == 6;
        roll.roll.n_entries += lie == 7;
        roll.roll.part += lie == 8;
        roll.roll.session_id[0] ^= lie == 9;
        if (lie == 10) /* without its keys: it would have no neighbours to hold it to */
            memset(entries + 16, 0, 16);
        scripted_tell(d, &roll);
        scripted_expect(d, MIEN_FRAME_ERROR);
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

static void rosters_with_a_lie_are_refused(void **state)
{
    (void)state;
    for (int lie = 0; lie < 9; lie++) {
        struct mien_message_roster_entry entries[GROUP_N];

        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        group_keys(&g);
        group_tell_roll(&g);
        struct mien_message roster = group_roster(&g, entries);
        entries[2].signature[0] ^= lie == 0;
        entries[2].credential[3] ^= lie == 1;
        entries[2].mask_pk[0] ^= lie == 2;
        entries[2].channel_pk[0] ^= lie == 3;
        entries[0].mask_pk[0] ^= lie == 4; /* its own */
        if (lie == 5)
            entries[3] = entries[2]; /* one member twice */
        if (lie == 6) {              /* one member under two indices */
            entries[3] = entries[2];
            entries[3].index = 3;
        }
        roster.roster.n_entries -= lie == 7 ? 2 : 0; /* fewer than the threshold */
        roster.roster.part += lie == 8;
        scripted_tell(d, &roster);
        scripted_expect(d, MIEN_FRAME_ERROR);
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

static void members_under_another_authority_are_refused(void **state)
{
    (void)state;
    struct mien_message_roster_entry entries[GROUP_N];
    struct mien_credential credential;
    const uint8_t other_seed[32] = {42};

    group_ready(&g, 1);
    group_open(&g, 1, 0);
    group_keys(&g);
    group_tell_roll(&g);
    struct mien_message roster = group_roster(&g, entries);
    mien_credential_read(entries[2].credential, &credential);
    assert_int_equal(mien_credential_issue(&credential, other_seed, entries[2].credential),
                     MIEN_OK);
    scripted_tell(d, &roster);
    scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_AUTH);
}

static void deliveries_with_a_lie_are_refused(void **state)
{
    (void)state;
    for (int lie = 0; lie < 5; lie++) {
        struct mien_message_sealed entries[GROUP_N];

        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        group_keys(&g);
        group_tell_roll(&g);
        group_shares(&g);
        struct mien_message deliver = group_delivery(&g, 0, entries);
        entries[1].bytes[5] ^= lie == 0;
        entries[1].len -= lie == 1;
        if (lie == 2)
            entries[1] = entries[0];
        deliver.deliver.n_entries -= lie == 3 ? 2 : 0; /* fewer than the threshold */
        deliver.deliver.session_id[31] ^= lie == 4;
        scripted_tell(d, &deliver);
        scripted_expect(d, MIEN_FRAME_ERROR);
        assert_true(mien_client_core_wish(d->core).close);
        scripted_expect_silence(d);
    }
}

static void steps_that_are_left_out_or_repeated_are_refused(void **state)
{
    (void)state;
    const enum mien_frame_type early[] = {MIEN_FRAME_INPUT_OK, MIEN_FRAME_SURVIVORS,
                                          MIEN_FRAME_SLOT, MIEN_FRAME_ASSIGN};

    for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        group_keys(&g);
        struct mien_message message =
            early[i] == MIEN_FRAME_ASSIGN ? scripted_assign(d, 2, 1, 3) : group_of(&g, early[i]);

        scripted_tell(d, &message);
        scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_PROTOCOL);
    }
    afresh();
    group_to_slot(&g, 1);
    struct mien_message slot = group_of(&g, MIEN_FRAME_SLOT);
    scripted_tell(d, &slot);
    scripted_tell(d, &slot);
    scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_PROTOCOL);
    assert_int_equal(mien_client_core_record(d->core)->n_sent, 0);
}

/* One message of any kind with bytes turned over: what still decodes is handed to the core. */
static void tell_damaged(struct mien_rng_seeded *dice, const struct mien_message *message)
{
    struct mien_buf bytes = {0};
    struct mien_message damaged = {0};

    assert_int_equal(mien_message_encode(message, &bytes), MIEN_OK);
    for (uint64_t n = mien_rng_seeded_below(dice, 4); n > 0; n--) {
        size_t at = 5 + (size_t)mien_rng_seeded_below(dice, bytes.len - 5);

        bytes.data[at] ^= (uint8_t)(1u << mien_rng_seeded_below(dice, 8));
    }
    struct mien_frame frame = {message->type, {bytes.data + 5, bytes.len - 5}};
    if (mien_message_decode(frame, &damaged, NULL) == MIEN_OK)
        assert_int_equal(mien_client_core_receive(d->core, d->now_ms, &damaged), MIEN_OK);
    mien_message_fini(&damaged);
    mien_buf_fini(&bytes);
}

enum { N_KINDS = 12 };

static void tell_any(struct mien_rng_seeded *dice)
{
    struct mien_message_roster_entry entries[GROUP_N] = {0};
    struct mien_message_sealed sealed[GROUP_N] = {0};
    struct mien_message_confirmed_entry signatures[GROUP_N] = {0};
    struct mien_message messages[N_KINDS] = {
        scripted_welcome(d, 2),
        scripted_assign(d, 1 + mien_rng_seeded_below(dice, 3), 1, 2),
        group_session(&g, 0),
        group_of(&g, MIEN_FRAME_SLOT),
        group_of(&g, MIEN_FRAME_INPUT_OK),
        group_survivors(&g),
        {.type = MIEN_FRAME_COME_BACK, .come_back = {1, MIEN_MESSAGE_WAITING}},
        {.type = MIEN_FRAME_CLOSED, .closed = {1, MIEN_MESSAGE_RELEASED, 1, scripted_mark(3)}},
        {.type = MIEN_FRAME_CHUNK,
         .chunk = {MIEN_MESSAGE_PLAN, 0, d->plan_bytes.len, mien_buf_span(&d->plan_bytes)}},
    };

    messages[10] = group_roll(&g);
    messages[11] = group_confirmed(&g, 0, signatures);
    messages[9] = mien_secagg_sum_roster(g.sum, 0) != NULL ? group_roster(&g, entries)
                                                           : group_delivery(&g, 0, sealed);
    tell_damaged(dice, &messages[mien_rng_seeded_below(dice, N_KINDS)]);
}

/* A device at any point of a round gets damaged and misplaced messages, 120 runs from fixed seeds.
 * It must not crash (the sanitised build sees more), and gives one vector an attempt at most. */
static void damaged_and_misplaced_messages_never_get_a_second_vector(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct mien_rng_seeded *dice = NULL;

        assert_int_equal(mien_rng_seeded_new(seed, 99, &dice), MIEN_OK);
        afresh();
        group_ready(&g, 1);
        group_open(&g, 1, 0);
        uint64_t point = mien_rng_seeded_below(dice, 7);
        if (point > 0)
            group_keys(&g);
        if (point > 1)
            group_tell_roll(&g);
        if (point > 2)
            group_shares(&g);
        if (point > 3)
            group_deliver(&g);
        for (uint32_t i = 0; i < GROUP_N && point > 4; i++)
            group_upload(&g, i);
        if (point > 5) {
            assert_int_equal(mien_secagg_sum_close_inputs(g.sum, g.bitmap, g.root), MIEN_OK);
            group_confirm(&g, 0);
        }
        for (int i = 0; i < 12; i++) {
            tell_any(dice);
            if (mien_client_core_wish(d->core).pump)
                assert_int_equal(mien_client_core_pump(d->core, d->now_ms), MIEN_OK);
            if (mien_client_core_wish(d->core).work)
                assert_int_equal(mien_client_core_work(d->core, d->now_ms, NULL), MIEN_OK);
        }
        assert_true(mien_client_core_record(d->core)->n_sent <= 1);
        assert_int_equal(mien_client_core_tick(d->core, d->now_ms), MIEN_OK);
        mien_rng_seeded_free(dice);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_survivor_set_gets_nothing),
        TEST(two_survivor_sets_get_no_share_from_anybody),
        TEST(signatures_with_a_lie_get_nothing),
        TEST(the_same_survivor_set_twice_gets_nothing_either),
        TEST(unsound_survivor_sets_get_nothing),
        TEST(sessions_that_are_not_of_the_plan_are_refused),
        TEST(a_group_under_the_hosts_own_limit_is_refused),
        TEST(rolls_with_a_lie_are_refused),
        TEST(rosters_with_a_lie_are_refused),
        TEST(members_under_another_authority_are_refused),
        TEST(deliveries_with_a_lie_are_refused),
        TEST(steps_that_are_left_out_or_repeated_are_refused),
        TEST(damaged_and_misplaced_messages_never_get_a_second_vector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
