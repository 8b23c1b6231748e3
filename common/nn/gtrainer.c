// SPDX-License-Identifier: Apache-2.0
#include "common/nn/gtrainer.h"

#include "common/base/mem.h"
#include "common/nn/generator.h"
#include "common/nn/step.h"

struct mien_gtrainer {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_step *step;
};

enum mien_status mien_gtrainer_new(const struct mien_plan *plan, struct mien_gtrainer **out)
{
    struct mien_gtrainer *t = mien_calloc(1, sizeof(*t));
    enum mien_status status;

    if (t == NULL)
        return MIEN_ENOMEM;
    t->plan = *plan;
    status = mien_layout_init(&t->layout, &t->plan, NULL);
    const enum mien_step_kind kind =
        plan->family == MIEN_FAMILY_MOMENTS ? MIEN_STEP_MATCH : MIEN_STEP_GENERATOR;
    if (!mien_plan_trains_at_coordinator(plan))
        status = MIEN_EINVAL;
    if (status == MIEN_OK)
        status = mien_step_new(&t->plan, &t->layout, kind, plan->g_batch, &t->step);
    if (status != MIEN_OK) {
        mien_gtrainer_free(t);
        return status;
    }
    *out = t;
    return MIEN_OK;
}

void mien_gtrainer_free(struct mien_gtrainer *trainer)
{
    if (trainer == NULL)
        return;
    mien_step_free(trainer->step);
    mien_free(trainer);
}

float *mien_gtrainer_target(struct mien_gtrainer *trainer)
{
    return mien_step_target(trainer->step);
}

float mien_gtrainer_loss(const struct mien_gtrainer *trainer)
{
    return mien_step_loss(trainer->step);
}

enum mien_status mien_gtrainer_run(struct mien_gtrainer *trainer, float *values,
                                   struct mien_moments *moments, struct mien_rng_seeded *rng)
{
    const uint32_t n_code = mien_plan_condition_size(&trainer->plan);

    for (uint32_t i = 0; i < trainer->plan.g_steps; i++) {
        for (uint32_t j = 0; n_code > 0 && j < trainer->plan.g_batch; j++)
            mien_code_draw(&trainer->plan, rng,
                           mien_step_fake_code(trainer->step) + (size_t)j * n_code);
        enum mien_status status = mien_step_run(trainer->step, values, rng);
        if (status != MIEN_OK)
            return status;
        moments->t++;
        mien_step_apply(trainer->step, values, trainer->plan.g_server_rate, moments);
    }
    return MIEN_OK;
}
