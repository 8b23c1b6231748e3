// SPDX-License-Identifier: Apache-2.0
/* Limits of taking part: who is asked, and when a round may open. */
#include "tests/unit/core/fixture.h"

static struct fleet fleet;

/* Ten units a round, at least six; three rounds apart, twice. */
static struct fleet *begin(void)
{
    fleet.plan = fleet_plan();
    fleet.plan.rate = 1.0;
    fleet.plan.sampling = MIEN_PLAN_UNSAMPLED;
    fleet.plan.cohort = 10;
    fleet.plan.min_reports = 6;
    fleet.plan.drop_out = 0.0;
    fleet.plan.min_separation = 3;
    fleet.plan.max_participations = 2;
    fleet_init(&fleet, 1);
    return &fleet;
}

static struct fleet *begin_anew(void)
{
    memset(&fleet, 0, sizeof(fleet));
    return begin();
}

/* The vectors of all that were assigned have come; the round ends, and the next one is `round`. */
static void end_round(struct fleet *f, uint64_t round)
{
    for (uint32_t i = 0; i < f->core->n_admitted; i++)
        mien_round_note_part(f->core, f->core->admitted[i].unit);
    f->round = (struct mien_ledger_round){round, 0}; /* abandoning makes it the first attempt */
    fleet_pass(f, 200000);                           /* the deadline: nobody is ready */
    assert_int_equal(f->core->round.round, round);
    memset(f->n_assigned, 0, sizeof(f->n_assigned));
    for (uint32_t i = 0; i < f->n; i++)
        fleet_check_in(f, i);
    fleet_pass(f, 5000);
}

static void no_more_than_a_cohort_is_asked(void **state)
{
    (void)state;
    struct fleet *f = begin_anew();

    fleet_gather(f, 25);
    fleet_pass(f, 5000);
    assert_int_equal(fleet_n_assigned(f), 10);
    assert_int_equal(f->core->counts.drawn, 10);
    fleet_check_in(f, fleet_connect(f, 100)); /* nor later */
    assert_int_equal(fleet_n_assigned(f), 10);
    fleet_fini(f);
}

static void a_unit_is_asked_again_when_its_separation_is_over(void **state)
{
    (void)state;
    struct fleet *f = begin_anew();
    bool first[25];

    fleet_gather(f, 25);
    fleet_pass(f, 5000);
    for (uint32_t i = 0; i < 25; i++)
        first[i] = f->n_assigned[i] > 0;
    end_round(f, 2);
    assert_int_equal(fleet_n_assigned(f), 10); /* of the 15 others */
    for (uint32_t i = 0; i < 25; i++)
        assert_false(first[i] && f->n_assigned[i] > 0);
    end_round(f, 3);
    assert_int_equal(fleet_n_assigned(f), 0); /* five are left: too few to open */
    for (uint32_t i = 0; i < 10; i++)
        fleet_check_in(f, fleet_connect(f, 200 + i));
    fleet_pass(f, 5000);
    assert_int_equal(fleet_n_assigned(f), 10);
    for (uint32_t i = 0; i < 25; i++)
        assert_false(first[i] && f->n_assigned[i] > 0);
    end_round(f, 4);
    uint32_t n_again = 0;
    for (uint32_t i = 0; i < 25; i++)
        n_again += first[i] && f->n_assigned[i] > 0;
    assert_true(n_again >= 5); /* rounds 1 and 4 are three apart */
    fleet_fini(f);
}

/* Another attempt at one round is the same part. */
static void who_was_in_an_abandoned_attempt_may_be_in_the_next(void **state)
{
    (void)state;
    struct fleet *f = begin_anew();

    fleet_gather(f, 10);
    fleet_pass(f, 5000);
    assert_int_equal(fleet_n_assigned(f), 10);
    end_round(f, 1);
    assert_int_equal(fleet_n_assigned(f), 10);
    end_round(f, 1); /* each has given two vectors now: as many as it may */
    assert_int_equal(fleet_n_assigned(f), 0);
    fleet_fini(f);
}

static void what_the_ledger_knows_counts_from_the_start(void **state)
{
    (void)state;
    memset(&fleet, 0, sizeof(fleet));
    /* Units 0 to 2, as fleet_connect makes them: one is at its limit, one sits out, one is free. */
    fleet.part[0] = (struct mien_ledger_part){.n = 2, .last_round = 1};
    fleet.part[1] = (struct mien_ledger_part){.unit = {1}, .n = 1, .last_round = 8};
    fleet.part[2] = (struct mien_ledger_part){.unit = {2}, .n = 1, .last_round = 7};
    fleet.n_parts = 3;
    struct fleet *f = begin();

    f->core->round.round = 10;
    fleet_gather(f, 8); /* six of whom may: enough */
    fleet_pass(f, 5000);
    assert_int_equal(fleet_n_assigned(f), 6);
    assert_int_equal(f->n_assigned[0] + f->n_assigned[1], 0);
    assert_int_equal(f->n_assigned[2], 1);
    fleet_fini(f);
}

/* The ledger says that the run is over: nothing was opened, nobody is asked, nothing has failed. */
static void a_run_that_is_over_opens_nothing(void **state)
{
    (void)state;
    struct fleet *f = begin_anew();

    f->on_open = MIEN_EPOLICY;
    fleet_gather(f, 10);
    fleet_pass(f, 5000);
    assert_int_equal(f->n_opened, 1);
    assert_int_equal(fleet_n_assigned(f), 0);
    const struct mien_coordinator_status status = mien_coordinator_status(f->core);
    assert_true(status.exhausted && !status.failed);
    fleet_pass(f, 100000);
    assert_int_equal(f->n_opened, 1);
    fleet_fini(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_a_cohort_is_asked),
        cmocka_unit_test(a_unit_is_asked_again_when_its_separation_is_over),
        cmocka_unit_test(who_was_in_an_abandoned_attempt_may_be_in_the_next),
        cmocka_unit_test(what_the_ledger_knows_counts_from_the_start),
        cmocka_unit_test(a_run_that_is_over_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
