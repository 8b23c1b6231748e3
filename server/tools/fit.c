// SPDX-License-Identifier: Apache-2.0
#include "server/tools/fit.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/nn/gtrainer.h"

#include <inttypes.h>
#include <string.h>

/* Streams of the seed. */
#define STREAM_STEPS 1
#define STREAM_FIT 6

/* Lines of losses over the whole training. */
#define N_REPORTS 20

/* The mean embedding over one pass of the examples. */
static enum mien_status embed(const struct mien_plan *central, const struct mien_examples *examples,
                              uint64_t seed, const float *values, float *embedding)
{
    struct mien_trainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    enum mien_status status = mien_trainer_new(central, &trainer);
    bool done;
    bool finite;

    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_STEPS, &seeded);
    if (status == MIEN_OK) {
        struct mien_rng rng = mien_rng_seeded_handle(seeded);

        status = mien_trainer_begin(trainer, values, &rng);
    }
    for (size_t at = 0; at < examples->n && status == MIEN_OK; at += central->batch)
        status = mien_trainer_step(trainer, examples, &done);
    if (status == MIEN_OK)
        mien_trainer_update(trainer, embedding, &finite);
    mien_rng_seeded_free(seeded);
    mien_trainer_free(trainer);
    return status;
}

static enum mien_status fit(struct mien_gtrainer *trainer, uint64_t n_steps,
                            struct mien_moments *moments, struct mien_rng_seeded *rng,
                            struct mien_tool_model *model)
{
    const uint64_t every = n_steps < N_REPORTS ? 1 : n_steps / N_REPORTS;
    struct mien_progress progress;
    enum mien_status status = MIEN_OK;

    mien_progress_init(&progress, "fitting");
    for (uint64_t step = 1; step <= n_steps && status == MIEN_OK; step++) {
        status = mien_gtrainer_run(trainer, model->values, moments, rng);
        mien_progress_set(&progress, step, n_steps);
        if (step % every == 0)
            mien_log(MIEN_INFO, "train.step", "step=%" PRIu64 " loss=%.5f", step,
                     (double)mien_gtrainer_loss(trainer));
    }
    mien_progress_fini(&progress);
    memcpy(model->average, model->values + model->layout.n_d,
           (model->layout.n_values - model->layout.n_d) * sizeof(float));
    return status;
}

enum mien_status mien_fit_moments(const struct mien_plan *central,
                                  const struct mien_examples *examples, uint64_t n_steps,
                                  uint64_t seed, struct mien_tool_model *model)
{
    struct mien_plan stepwise = *central;
    struct mien_gtrainer *trainer = NULL;
    struct mien_rng_seeded *rng = NULL;
    struct mien_moments moments = {mien_calloc(model->layout.n_values, sizeof(float)),
                                   mien_calloc(model->layout.n_values, sizeof(float)), 0};
    enum mien_status status = MIEN_ENOMEM;

    stepwise.g_steps = 1;
    if (moments.first != NULL && moments.second != NULL)
        status = mien_gtrainer_new(&stepwise, &trainer);
    if (status == MIEN_OK)
        status = embed(central, examples, seed, model->values, mien_gtrainer_target(trainer));
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_FIT, &rng);
    if (status == MIEN_OK)
        status = fit(trainer, n_steps, &moments, rng, model);
    mien_gtrainer_free(trainer);
    mien_rng_seeded_free(rng);
    mien_free(moments.first);
    mien_free(moments.second);
    return status;
}
