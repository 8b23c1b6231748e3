// SPDX-License-Identifier: Apache-2.0
/* Who takes part in a further session of a round when one has been dropped, and who does not. What
 * comes of such sessions the simulated worlds show (tests/sim/test_worlds.c). */
#include "tests/unit/core/fixture.h"

#define N 12

static struct fleet fleet;

/* Twelve devices in two sessions of six, at the step KEYS. */
static struct fleet *begin(uint64_t seed)
{
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.sampling = MIEN_PLAN_UNSAMPLED;
    fleet.plan.rate = 1.0;
    fleet.plan.cohort = N;
    fleet.plan.min_reports = 4;
    fleet.plan.group_min = 4;
    fleet.plan.group_max = 6;
    fleet_init(&fleet, seed);
    fleet_gather(&fleet, N);
    fleet_pass(&fleet, 5000);
    for (uint32_t i = 0; i < N; i++)
        fleet_ready(&fleet, i);
    assert_int_equal(fleet.core->phase, MIEN_PHASE_KEYS);
    assert_int_equal(fleet.core->n_groups, 2);
    return &fleet;
}

static uint32_t count(const struct fleet *f, enum mien_part part)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n; i++)
        n += f->core->peers[f->peer[i]].part == part;
    return n;
}

static uint32_t count_sessions(const struct fleet *f, uint32_t times)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n; i++)
        n += f->n_sessions[i] == times;
    return n;
}

static void members_of_a_dropped_session_are_in_another_with_its_own_number(void **state)
{
    (void)state;
    struct fleet *f = begin(1);
    uint8_t first[32];

    memcpy(first, mien_secagg_sum_session_id(f->core->groups[0].sum), 32);
    mien_round_drop_group(f->core, 0, "a test");
    assert_int_equal(count(f, MIEN_PART_READY), 6);
    assert_true(mien_round_regroup(f->core, f->now_ms));
    assert_int_equal(f->core->phase, MIEN_PHASE_KEYS);
    assert_int_equal(f->core->n_groups, 3);
    assert_int_equal(f->core->groups[2].session.session_index, 2);
    assert_int_equal(f->core->groups[2].session.n, 6);
    assert_memory_not_equal(mien_secagg_sum_session_id(f->core->groups[2].sum), first, 32);
    assert_int_equal(count_sessions(f, 2), 6);
    assert_int_equal(count_sessions(f, 1), 6);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(f->n_come_back[i], 0);
    fleet_fini(f);
}

/* The other session has its keys: it waits, whatever time the new one takes. */
static void a_session_that_got_further_waits_for_those_formed_later(void **state)
{
    (void)state;
    struct fleet *f = begin(2);

    f->core->groups[1].phase = MIEN_PHASE_SHARES;
    mien_round_drop_group(f->core, 0, "a test");
    assert_true(mien_round_regroup(f->core, f->now_ms));
    assert_false(mien_round_all_did(f->core));
    for (uint32_t i = 0; i < 6; i++)
        f->core->peers[f->core->groups[2].member[i]].did = true;
    assert_true(mien_round_all_did(f->core));
    fleet_fini(f);
}

static void too_few_are_not_formed_into_a_session_and_are_sent_off(void **state)
{
    (void)state;
    struct fleet *f = begin(3);

    for (uint32_t i = 0; i < 3; i++)
        mien_coordinator_disconnect(f->core, f->now_ms, f->core->groups[0].member[i]);
    mien_round_drop_group(f->core, 0, "a test");
    assert_int_equal(count(f, MIEN_PART_READY), 3);
    assert_false(mien_round_regroup(f->core, f->now_ms));
    assert_int_equal(f->core->n_groups, 2);
    mien_round_send_off(f->core);
    assert_int_equal(count(f, MIEN_PART_READY), 0);
    uint32_t n_sent_off = 0;
    for (uint32_t i = 0; i < N; i++)
        n_sent_off += f->n_come_back[i];
    assert_int_equal(n_sent_off, 3);
    fleet_fini(f);
}

/* Enough for a session, too many for one and too few for two: the session that is left must not
 * fall with them. */
static void who_cannot_be_divided_does_not_end_the_round(void **state)
{
    (void)state;
    struct fleet *f = begin(8);

    f->core->config.plan.group_max = 5;
    mien_round_drop_group(f->core, 0, "a test");
    assert_int_equal(count(f, MIEN_PART_READY), 6);
    assert_false(mien_round_regroup(f->core, f->now_ms));
    assert_int_equal(f->core->phase, MIEN_PHASE_KEYS);
    assert_int_equal(f->n_abandoned, 0);
    assert_int_equal(f->core->n_groups, 2);
    assert_non_null(f->core->groups[1].sum);
    fleet_fini(f);
}

/* A vector that may have left is given to no other session. */
static void who_was_granted_a_slot_is_out_of_the_round(void **state)
{
    (void)state;
    struct fleet *f = begin(4);
    const uint32_t *member = f->core->groups[0].member;

    f->core->phase = MIEN_PHASE_INPUTS;
    f->core->groups[0].phase = MIEN_PHASE_INPUTS;
    f->core->groups[1].phase = MIEN_PHASE_FIXING;
    mien_round_grant_slots(f->core); /* four of them */
    uint32_t with_slot[6];
    uint32_t n_with = 0;
    for (uint32_t i = 0; i < 6; i++) {
        if (f->core->peers[member[i]].had_slot)
            with_slot[n_with++] = member[i];
    }
    assert_int_equal(n_with, 4);
    /* One has been answered meanwhile: its slot is free again, it is out all the same. */
    f->core->peers[with_slot[0]].did = true;
    mien_round_drop_group(f->core, 0, "a test");
    assert_int_equal(f->core->n_slots, 0);
    assert_int_equal(count(f, MIEN_PART_READY), 2);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(f->core->peers[with_slot[i]].part, MIEN_PART_NONE);
        assert_int_equal(f->n_come_back[f->device_of[with_slot[i]]], 1);
    }
    fleet_fini(f);
}

static void from_the_survivors_on_nobody_joins_another_session(void **state)
{
    (void)state;
    for (int phase = MIEN_PHASE_CONFIRMS; phase <= MIEN_PHASE_REVEALS; phase++) {
        struct fleet *f = begin(5);

        f->core->phase = (enum mien_coordinator_phase)phase;
        mien_round_drop_group(f->core, 0, "a test");
        assert_int_equal(count(f, MIEN_PART_READY), 0);
        assert_int_equal(count(f, MIEN_PART_NONE), 6);
        fleet_fini(f);
    }
}

static void a_round_forms_sessions_again_three_times_at_most(void **state)
{
    (void)state;
    struct fleet *f = begin(6);

    for (int times = 0; times < 3; times++) {
        mien_round_drop_group(f->core, f->core->n_groups - 1, "a test");
        assert_true(mien_round_regroup(f->core, f->now_ms));
    }
    mien_round_drop_group(f->core, f->core->n_groups - 1, "a test");
    assert_false(mien_round_regroup(f->core, f->now_ms));
    fleet_fini(f);
}

/* Nobody sends keys: nobody is to be waited for again, and the round ends. */
static void who_did_not_do_its_step_is_not_asked_again(void **state)
{
    (void)state;
    struct fleet *f = begin(7);

    fleet_pass(f, 1001);
    for (int i = 0; i < 4 && f->core->phase != MIEN_PHASE_WAITING; i++)
        fleet_pass(f, 1001);
    assert_int_equal(f->core->phase, MIEN_PHASE_WAITING);
    assert_int_equal(f->n_abandoned, 1);
    assert_int_equal(count_sessions(f, 1), N);
    fleet_fini(f);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_a_dropped_session_are_in_another_with_its_own_number),
        cmocka_unit_test(a_session_that_got_further_waits_for_those_formed_later),
        cmocka_unit_test(too_few_are_not_formed_into_a_session_and_are_sent_off),
        cmocka_unit_test(who_cannot_be_divided_does_not_end_the_round),
        cmocka_unit_test(who_was_granted_a_slot_is_out_of_the_round),
        cmocka_unit_test(from_the_survivors_on_nobody_joins_another_session),
        cmocka_unit_test(a_round_forms_sessions_again_three_times_at_most),
        cmocka_unit_test(who_did_not_do_its_step_is_not_asked_again),
        cmocka_unit_test(nothing_stays_allocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
