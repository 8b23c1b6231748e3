// SPDX-License-Identifier: Apache-2.0
/* Which noise a round gets, and when: after RESERVE, before anybody is asked to unmask. */
#include "tests/unit/core/fixture.h"

#include <math.h>

static struct fleet fleet;

static enum mien_status reserve(void *self, struct mien_ledger_round round,
                                struct mien_budget_answer *answer, struct mien_err *err)
{
    const struct fleet *f = self;

    (void)round;
    (void)err;
    *answer = (struct mien_budget_answer){.allowed = true};
    return f->breaks ? MIEN_EPOLICY : MIEN_OK;
}

static struct fleet *begin(enum mien_plan_mechanism mechanism, double z)
{
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.mechanism = mechanism;
    fleet.plan.noise_multiplier = z;
    fleet_init(&fleet, 300);
    fleet.core->config.ledger.reserve = reserve;
    return &fleet;
}

/* Runs RESERVE's job as the shell would. */
static enum mien_status run_reserve(struct fleet *f)
{
    f->core->job = (struct mien_job){.kind = MIEN_JOB_RESERVE, .home = f->core};
    memset(f->core->total, 0x55, f->core->params.dim * sizeof(*f->core->total));
    mien_job_run(&f->core->job);
    return f->core->job.status;
}

static double variance(const struct mien_coordinator *c)
{
    double square = 0;

    for (uint32_t i = 0; i < c->params.dim; i++)
        square += (double)c->total[i] * (double)c->total[i];
    return square / c->params.dim;
}

/* 1100 coordinates: their variance is off by a quarter with probability below 1e-8. */
static void each_mechanism_draws_a_whole_vector_of_its_sigma(void **state)
{
    (void)state;
    for (int kind = 1; kind <= 2; kind++) {
        struct fleet *f = begin((enum mien_plan_mechanism)kind, 1.5);
        const double sigma = ceil(1.5 * (double)f->core->params.bound);

        assert_true(f->core->params.dim > 1000);
        assert_int_equal(run_reserve(f), MIEN_OK);
        assert_true(fabs(variance(f->core) / (sigma * sigma) - 1) < 0.25);
        assert_int_equal(f->core->noise_sampler == NULL, kind == 2);
        fleet_fini(f);
    }
}

static void without_a_reserve_or_a_generator_there_is_no_noise(void **state)
{
    (void)state;
    for (int kind = 1; kind <= 2; kind++) {
        struct fleet *f = begin((enum mien_plan_mechanism)kind, 1.0);

        f->breaks = true; /* the cap refuses */
        assert_int_equal(run_reserve(f), MIEN_EPOLICY);
        assert_int_equal(f->core->total[0], 0x5555555555555555); /* nothing was drawn */
        f->breaks = false;
        f->core->config.rng.fill = fleet_no_bytes;
        assert_int_equal(run_reserve(f), MIEN_ECRYPTO);
        assert_true(variance(f->core) == 0);
        fleet_fini(f);
    }
}

static void multiplier_zero_adds_nothing(void **state)
{
    (void)state;
    struct fleet *f = begin(MIEN_PLAN_ROUNDED_GAUSSIAN, 0.0);

    assert_int_equal(run_reserve(f), MIEN_OK);
    assert_true(variance(f->core) == 0);
    fleet_fini(f);
}

/* All of it is in the vectors: RESERVE is written, and nothing drawn. */
static void noise_by_devices_leaves_none_to_the_coordinator(void **state)
{
    (void)state;
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
    fleet.plan.noise_by = MIEN_PLAN_NOISE_BY_DEVICES;
    fleet_init(&fleet, 300);
    fleet.core->config.ledger.reserve = reserve;
    assert_true(fleet.core->params.share > 0);
    assert_int_equal(run_reserve(&fleet), MIEN_OK);
    assert_true(variance(fleet.core) == 0);
    assert_true(fleet.core->noise_sampler == NULL && fleet.core->discrete.t == 0);
    fleet_fini(&fleet);
}

/* Step by step what the run's key says, in units of sums; a step that cannot be used has none. */
static void correlated_noise_is_the_runs_own(void **state)
{
    (void)state;
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.rate = 1.0;
    fleet.plan.sampling = MIEN_PLAN_UNSAMPLED;
    fleet.plan.strategy = MIEN_PLAN_BANDED;
    fleet.plan.min_separation = 4;
    fleet.plan.max_participations = 2;
    fleet.plan.noise_multiplier = 1.5;
    fleet_init(&fleet, 300);
    fleet.core->config.ledger.reserve = reserve;
    const double sigma = ceil(1.5 * (double)fleet.core->params.bound);
    struct mien_correlated *want = NULL;
    uint8_t key[32];
    int64_t row[64];

    memset(key, 7, sizeof(key));
    assert_int_equal(mien_correlated_new(&fleet.core->strategy, (uint64_t)sigma, key, &want),
                     MIEN_OK);
    for (uint64_t step = 0; step < 6; step++) {
        assert_int_equal(run_reserve(&fleet), MIEN_OK);
        assert_int_equal(fleet.n_steps, step + 1);
        assert_int_equal(mien_correlated_draw(want, step, row, 64), MIEN_OK);
        assert_memory_equal(fleet.core->total, row, sizeof(row));
        /* C^-1 of four bands: variances from 1 to below 1.5. */
        assert_true(variance(fleet.core) > 0.75 * sigma * sigma);
        assert_true(variance(fleet.core) < 1.9 * sigma * sigma);
    }
    mien_correlated_free(want);
    fleet.on_step = MIEN_ENOSPC;
    assert_int_equal(run_reserve(&fleet), MIEN_ENOSPC);
    assert_int_equal(fleet.core->total[0], 0x5555555555555555); /* nothing was drawn */
    fleet.on_step = MIEN_OK;
    fleet.breaks = true; /* the cap refuses: no step is used */
    assert_int_equal(run_reserve(&fleet), MIEN_EPOLICY);
    assert_int_equal(fleet.n_steps, 6);
    fleet_fini(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mechanism_draws_a_whole_vector_of_its_sigma),
        cmocka_unit_test(without_a_reserve_or_a_generator_there_is_no_noise),
        cmocka_unit_test(correlated_noise_is_the_runs_own),
        cmocka_unit_test(multiplier_zero_adds_nothing),
        cmocka_unit_test(noise_by_devices_leaves_none_to_the_coordinator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
