// SPDX-License-Identifier: Apache-2.0
/* What a device pays for noise of its own: CPU time on one thread, medians of interleaved runs.
 *
 * Usage: bench_local [PRESET]   faces32 unless said
 *
 * "batch" is a plain local step on the plan's batch; "single" one that protects single examples, on
 * as many of them (everybody is drawn), clip and noise included; both train the discriminator only.
 * "share" is the noise that privacy.noise_by = devices adds to a vector.
 */
#include "client/local.h"
#include "client/noise.h"
#include "common/base/rng_seeded.h"
#include "common/plan/preset.h"
#include "common/wire/vector.h"
#include "tests/bench/bench.h"

#define N_RUNS 15

static enum mien_status grey(void *self, size_t index, float *numbers, float *code)
{
    const struct mien_plan *plan = self;

    for (uint32_t i = 0; i < mien_plan_example_size(plan); i++)
        numbers[i] = (float)((i + index) % 7) / 7.0f;
    for (uint32_t i = 0; code != NULL && i < mien_plan_code_size(plan); i++)
        code[i] = 0.0f;
    return MIEN_OK;
}

static void start(const struct mien_layout *layout, float *values)
{
    struct mien_rng_seeded *seeded = NULL;

    need(mien_rng_seeded_new(1, 0, &seeded), "a generator");
    need(mien_model_start(layout, seeded, values), "a model");
    mien_rng_seeded_free(seeded);
}

int main(int argc, char **argv)
{
    const struct mien_client_local_rule rule = {1.0, 1.0, 1.0, 1.0, 1e-5};
    const char *preset = argc > 1 ? argv[1] : "faces32";
    struct mien_plan plan;
    struct mien_plan shared;
    struct mien_secagg_params params;
    struct mien_trainer *trainer = NULL;
    struct mien_client_local *local = NULL;
    struct mien_rng rng = mien_rng_system();
    double batch[N_RUNS];
    double single[N_RUNS];
    double share[N_RUNS];

    need(mien_plan_preset(preset, &plan, NULL), preset);
    plan.train_on_device = MIEN_TRAIN_DISCRIMINATOR;
    plan.local_steps = MIEN_PLAN_MAX_LOCAL_STEPS;
    shared = plan;
    shared.train_on_device = MIEN_TRAIN_GENERATOR;
    shared.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
    shared.noise_by = MIEN_PLAN_NOISE_BY_DEVICES;
    need(mien_secagg_params_of_plan(&shared, &params, NULL), "the vector");
    need(mien_trainer_new(&plan, &trainer), "training");
    need(mien_client_local_new(&plan, &rule, &rng, &local), "protected training");
    const struct mien_layout *layout = mien_trainer_layout(trainer);
    float *values = block(layout->n_values, sizeof(float));
    int32_t *vector = block(params.dim, sizeof(int32_t));
    const struct mien_examples examples = {&plan, plan.batch, grey};
    bool done;

    start(layout, values);
    need(mien_trainer_begin(trainer, values, &rng), "training");
    need(mien_each_begin(mien_client_local_each(local), values, &rng), "protected training");
    for (int run = -1; run < N_RUNS; run++) { /* the first touches memory */
        const int at = run < 0 ? 0 : run;
        double before = cpu_ms();

        need(mien_trainer_step(trainer, &examples, &done), "a step");
        batch[at] = cpu_ms() - before;
        before = cpu_ms();
        need(mien_each_step(mien_client_local_each(local), &examples, &done), "a protected step");
        single[at] = cpu_ms() - before;
        before = cpu_ms();
        need(mien_client_add_noise(&params, &rng, vector), "noise");
        share[at] = cpu_ms() - before;
    }
    printf("%s, batch %u: step %.2f ms, on single examples %.2f ms (%.2f x); share of noise on %u "
           "coordinates %.2f ms\n",
           preset, plan.batch, median_ms(batch, N_RUNS), median_ms(single, N_RUNS),
           median_ms(single, N_RUNS) / median_ms(batch, N_RUNS), params.dim,
           median_ms(share, N_RUNS));
    mien_trainer_free(trainer);
    mien_client_local_free(local);
    mien_free(values);
    mien_free(vector);
    return 0;
}
