// SPDX-License-Identifier: Apache-2.0
/* mien train: the plan's networks on faces in one place, without federation and without noise. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/nn/optim.h"
#include "common/nn/trainer.h"
#include "server/tools/faces_source.h"
#include "server/tools/fit.h"
#include "server/tools/grid.h"
#include "server/tools/judge.h"
#include "server/tools/model_io.h"
#include "server/tools/plan_options.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Streams of the seed; 0 is that of first values (model_io.c). */
#define STREAM_STEPS 1

/* Lines of losses over the whole training. */
#define N_REPORTS 20

/* Texts that a charlm shows at the end. */
#define N_TEXTS 16

struct train_options {
    const char *preset;
    const char *faces;
    const char *out;
    const char *init;
    const char *grid;
    struct mien_option_list set;
    uint64_t steps;
    uint64_t batch;
    uint64_t seed;
    double d_rate;
    double g_rate;
    double keep;
};

#define N_TRAIN_OPTIONS 12

static void describe(struct train_options *o, struct mien_option options[N_TRAIN_OPTIONS])
{
    const struct mien_option made[N_TRAIN_OPTIONS] = {
        {"--preset", MIEN_OPTION_TEXT, &o->preset, "P", "networks (default demo)"},
        {"--faces", MIEN_OPTION_TEXT, &o->faces, "FDIR",
         "a folder of faces, \"procedural\", or \"procedural-plain\" (no glasses, no hats)"},
        {"--steps", MIEN_OPTION_NUMBER, &o->steps, "N", "steps of all networks (default 10000)"},
        {"--out", MIEN_OPTION_TEXT, &o->out, "MODEL", "the model file to write"},
        {"--set", MIEN_OPTION_LIST, &o->set, "K=V", "a key of the plan, may be repeated"},
        {"--seed", MIEN_OPTION_NUMBER, &o->seed, "S", "of values, order and latents (default 1)"},
        {"--init", MIEN_OPTION_TEXT, &o->init, "MODEL", "start from this model's values"},
        {"--grid", MIEN_OPTION_TEXT, &o->grid, "FILE.png",
         "draw 64 generated faces at the end, or 32 faces and their reconstructions"},
        {"--batch", MIEN_OPTION_NUMBER, &o->batch, "N", "faces of a step (default 16)"},
        {"--d-rate", MIEN_OPTION_REAL, &o->d_rate, "R",
         "Adam's rate of the discriminator or of the whole (default 0.002)"},
        {"--g-rate", MIEN_OPTION_REAL, &o->g_rate, "R",
         "Adam's rate of the generator (default 0.001)"},
        {"--keep", MIEN_OPTION_REAL, &o->keep, "R",
         "share of the average generator kept per step (default 0.998)"},
    };

    memcpy(options, made, sizeof(made));
}

static enum mien_status check(const struct train_options *o, struct mien_err *err)
{
    if (o->faces == NULL || o->out == NULL)
        return mien_err_set(err, MIEN_EINVAL, "%s is missing",
                            o->faces == NULL ? "--faces" : "--out");
    if (o->steps == 0 || o->steps > UINT32_MAX)
        return mien_err_set(err, MIEN_EINVAL, "--steps is %" PRIu64 ", expected 1 or more",
                            o->steps);
    if (o->batch == 0 || o->batch > 4096)
        return mien_err_set(err, MIEN_EINVAL, "--batch is %" PRIu64 ", expected 1 to 4096",
                            o->batch);
    if (!(o->d_rate > 0.0 && o->d_rate <= 1.0) || !(o->g_rate > 0.0 && o->g_rate <= 1.0))
        return mien_err_set(err, MIEN_EINVAL, "--d-rate and --g-rate are above 0, at most 1");
    if (!(o->keep >= 0.0 && o->keep < 1.0))
        return mien_err_set(err, MIEN_EINVAL, "--keep is %g, expected 0 to below 1", o->keep);
    return MIEN_OK;
}

/* How the same networks train in one place: both of them, with Adam, in large batches. */
static struct mien_plan central_plan(const struct mien_plan *plan, const struct train_options *o)
{
    struct mien_plan central = *plan;

    central.train_on_device = MIEN_TRAIN_GENERATOR;
    central.share = MIEN_PLAN_SHARE_ALL;
    central.optimiser = MIEN_OPTIMISER_ADAM;
    central.batch = (uint32_t)o->batch;
    central.d_rate = o->d_rate;
    central.g_rate = o->g_rate;
    central.g_server_rate = o->g_rate;
    return central;
}

static enum mien_status start_model(const struct train_options *o, const struct mien_plan *plan,
                                    struct mien_tool_model *model, struct mien_err *err)
{
    struct mien_tool_model from = {0};
    enum mien_status status = mien_tool_model_start(plan, o->seed, model, err);

    if (status != MIEN_OK || o->init == NULL)
        return status;
    status = mien_tool_model_read(o->init, &from, err);
    if (status == MIEN_OK &&
        (from.layout.n_values != model->layout.n_values || from.layout.n_d != model->layout.n_d))
        status = mien_err_set(err, MIEN_EINVAL, "%s has %" PRIu64 " parameters, the plan %" PRIu64,
                              o->init, from.layout.n_values, model->layout.n_values);
    if (status == MIEN_OK) {
        memcpy(model->values, from.values, model->layout.n_values * sizeof(float));
        memcpy(model->average, from.average,
               (model->layout.n_values - model->layout.n_d) * sizeof(float));
    }
    mien_tool_model_fini(&from);
    return status;
}

static void report(const struct mien_trainer *trainer, enum mien_family family, uint64_t step,
                   uint64_t started_ms)
{
    float d_loss;
    float g_loss;

    mien_trainer_losses(trainer, &d_loss, &g_loss);
    const double seconds = (double)(mien_clock_ms() - started_ms) / 1000.0;
    if (family == MIEN_FAMILY_GAN)
        mien_log(MIEN_INFO, "train.step", "step=%" PRIu64 " d_loss=%.3f g_loss=%.3f seconds=%.1f",
                 step, (double)d_loss, (double)g_loss, seconds);
    else
        mien_log(MIEN_INFO, "train.step", "step=%" PRIu64 " loss=%.4f seconds=%.1f", step,
                 (double)d_loss, seconds);
}

/* All steps; model->values is what they begin at and end with. */
static enum mien_status train(const struct train_options *o, struct mien_trainer *trainer,
                              const struct mien_examples *examples, struct mien_tool_model *model)
{
    const struct mien_layout *layout = &model->layout;
    const uint64_t n_g = layout->n_values - layout->n_d;
    const uint64_t every = o->steps < N_REPORTS ? 1 : o->steps / N_REPORTS;
    const uint64_t started_ms = mien_clock_ms();
    struct mien_progress progress;
    enum mien_status status = MIEN_OK;
    bool done;

    mien_progress_init(&progress, "training");
    for (uint64_t step = 1; step <= o->steps && status == MIEN_OK; step++) {
        status = mien_trainer_step(trainer, examples, &done);
        if (status != MIEN_OK)
            break;
        /* A young average forgets its start faster (Adam's bias, the other way round). */
        const double young = (double)step / (double)(step + 9);

        mien_ema_step(model->average, mien_trainer_values(trainer) + layout->n_d, n_g,
                      young < o->keep && o->init == NULL ? young : o->keep);
        mien_progress_set(&progress, step, o->steps);
        if (step % every == 0)
            report(trainer, model->plan.family, step, started_ms);
    }
    mien_progress_fini(&progress);
    memcpy(model->values, mien_trainer_values(trainer), layout->n_values * sizeof(float));
    return status;
}

static enum mien_status train_steps(const struct train_options *o, const struct mien_plan *central,
                                    const struct mien_examples *examples,
                                    struct mien_tool_model *model)
{
    struct mien_trainer *trainer = NULL;
    struct mien_rng_seeded *seeded = NULL;
    enum mien_status status = mien_trainer_new(central, &trainer);

    if (status == MIEN_OK)
        status = mien_rng_seeded_new(o->seed, STREAM_STEPS, &seeded);
    if (status == MIEN_OK) {
        struct mien_rng rng = mien_rng_seeded_handle(seeded);

        status = mien_trainer_begin(trainer, model->values, &rng);
    }
    if (status == MIEN_OK)
        status = train(o, trainer, examples, model);
    mien_rng_seeded_free(seeded);
    mien_trainer_free(trainer);
    return status;
}

/* What the model can do now: a grid where asked for, texts of a charlm, a line of the log. */
static enum mien_status show(const struct train_options *o, const struct mien_tool_model *model,
                             const struct mien_examples *held_out, struct mien_err *err)
{
    const enum mien_family family = model->plan.family;
    enum mien_status status = mien_judge_say(model, held_out);

    if (status == MIEN_OK && family == MIEN_FAMILY_CHARLM)
        status = mien_judge_texts(model, N_TEXTS, o->seed);
    if (status != MIEN_OK || o->grid == NULL)
        return status;
    if (family == MIEN_FAMILY_CLASSIFIER || family == MIEN_FAMILY_CHARLM)
        return mien_err_set(err, MIEN_EINVAL, "--grid: a %s draws no pictures",
                            mien_family_name(family));
    if (family == MIEN_FAMILY_GAN || family == MIEN_FAMILY_MOMENTS)
        return mien_tool_grid(model, o->seed, o->grid, err);
    return mien_judge_grid(model, held_out, o->grid, err);
}

static enum mien_status train_model(const struct train_options *o, struct mien_tool_model *model,
                                    struct mien_err *err)
{
    const struct mien_plan central = central_plan(&model->plan, o);
    struct mien_faces_source *source = NULL;
    enum mien_status status = mien_plan_validate(&central, err);

    if (status == MIEN_OK)
        status = mien_faces_source_open(o->faces, &central, o->seed, &source, err);
    if (status != MIEN_OK)
        return status;
    const struct mien_examples examples = mien_faces_source_examples(source);
    const struct mien_examples held_out = mien_faces_source_held_out(source);
    if (central.family == MIEN_FAMILY_MOMENTS)
        status = mien_fit_moments(&central, &examples, o->steps, o->seed, model);
    else
        status = train_steps(o, &central, &examples, model);
    if (status == MIEN_OK && !mien_model_finite(model->values, model->layout.n_values))
        status = mien_err_set(err, MIEN_ESTATE,
                              "training ran away: the model is no longer finite, "
                              "smaller rates may help");
    if (status == MIEN_OK)
        status = mien_tool_model_write(model, o->out, err);
    if (status == MIEN_OK)
        status = show(o, model, &held_out, err);
    mien_faces_source_free(source);
    return status;
}

static enum mien_status run(const struct train_options *o, struct mien_err *err)
{
    struct mien_tool_model model = {0};
    struct mien_plan plan;
    enum mien_status status = check(o, err);

    if (status == MIEN_OK)
        status = mien_tool_plan_of(o->preset, &o->set, &plan, err);
    if (status == MIEN_OK && mien_plan_warning(&plan) != NULL)
        mien_log(MIEN_WARN, "plan.warning", "why=\"%s\"", mien_plan_warning(&plan));
    if (status == MIEN_OK)
        status = start_model(o, &plan, &model, err);
    if (status == MIEN_OK)
        status = train_model(o, &model, err);
    mien_tool_model_fini(&model);
    return status;
}

int mien_tool_train(int argc, char **argv)
{
    struct train_options o = {.preset = "demo",
                              .steps = 10000,
                              .batch = 16,
                              .seed = 1,
                              .d_rate = 2e-3,
                              .g_rate = 1e-3,
                              .keep = 0.998};
    struct mien_option options[N_TRAIN_OPTIONS];
    const struct mien_command command = {
        .name = "mien train",
        .synopsis = "[--preset P] --faces FDIR --steps N --out MODEL",
        .about = "Trains the plan's networks on faces in one place, without federation and without "
                 "noise: start models, baselines. Nothing about it is private.",
        .options = options,
        .n_options = N_TRAIN_OPTIONS,
    };
    struct mien_err err = {0};
    bool done = false;

    describe(&o, options);
    enum mien_status status = mien_options_parse(&command, argc, argv, NULL, &done, &err);
    if (status == MIEN_OK && !done)
        status = run(&o, &err);
    return mien_command_end(&command, status, &err);
}
