// SPDX-License-Identifier: Apache-2.0
/* Many small worlds: real device cores and the real coordinator core under loss, delay, devices
 * that leave at any message and devices whose messages are damaged. Without noise every released
 * sum must be the survivors' sum, bit by bit. */
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/plan/noise.h"
#include "common/wire/vector.h"
#include "tests/sim/sim.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Worlds of the first test, unless MIEN_SIM_SEEDS says otherwise: sanitized builds run fewer. */
#define N_SEEDS 1000

static uint64_t n_seeds(void)
{
    const char *text = getenv("MIEN_SIM_SEEDS");
    uint64_t n = N_SEEDS;

    if (text != NULL && mien_parse_u64(text, 10, 1000000, &n) != MIEN_OK)
        fail_msg("MIEN_SIM_SEEDS=%s is no number of worlds", text);
    return n;
}

/* 16 x 16 grey and few maps: a round of a world takes about a millisecond of computing. */
static struct mien_plan tiny_plan(void)
{
    static const struct mien_layer d[] = {
        {.kind = MIEN_LAYER_CONV, .channels = 2, .kernel = 4, .stride = 4},
        {.kind = MIEN_LAYER_LEAKY_RELU, .slope = 0.2},
        {.kind = MIEN_LAYER_FLATTEN},
        {.kind = MIEN_LAYER_DENSE, .channels = 1},
    };
    static const struct mien_layer g[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 256},
        {.kind = MIEN_LAYER_RESHAPE, .height = 16, .width = 16, .channels = 1},
        {.kind = MIEN_LAYER_TANH},
    };
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    memset(plan.d_layers, 0, sizeof(plan.d_layers));
    memset(plan.g_layers, 0, sizeof(plan.g_layers));
    memcpy(plan.d_layers, d, sizeof(d));
    memcpy(plan.g_layers, g, sizeof(g));
    plan.n_d_layers = sizeof(d) / sizeof(d[0]);
    plan.n_g_layers = sizeof(g) / sizeof(g[0]);
    plan.channels = 1;
    plan.latent = 2;
    plan.batch = 2;
    plan.local_steps = 1;
    plan.rate = 1.0;
    plan.sampling = MIEN_PLAN_UNSAMPLED;
    plan.noise_multiplier = 0.0;
    plan.epsilon_cap = 0.0;
    plan.cohort = 10;
    plan.min_reports = 3;
    plan.group_min = 3;
    plan.group_max = 7;
    plan.deadline_s = 5;
    return plan;
}

static struct sim_options options_of(uint64_t seed)
{
    return (struct sim_options){
        .plan = tiny_plan(),
        .faces = "procedural",
        .n_devices = 10,
        .n_rounds = 1,
        .seed = seed,
        .n_threads = 1,
        .secure_sum = true,
        .check = true,
    };
}

static struct sim_result run(const struct sim_options *options)
{
    struct sim_faces *faces = NULL;
    struct sim_result result = {0};
    struct mien_err err = {0};

    assert_int_equal(sim_faces_open(options, &faces, &err), MIEN_OK);
    if ((options->secure_sum ? sim_run : sim_run_plain)(options, faces, &result, &err) != MIEN_OK)
        fail_msg("seed %llu: %s", (unsigned long long)options->seed, err.text);
    sim_faces_free(faces);
    return result;
}

static void every_released_sum_is_the_survivors_sum(void **state)
{
    (void)state;
    uint32_t n_released = 0;
    uint32_t n_partial = 0;

    const uint64_t n = n_seeds();

    for (uint64_t seed = 0; seed < n; seed++) {
        struct sim_options options = options_of(seed);

        options.drop = (double)(seed % 4) * 0.12;
        options.plan.rotate = seed % 6 == 1   ? MIEN_PLAN_ROTATED
                              : seed % 6 == 4 ? MIEN_PLAN_ROTATED_FILLED
                                              : MIEN_PLAN_UNROTATED;
        struct sim_result result = run(&options);
        for (size_t i = 0; i < result.n_rounds; i++) {
            if (!result.rounds[i].released)
                continue;
            n_released++;
            n_partial += result.rounds[i].survived < 10;
            if (!result.rounds[i].sum_exact)
                fail_msg("seed %llu, round %zu: the sum is not the survivors'",
                         (unsigned long long)seed, i);
        }
        sim_result_fini(&result);
    }
    /* Most worlds release; many of them without some device. */
    assert_true(n_released > n * 9 / 10);
    assert_true(n_partial > n / 5);
    assert_int_equal(mien_mem_live(), 0);
}

/* Groups of four and five that few leavers break: their other members come to a sum in further
 * sessions, which is exact, and no unit gives a vector twice (the ledger of the world looks). */
static void members_of_broken_sessions_come_to_a_sum_in_others(void **state)
{
    (void)state;
    uint64_t n_regrouped = 0;
    uint32_t n_after_regroup = 0;
    const uint64_t n = n_seeds() < 1000 ? 30 : 125;

    for (uint64_t seed = 0; seed < n; seed++) {
        struct sim_options options = options_of(12000 + seed);

        options.plan.group_max = 5;
        options.plan.min_reports = seed % 2 == 0 ? 3 : 6;
        options.n_devices = 14;
        options.drop = 0.4 + (double)(seed % 3) * 0.2;
        struct sim_result result = run(&options);
        n_regrouped += result.n_regrouped;
        for (size_t i = 0; i < result.n_rounds; i++) {
            assert_true(!result.rounds[i].released || result.rounds[i].sum_exact);
            n_after_regroup +=
                result.n_rounds == 1 && result.rounds[i].released && result.n_regrouped > 0;
        }
        sim_result_fini(&result);
    }
    assert_true(n_regrouped > n / 5);
    assert_true(n_after_regroup > n / 30);
    assert_int_equal(mien_mem_live(), 0);
}

static void liars_are_refused_and_the_honest_are_summed(void **state)
{
    (void)state;
    uint64_t n_refused = 0;
    uint64_t n_named = 0;
    uint32_t n_released = 0;

    for (uint64_t seed = 5000; seed < 5100; seed++) {
        struct sim_options options = options_of(seed);

        options.n_devices = 14;
        options.plan.group_max = 14;
        options.lie = 0.15;
        struct sim_result result = run(&options);
        n_refused += result.n_refused;
        n_named += result.n_named;
        for (size_t i = 0; i < result.n_rounds; i++) {
            if (!result.rounds[i].released)
                continue;
            n_released++;
        }
        sim_result_fini(&result);
    }
    assert_true(n_refused > 50);
    assert_true(n_named > 0); /* a byte of a share that was revealed */
    assert_true(n_released > 70);
    assert_int_equal(mien_mem_live(), 0);
}

/* A drill leaves the ledger as it was, sums zeros to zeros whoever is left out, and the round after
 * it is as exact as any. */
static void a_drill_sums_zeros_and_leaves_no_trace(void **state)
{
    (void)state;
    uint32_t n_right = 0;

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sim_options options = options_of(9000 + seed);

        options.drill = true;
        options.drill_drop = (double)(seed % 5) * 0.15;
        options.drop = seed % 2 == 0 ? 0.0 : 0.1;
        struct sim_result result = run(&options);
        const struct mien_drill_report *d = &result.drill;

        assert_true(d->number == 1 && d->done);
        assert_true(d->right == (d->n_summed > 0));
        assert_true(d->right || d->failed[0] != '\0');
        n_right += d->right;
        if (seed % 2 == 0) { /* nobody left by itself */
            assert_int_equal(d->n_assigned, 10);
            assert_int_equal(d->n_members, 10);
            assert_int_equal(d->n_left_out, (unsigned)(options.drill_drop * 10 + 0.5));
            assert_true(d->survivable > 0.19 && d->survivable < 0.41); /* 1 of 5, or 2 */
            assert_true(d->right || seed % 5 > 0);
        }
        assert_true(result.n_rounds > 0 && result.rounds[0].sum_exact);
        sim_result_fini(&result);
    }
    assert_true(n_right > 10);
    assert_int_equal(mien_mem_live(), 0);
}

static void threads_do_not_change_the_result(void **state)
{
    (void)state;
    struct sim_options options = options_of(77);

    options.n_rounds = 3;
    struct sim_result one = run(&options);
    options.n_threads = 3;
    struct sim_result three = run(&options);
    assert_int_equal(one.n_rounds, three.n_rounds);
    assert_memory_equal(one.values, three.values, 100 * sizeof(float));
    sim_result_fini(&one);
    sim_result_fini(&three);
}

/* The whole way: the clip in ASSIGN, the bit in the vector, the share in the sum, the next clip.
 * With a clip far above all norms every bit says "within" and it falls; sums stay exact under it.
 */
static void an_adapting_clip_reaches_the_devices(void **state)
{
    (void)state;
    struct sim_options options = options_of(9);
    double before = options.plan.clip = 100.0;

    options.n_rounds = 4;
    options.plan.clip_quantile = 0.5;
    options.plan.clip_rate = 1.0;
    struct sim_result result = run(&options);
    assert_int_equal(result.n_rounds, 4);
    for (size_t i = 0; i < result.n_rounds; i++) {
        assert_true(result.rounds[i].released && result.rounds[i].sum_exact);
        /* 1 - 0.5 of bits are too many: a factor e^-0.5 */
        assert_true(fabs(result.rounds[i].clip / before - exp(-0.5)) < 1e-6);
        before = result.rounds[i].clip;
    }
    sim_result_fini(&result);
    options.plan.clip = 1e-6; /* far below: all bits say "clipped" */
    result = run(&options);
    assert_true(fabs(result.rounds[0].clip / 1e-6 - exp(0.5)) < 1e-6);
    sim_result_fini(&result);
}

static struct sim_options options_of_devices(uint64_t seed, double z)
{
    struct sim_options options = options_of(seed);

    options.plan.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
    options.plan.noise_by = MIEN_PLAN_NOISE_BY_DEVICES;
    options.plan.noise_multiplier = z;
    return options;
}

/* The same world with and without noise: what was released then less what was released now is the
 * noise of the ten that survived, and has ten times the variance of a share. Six worlds have some
 * 6,000 coordinates together: a right one fails 5 deviations of their chi-square once in 10^6
 * sets of seeds. Sums are those of the vectors with their noise, bit by bit. */
static void released_sums_hold_the_devices_noise_and_no_other(void **state)
{
    (void)state;
    double square = 0.0;
    uint32_t n = 0;

    for (uint64_t seed = 100; seed < 106; seed++) {
        struct sim_options options = options_of_devices(seed, 2.0);
        struct mien_secagg_params params;
        const uint64_t first = mien_plan_first_shared(&options.plan);

        options.plan.rotate = seed % 2 == 0 ? MIEN_PLAN_ROTATED : MIEN_PLAN_UNROTATED;
        options.secure_sum = seed % 3 != 0; /* else the sum is taken without one */
        assert_int_equal(mien_secagg_params_of_plan(&options.plan, &params, NULL), MIEN_OK);
        struct sim_result noisy = run(&options);
        options.plan.noise_multiplier = 0.0;
        options.plan.noise_by = MIEN_PLAN_NOISE_BY_COORDINATOR;
        struct sim_result plain = run(&options);
        assert_true(noisy.rounds[0].released && plain.rounds[0].released);
        assert_int_equal(noisy.rounds[0].sum_exact, options.secure_sum);
        assert_int_equal(plain.rounds[0].sum_exact, options.secure_sum);
        assert_int_equal(noisy.rounds[0].survived, 10);
        const double unit = options.plan.server_rate / (params.scale * (double)options.plan.cohort);
        for (uint32_t j = 0; j < params.n_update; j++) {
            const double noise =
                ((double)noisy.values[first + j] - (double)plain.values[first + j]) / unit;

            square += noise * noise / (10.0 * (double)params.share);
            n++;
        }
        sim_result_fini(&noisy);
        sim_result_fini(&plain);
    }
    assert_true(n > 5000);
    assert_true(fabs(square / n - 1.0) < 5.0 * sqrt(2.0 / n));
}

/* Groups of at most seven, a third of whom may collude. Five are the plan's least; of a group of
 * five two may collude, so three shares are what the figure stands on; of seven three may, so six
 * must survive, where five are enough for the secure sum. What falls below is abandoned. */
static void a_sum_with_too_few_shares_is_never_unmasked(void **state)
{
    (void)state;
    uint32_t n_abandoned = 0;
    uint32_t n_released = 0;
    uint32_t n_full = 0;

    for (uint64_t seed = 300; seed < 360; seed++) {
        struct sim_options options = options_of_devices(seed, 1.0);

        options.n_devices = 7;
        options.plan.cohort = 7;
        options.plan.corrupt = 0.33;
        options.plan.group_min = 5;
        options.drop = 0.12;
        struct sim_result result = run(&options);
        for (size_t i = 0; i < result.n_rounds; i++) {
            const struct sim_round *round = &result.rounds[i];

            n_abandoned += !round->released;
            n_released += round->released;
            if (round->released) { /* all that were ready were the session's members */
                const uint32_t least = mien_plan_min_survivors(&options.plan, round->reported);

                n_full += round->reported == 7;
                assert_true(round->reported < 7 || least == 6);
                assert_true(round->survived >= least && round->sum_exact);
            }
        }
        sim_result_fini(&result);
    }
    assert_true(n_released > 30 && n_full > 10);
    assert_true(n_abandoned > 5);
}

static void a_cap_ends_the_run(void **state)
{
    (void)state;
    struct sim_options options = options_of(3);

    options.n_rounds = 50;
    options.plan.noise_multiplier = 4.0;
    options.plan.epsilon_cap = 3.0;
    struct sim_result result = run(&options);
    assert_true(result.epsilon > 0.5 && result.epsilon <= 3.0);
    assert_true(result.n_rounds < 50);
    assert_false(result.rounds[result.n_rounds - 1].released);
    sim_result_fini(&result);
}

/* 24 units that may take part twice, three rounds apart, eight a round: six rounds, and nobody is
 * left for a seventh. No device has to refuse: the coordinator asks nobody too early. */
static void units_sit_out_and_stop_at_their_limit(void **state)
{
    (void)state;
    /* The last time compute only, where nobody asks devices. */
    for (int i = MIEN_PLAN_INDEPENDENT; i <= MIEN_PLAN_BLT + 1; i++) {
        const int strategy = i <= MIEN_PLAN_BLT ? i : MIEN_PLAN_BLT;
        struct sim_options options = options_of(11);

        options.secure_sum = i <= MIEN_PLAN_BLT;
        options.n_devices = 24;
        options.n_rounds = 7;
        options.check = false;
        options.plan.cohort = 8;
        options.plan.min_reports = 6;
        options.plan.noise_multiplier = 2.0;
        options.plan.rounds = 20;
        options.plan.strategy = (enum mien_plan_strategy)strategy;
        options.plan.min_separation = 3;
        options.plan.max_participations = 2;
        struct sim_result result = run(&options);
        assert_true(result.n_rounds >= 6);
        for (size_t r = 0; r < result.n_rounds; r++) {
            assert_int_equal(result.rounds[r].released, r < 6);
            assert_true(r >= 6 || result.rounds[r].drawn == 8);
        }
        assert_int_equal(result.n_refused, 0);
        /* Two parts of a unit: two releases' epsilon with independent noise. */
        assert_true(strategy != MIEN_PLAN_INDEPENDENT || fabs(result.epsilon - 3.33) < 0.05);
        sim_result_fini(&result);
    }
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_released_sum_is_the_survivors_sum),
        cmocka_unit_test(members_of_broken_sessions_come_to_a_sum_in_others),
        cmocka_unit_test(liars_are_refused_and_the_honest_are_summed),
        cmocka_unit_test(a_drill_sums_zeros_and_leaves_no_trace),
        cmocka_unit_test(threads_do_not_change_the_result),
        cmocka_unit_test(an_adapting_clip_reaches_the_devices),
        cmocka_unit_test(released_sums_hold_the_devices_noise_and_no_other),
        cmocka_unit_test(a_sum_with_too_few_shares_is_never_unmasked),
        cmocka_unit_test(a_cap_ends_the_run),
        cmocka_unit_test(units_sit_out_and_stop_at_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
