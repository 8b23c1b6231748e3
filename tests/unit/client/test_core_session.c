// SPDX-License-Identifier: Apache-2.0
/* The secure sum as a device runs it: exact sums, one vector an attempt, crashes, no memory. */
#include "group.h"

static struct group g;

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

static struct mien_message closed(uint64_t round, enum mien_message_outcome outcome)
{
    return (struct mien_message){
        .type = MIEN_FRAME_CLOSED,
        .closed = {.round = round, .outcome = outcome, .mark = scripted_mark(3)}};
}

/* The preset's own networks: a vector of many chunks. */
static void the_unmasked_sum_is_the_sum_of_the_survivors_vectors(void **state)
{
    (void)state;
    struct mien_secagg_blame blame;

    group_fini(&g);
    group_init_plan(&g, false);
    assert_true(mien_secagg_packed_bytes(g.params.dim, g.params.bits) > MIEN_FRAME_RAW_BYTES);
    group_to_slot(&g, 1);
    for (uint32_t i = 0; i < GROUP_N - 1; i++) /* the last one leaves after its shares */
        group_upload(&g, i);
    group_close(&g, GROUP_N - 1);
    for (uint32_t i = 0; i < GROUP_N - 1; i++)
        group_reveal(&g, i);
    assert_true(mien_secagg_sum_ready(g.sum));
    int64_t *total = mien_calloc(g.params.dim, sizeof(*total));
    assert_non_null(total);
    assert_int_equal(mien_secagg_sum_unmask(g.sum, NULL, total, &blame), MIEN_OK);
    assert_memory_equal(total, g.plain, g.params.dim * sizeof(*total));
    assert_int_equal(total[g.params.n_update + MIEN_METRIC_TRAINED],
                     (GROUP_N - 1) * (int64_t)g.params.metric_scale);
    mien_free(total);
}

static void a_released_round_is_counted_once_and_kept(void **state)
{
    (void)state;
    struct scripted *d = &g.device[0];
    struct mien_message released = closed(1, MIEN_MESSAGE_RELEASED);

    group_to_slot(&g, 1);
    for (uint32_t i = 0; i < GROUP_N; i++)
        group_upload(&g, i);
    group_close(&g, GROUP_N);
    group_reveal(&g, 0);
    assert_int_equal(d->saved.n_sent, 1);
    assert_int_equal(d->saved.n_released, 0);
    scripted_tell(d, &released);
    scripted_expect(d, MIEN_FRAME_CHECK_IN);
    assert_int_equal(d->saved.n_released, 1);
    scripted_tell(d, &released); /* again: nothing is counted */
    assert_int_equal(d->saved.n_released, 1);
}

static void an_abandoned_or_left_out_round_is_not_counted(void **state)
{
    (void)state;
    struct mien_message abandoned = closed(1, MIEN_MESSAGE_ABANDONED);
    struct mien_message dropped = {.type = MIEN_FRAME_COME_BACK,
                                   .come_back = {5, MIEN_MESSAGE_DROPPED}};
    struct mien_message released = closed(1, MIEN_MESSAGE_RELEASED);

    group_to_slot(&g, 1);
    group_upload(&g, 0);
    group_upload(&g, 1);
    scripted_tell(&g.device[0], &abandoned);
    scripted_expect(&g.device[0], MIEN_FRAME_CHECK_IN);
    assert_int_equal(g.device[0].saved.n_released, 0);
    scripted_tell(&g.device[1], &dropped);
    scripted_tell(&g.device[1], &released);
    assert_int_equal(g.device[1].saved.n_released, 0);
    assert_int_equal(g.device[1].saved.n_sent, 1);
}

static void another_group_may_take_a_device_until_its_vector_leaves(void **state)
{
    (void)state;
    group_to_slot(&g, 1);
    group_open(&g, 1, 1); /* the first group fell apart: a second one, same round */
    group_keys(&g);
    group_tell_roll(&g);
    group_shares(&g);
    group_deliver(&g);
    group_upload(&g, 0);
    group_open(&g, 1, 2);
    struct mien_message third = group_session(&g, 0);
    scripted_tell(&g.device[0], &third);
    scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_PROTOCOL);
}

/* Each with keys of its own; the ninth is one too many. */
static void a_device_takes_part_in_eight_sessions_of_a_round_at_most(void **state)
{
    (void)state;
    uint8_t mask_pk[8][32];

    group_ready(&g, 1);
    group_open(&g, 1, 0);
    for (uint32_t i = 0; i < 8; i++) {
        struct mien_message session = group_session(&g, 0);

        scripted_tell(&g.device[0], &session);
        const struct mien_message keys = scripted_next(&g.device[0], MIEN_FRAME_KEYS);
        memcpy(mask_pk[i], keys.keys.mask_pk, 32);
        for (uint32_t j = 0; j < i; j++)
            assert_memory_not_equal(mask_pk[i], mask_pk[j], 32);
        group_open(&g, 1, i + 1);
    }
    struct mien_message ninth = group_session(&g, 0);
    scripted_tell(&g.device[0], &ninth);
    scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_POLICY);
}

/* Devices are in a drill from ASSIGN on: the vector is there without training, and is zeros. */
static void ready_for_drill(uint64_t round)
{
    for (uint32_t i = 0; i < GROUP_N; i++) {
        struct scripted *d = &g.device[i];
        struct mien_message assign =
            scripted_assign_for(d, round, 1, 2, MIEN_MESSAGE_PURPOSE_DRILL);

        scripted_start(d);
        scripted_check_in(d);
        scripted_tell(d, &assign);
        scripted_serve(d, 900);
        scripted_expect(d, MIEN_FRAME_READY);
    }
    group_open_for(&g, round, 0, MIEN_SESSION_DRILL);
}

static void a_drill_sums_zeros_whatever_a_device_holds(void **state)
{
    (void)state;
    int64_t *total = mien_calloc(g.params.dim, sizeof(*total));
    struct mien_secagg_blame blame;

    ready_for_drill(1);
    group_keys(&g);
    group_tell_roll(&g);
    group_shares(&g);
    group_deliver(&g);
    for (uint32_t i = 0; i < GROUP_N; i++) {
        g.device[i].core->round->vector[i] = 77; /* a bug, or an update: it stays here */
        group_upload(&g, i);
    }
    group_close(&g, GROUP_N);
    for (uint32_t i = 0; i < GROUP_N; i++)
        group_reveal(&g, i);
    assert_int_equal(mien_secagg_sum_unmask(g.sum, NULL, total, &blame), MIEN_OK);
    for (uint32_t j = 0; j < g.params.dim; j++)
        assert_int_equal(total[j], 0);
    assert_int_equal(mien_client_core_record(g.device[0].core)->n_sent, 0);
    mien_free(total);
}

/* A coordinator calls a session a drill for some and training for others, or changes its mind. */
static void a_drill_that_is_no_drill_gets_nothing(void **state)
{
    (void)state;
    struct mien_message session;

    ready_for_drill(1);
    group_open_for(&g, 1, 0, MIEN_SESSION_TRAIN);
    session = group_session(&g, 0);
    scripted_tell(&g.device[0], &session);
    scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_PROTOCOL);

    group_fini(&g);
    group_init(&g);
    group_ready(&g, 1); /* trained: its vector is real */
    group_open_for(&g, 1, 0, MIEN_SESSION_DRILL);
    session = group_session(&g, 0);
    scripted_tell(&g.device[0], &session);
    scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_PROTOCOL);

    group_fini(&g);
    group_init(&g);
    group_ready(&g, 1);
    group_open_for(&g, 1, 0, MIEN_SESSION_DRILL);
    session = group_session(&g, 0);
    session.session.purpose = MIEN_MESSAGE_PURPOSE_TRAIN; /* with the drill's session id */
    scripted_tell(&g.device[0], &session);
    scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_AUTH);
}

static void a_device_in_a_drill_may_still_give_its_vector(void **state)
{
    (void)state;
    struct scripted *d = &g.device[0];
    struct mien_message closed_drill = closed(1, MIEN_MESSAGE_ABANDONED);

    ready_for_drill(1);
    group_keys(&g);
    group_tell_roll(&g);
    group_shares(&g);
    group_deliver(&g);
    group_upload(&g, 0);
    scripted_tell(d, &closed_drill);
    scripted_expect(d, MIEN_FRAME_CHECK_IN);
    scripted_train(d, 1, 3);
    assert_int_equal(d->core->phase, MIEN_CORE_READY);
}

static void nothing_leaves_when_the_record_cannot_be_saved(void **state)
{
    (void)state;
    struct scripted *d = &g.device[0];
    struct mien_message slot = group_of(&g, MIEN_FRAME_SLOT);

    group_to_slot(&g, 1);
    memcpy(slot.slot.session_id, g.session_id, 32);
    scripted_tell(d, &slot);
    d->on_save = MIEN_ENOSPC;
    assert_int_equal(mien_client_core_work(d->core, d->now_ms, NULL), MIEN_ENOSPC);
    assert_true(mien_client_core_wish(d->core).close);
    assert_int_equal(mien_client_core_pump(d->core, d->now_ms), MIEN_ESTATE);
    scripted_expect_silence(d);
}

/* Kills the device after every possible number of saves and starts it from what it had saved:
 * whatever the moment, one attempt of a round gets one vector at most. */
static void no_second_vector_after_a_crash_at_any_save(void **state)
{
    (void)state;
    struct scripted *d = &g.device[0];
    struct mien_message slot;

    group_to_slot(&g, 1);
    slot = group_of(&g, MIEN_FRAME_SLOT);
    struct mien_client_record before = d->saved;
    scripted_tell(d, &slot);
    assert_int_equal(mien_client_core_work(d->core, d->now_ms, NULL), MIEN_OK);
    struct mien_client_record after = d->saved;
    assert_int_equal(after.sent_round, 1);
    scripted_expect_silence(d); /* saved, and nothing has left: the crash costs the round only */

    const struct mien_client_record *survived[] = {&before, &after};
    for (size_t i = 0; i < 2; i++) {
        struct mien_message assign = scripted_assign(d, 1, 1, 2);

        mien_client_core_free(d->core);
        d->config.record = *survived[i];
        d->n_read = d->n_sent;
        scripted_start(d);
        scripted_check_in(d);
        scripted_tell(d, &assign);
        if (i == 0)
            scripted_expect(d, MIEN_FRAME_GET); /* nothing had left: it may train again */
        else
            scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_POLICY);
    }
}

static void a_lost_connection_forgets_the_update(void **state)
{
    (void)state;
    struct scripted *d = &g.device[0];

    group_to_slot(&g, 1);
    mien_client_core_disconnected(d->core, d->now_ms);
    assert_null(d->core->round);
    assert_int_equal(mien_client_core_info(d->core).round, 0);
}

/* The message that device 0 gets at a stage, all before having gone well. */
struct staged {
    struct mien_message message;
    struct mien_message_roster_entry roster[GROUP_N];
    struct mien_message_sealed sealed[GROUP_N];
    struct mien_message_confirmed_entry signatures[GROUP_N];
};

enum {
    STAGE_SESSION,
    STAGE_ROLL,
    STAGE_ROSTER,
    STAGE_DELIVER,
    STAGE_SLOT,
    STAGE_SURVIVORS,
    STAGE_CONFIRMED,
    N_STAGES
};

static void bring_to(int stage, struct staged *staged)
{
    group_ready(&g, 1);
    group_open(&g, 1, 0);
    staged->message = group_session(&g, 0);
    if (stage >= STAGE_ROLL) {
        group_keys(&g);
        staged->message = group_roll(&g);
    }
    if (stage >= STAGE_ROSTER) {
        group_tell_roll(&g);
        staged->message = group_roster(&g, staged->roster);
    }
    if (stage >= STAGE_DELIVER) {
        group_shares(&g);
        staged->message = group_delivery(&g, 0, staged->sealed);
    }
    if (stage >= STAGE_SLOT) {
        group_deliver(&g);
        staged->message = group_of(&g, MIEN_FRAME_SLOT);
    }
    if (stage >= STAGE_SURVIVORS) {
        for (uint32_t i = 0; i < GROUP_N; i++)
            group_upload(&g, i);
        assert_int_equal(mien_secagg_sum_close_inputs(g.sum, g.bitmap, g.root), MIEN_OK);
        staged->message = group_survivors(&g);
    }
    if (stage >= STAGE_CONFIRMED) {
        for (uint32_t i = 0; i < GROUP_N; i++)
            group_confirm(&g, i);
        staged->message = group_confirmed(&g, 0, staged->signatures);
    }
}

/* Device 0 takes the stage's message and does what it then wants. */
static enum mien_status take_stage(struct mien_client_core *core, const struct staged *staged)
{
    enum mien_status status = mien_client_core_receive(core, 1000, &staged->message);

    while (status == MIEN_OK && mien_client_core_wish(core).work)
        status = mien_client_core_work(core, 1000, NULL);
    while (status == MIEN_OK && mien_client_core_wish(core).pump)
        status = mien_client_core_pump(core, 1000);
    return status;
}

static void every_failed_allocation_in_a_session_ends_the_connection_only(void **state)
{
    (void)state;
    for (int stage = 0; stage < N_STAGES; stage++) {
        enum mien_status status = MIEN_ENOMEM;

        for (long k = 0; status != MIEN_OK; k++) {
            struct staged staged;
            struct mien_client_core *core;

            group_fini(&g);
            group_init(&g);
            bring_to(stage, &staged);
            core = g.device[0].core;
            mien_mem_fail_at(k);
            status = take_stage(core, &staged);
            mien_mem_fail_at(-1);
            assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
            assert_int_equal(mien_client_core_wish(core).close, status != MIEN_OK);
            assert_int_equal(core->round == NULL, status != MIEN_OK);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_unmasked_sum_is_the_sum_of_the_survivors_vectors),
        TEST(a_released_round_is_counted_once_and_kept),
        TEST(an_abandoned_or_left_out_round_is_not_counted),
        TEST(another_group_may_take_a_device_until_its_vector_leaves),
        TEST(a_device_takes_part_in_eight_sessions_of_a_round_at_most),
        TEST(a_drill_sums_zeros_whatever_a_device_holds),
        TEST(a_drill_that_is_no_drill_gets_nothing),
        TEST(a_device_in_a_drill_may_still_give_its_vector),
        TEST(nothing_leaves_when_the_record_cannot_be_saved),
        TEST(no_second_vector_after_a_crash_at_any_save),
        TEST(a_lost_connection_forgets_the_update),
        TEST(every_failed_allocation_in_a_session_ends_the_connection_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
