// SPDX-License-Identifier: Apache-2.0
#include "server/tools/draw.h"

#include "common/base/mem.h"
#include "common/nn/generator.h"

/* Streams of the seed. */
#define STREAM_LATENTS 1
#define STREAM_ATTRIBUTES 2

struct mien_draw {
    const struct mien_plan *plan;
    struct mien_wanted wanted;
    struct mien_generator *generator;
    float *values;
    struct mien_rng_seeded *latents;
    struct mien_rng_seeded *attributes;
    uint64_t n_drawn;
    struct mien_wanted_values asked[MIEN_DRAW_BATCH];
};

enum mien_status mien_draw_new(const struct mien_tool_model *model, uint64_t seed,
                               const struct mien_option_list *attr, const char *balance,
                               struct mien_draw **out, struct mien_err *err)
{
    static const struct mien_option_list none = {0};
    struct mien_draw *draw;
    enum mien_status status;

    if (!mien_plan_draws(&model->plan))
        return mien_err_set(err, MIEN_EINVAL, "a model of family %s draws no pictures",
                            mien_family_name(model->plan.family));
    draw = mien_calloc(1, sizeof(*draw));
    if (draw == NULL)
        return MIEN_ENOMEM;
    draw->plan = &model->plan;
    status =
        mien_wanted_init(&draw->wanted, &model->plan, attr == NULL ? &none : attr, balance, err);
    if (status == MIEN_OK)
        status = mien_generator_new(&model->plan, MIEN_DRAW_BATCH, &draw->generator);
    if (status == MIEN_OK)
        status = mien_tool_model_averaged(model, &draw->values);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_LATENTS, &draw->latents);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_ATTRIBUTES, &draw->attributes);
    if (status != MIEN_OK) {
        mien_draw_free(draw);
        return status;
    }
    *out = draw;
    return MIEN_OK;
}

void mien_draw_free(struct mien_draw *draw)
{
    if (draw == NULL)
        return;
    mien_generator_free(draw->generator);
    mien_free(draw->values);
    mien_rng_seeded_free(draw->latents);
    mien_rng_seeded_free(draw->attributes);
    mien_free(draw);
}

enum mien_status mien_draw_next(struct mien_draw *draw, struct mien_draw_batch *out)
{
    const uint32_t n_code = mien_plan_condition_size(draw->plan);
    float *const latents = mien_generator_latents(draw->generator);
    float *z = latents;
    float *codes = mien_generator_codes(draw->generator);
    const float *pictures = NULL;

    for (uint32_t i = 0; i < MIEN_DRAW_BATCH; i++) {
        for (uint32_t j = 0; j < draw->plan->latent; j++)
            *z++ = mien_rng_seeded_normal(draw->latents);
        mien_wanted_draw(&draw->wanted, draw->n_drawn++, draw->attributes, &draw->asked[i]);
        if (n_code > 0)
            mien_wanted_code(&draw->wanted, &draw->asked[i], codes + (size_t)i * n_code);
    }
    if (!mien_rng_seeded_ok(draw->latents) || !mien_rng_seeded_ok(draw->attributes))
        return MIEN_ECRYPTO;
    enum mien_status status = mien_generator_run(draw->generator, draw->values, &pictures);
    if (status == MIEN_OK)
        *out = (struct mien_draw_batch){pictures, latents, codes, draw->asked};
    return status;
}
