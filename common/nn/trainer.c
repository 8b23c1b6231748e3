// SPDX-License-Identifier: Apache-2.0
#include "common/nn/trainer.h"

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/nn/cohort.h"

#include <string.h>

struct mien_trainer {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_cohort *cohort; /* of a lane; NULL else */
    uint32_t lane;
    bool loaded;              /* a lane: whether its batch is in the step, */
    uint64_t loaded_at;       /* and how often the cohort had run then */
    struct mien_step *d_step; /* of a gan's discriminator, or of the whole of another family; a
                               * lane's is its cohort's */
    struct mien_step *g_step; /* NULL when no generator is trained here on its own */
    float *embedding;         /* [n_shared] moments: sum over the steps; NULL else */
    struct mien_workspace workspace; /* of both steps */
    float d_loss;                    /* of the last step */
    float g_loss;
    const float *begun; /* the model as it came, lent */
    float *values;
    struct mien_moments moments; /* Adam: over all values */
    struct mien_rng_seeded *rng;
    uint32_t n_steps;
    size_t next; /* place in the current pass over the examples */
    uint64_t pass_multiplier;
    uint64_t pass_offset;
    size_t pass_n;
};

static bool trains_generator(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_GAN && plan->train_on_device == MIEN_TRAIN_GENERATOR;
}

/* The step of what is trained on the device, the generator apart. */
static enum mien_step_kind main_kind(const struct mien_plan *plan)
{
    switch (plan->family) {
    case MIEN_FAMILY_GAN:
        return MIEN_STEP_DISCRIMINATOR;
    case MIEN_FAMILY_MOMENTS:
        return MIEN_STEP_EMBED;
    default:
        return MIEN_STEP_WHOLE;
    }
}

/* Numbers of the embedding; 0 in other families. */
static uint64_t n_embedding(const struct mien_plan *plan)
{
    return plan->family == MIEN_FAMILY_MOMENTS ? mien_plan_n_shared(plan) : 0;
}

/* The model as trained, Adam's moments, and the embedding's sum. */
static uint64_t values_bytes(const struct mien_plan *plan, const struct mien_layout *layout)
{
    const uint64_t n_vectors = plan->optimiser == MIEN_OPTIMISER_ADAM ? 3 : 1;

    return (n_vectors * layout->n_values + n_embedding(plan)) * sizeof(float);
}

/* What a step takes beside the workspace. */
static uint64_t beside_workspace(const struct mien_cost *cost)
{
    return cost->total_bytes - cost->arena_bytes - cost->scratch_bytes;
}

enum mien_status mien_trainer_cost(const struct mien_plan *plan, struct mien_trainer_cost *out)
{
    struct mien_layout layout;
    struct mien_cost d = {0};
    struct mien_cost g = {0};
    enum mien_status status = mien_layout_init(&layout, plan, NULL);

    if (status == MIEN_OK)
        status = mien_step_cost(plan, &layout, main_kind(plan), plan->batch, &d);
    if (status == MIEN_OK && trains_generator(plan))
        status = mien_step_cost(plan, &layout, MIEN_STEP_GENERATOR, plan->batch, &g);
    if (status != MIEN_OK)
        return status;
    *out = (struct mien_trainer_cost){
        .flops = d.flops + g.flops,
        .arena_bytes = mien_max_size(d.arena_bytes, g.arena_bytes),
        .scratch_bytes = mien_max_size(d.scratch_bytes, g.scratch_bytes),
        .values_bytes = values_bytes(plan, &layout),
    };
    out->total_bytes = sizeof(struct mien_trainer) + out->arena_bytes + out->scratch_bytes +
                       out->values_bytes + beside_workspace(&d) + beside_workspace(&g);
    return MIEN_OK;
}

enum mien_status mien_trainer_bytes(const struct mien_plan *plan, uint64_t *bytes)
{
    struct mien_trainer_cost cost;
    const enum mien_status status = mien_trainer_cost(plan, &cost);

    if (status == MIEN_OK)
        *bytes = cost.total_bytes;
    return status;
}

static enum mien_status make_vectors(struct mien_trainer *t)
{
    const uint64_t n = t->layout.n_values;
    const uint64_t n_sums = n_embedding(&t->plan);
    const bool adam = t->plan.optimiser == MIEN_OPTIMISER_ADAM;

    t->values = mien_calloc(n, sizeof(float));
    t->moments.first = adam ? mien_calloc(n, sizeof(float)) : NULL;
    t->moments.second = adam ? mien_calloc(n, sizeof(float)) : NULL;
    t->embedding = n_sums > 0 ? mien_calloc(n_sums, sizeof(float)) : NULL;
    if (t->values == NULL || (adam && (t->moments.first == NULL || t->moments.second == NULL)) ||
        (n_sums > 0 && t->embedding == NULL))
        return MIEN_ENOMEM;
    return MIEN_OK;
}

enum mien_status mien_trainer_new(const struct mien_plan *plan, struct mien_trainer **out)
{
    struct mien_trainer *t = mien_calloc(1, sizeof(*t));
    enum mien_status status;

    if (t == NULL)
        return MIEN_ENOMEM;
    t->plan = *plan;
    status = mien_layout_init(&t->layout, &t->plan, NULL);
    if (status == MIEN_OK)
        status = mien_step_new_in(&t->plan, &t->layout, main_kind(plan), plan->batch, &t->workspace,
                                  &t->d_step);
    if (status == MIEN_OK && trains_generator(plan))
        status = mien_step_new_in(&t->plan, &t->layout, MIEN_STEP_GENERATOR, plan->batch,
                                  &t->workspace, &t->g_step);
    if (status == MIEN_OK)
        status = make_vectors(t);
    if (status != MIEN_OK) {
        mien_trainer_free(t);
        return status;
    }
    *out = t;
    return MIEN_OK;
}

enum mien_status mien_trainer_new_lane(struct mien_cohort *cohort, uint32_t lane,
                                       struct mien_trainer **out)
{
    struct mien_trainer *t = mien_calloc(1, sizeof(*t));

    if (t == NULL)
        return MIEN_ENOMEM;
    t->plan = *mien_cohort_plan(cohort);
    t->cohort = cohort;
    t->lane = lane;
    t->d_step = mien_cohort_step(cohort);
    const enum mien_status status = mien_layout_init(&t->layout, &t->plan, NULL);
    if (status != MIEN_OK) {
        mien_trainer_free(t);
        return status;
    }
    *out = t;
    return MIEN_OK;
}

static void wipe_values(float *values, uint64_t n)
{
    if (values != NULL)
        mien_wipe(values, n * sizeof(float));
    mien_free(values);
}

void mien_trainer_free(struct mien_trainer *trainer)
{
    if (trainer == NULL)
        return;
    if (trainer->cohort == NULL)
        mien_step_free(trainer->d_step);
    mien_step_free(trainer->g_step);
    mien_workspace_fini(&trainer->workspace);
    wipe_values(trainer->values, trainer->layout.n_values);
    wipe_values(trainer->moments.first, trainer->layout.n_values);
    wipe_values(trainer->moments.second, trainer->layout.n_values);
    wipe_values(trainer->embedding, n_embedding(&trainer->plan));
    mien_rng_seeded_free(trainer->rng);
    mien_free(trainer);
}

const struct mien_layout *mien_trainer_layout(const struct mien_trainer *trainer)
{
    return &trainer->layout;
}

enum mien_status mien_trainer_begin(struct mien_trainer *trainer, const float *values,
                                    struct mien_rng *rng)
{
    const size_t bytes = trainer->layout.n_values * sizeof(float);
    uint8_t key[32];
    enum mien_status status = mien_rng_fill(rng, key, sizeof(key));

    mien_rng_seeded_free(trainer->rng);
    trainer->rng = NULL;
    if (status == MIEN_OK)
        status = mien_rng_seeded_new_key(key, 0, &trainer->rng);
    mien_wipe(key, sizeof(key));
    if (status != MIEN_OK)
        return status;
    if (trainer->cohort == NULL) {
        trainer->begun = values;
        memcpy(trainer->values, values, bytes);
    }
    trainer->loaded = false;
    if (trainer->moments.first != NULL) {
        memset(trainer->moments.first, 0, bytes);
        memset(trainer->moments.second, 0, bytes);
    }
    if (trainer->embedding != NULL)
        memset(trainer->embedding, 0, n_embedding(&trainer->plan) * sizeof(float));
    trainer->moments.t = 0;
    trainer->n_steps = 0;
    trainer->pass_n = 0;
    return MIEN_OK;
}

static size_t gcd(size_t a, size_t b)
{
    while (b != 0) {
        size_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* The next example: passes over all of them, each in an order i -> a i + b mod n with a fresh a
 * prime to n, which takes no memory and meets every example once a pass. */
static size_t next_example(struct mien_trainer *t, size_t n)
{
    if (t->pass_n != n || t->next == n) {
        t->pass_n = n;
        t->next = 0;
        t->pass_offset = mien_rng_seeded_below(t->rng, n);
        do {
            t->pass_multiplier = 1 + mien_rng_seeded_below(t->rng, n);
        } while (gcd((size_t)t->pass_multiplier, n) != 1);
    }
    return (size_t)((t->pass_multiplier * t->next++ + t->pass_offset) % n);
}

static void mirror(float *pixels, uint32_t size, uint32_t channels)
{
    for (uint32_t y = 0; y < size; y++) {
        float *row = pixels + (size_t)y * size * channels;

        for (uint32_t x = 0; x < size / 2; x++) {
            for (uint32_t c = 0; c < channels; c++) {
                float *left = row + (size_t)x * channels + c;
                float *right = row + (size_t)(size - 1 - x) * channels + c;
                const float kept = *left;

                *left = *right;
                *right = kept;
            }
        }
    }
}

/* Generated pictures are asked for with the attributes of real ones. */
static void copy_codes(struct mien_trainer *t)
{
    const size_t n = t->plan.batch * mien_plan_code_size(&t->plan);
    const float *real = mien_step_real_code(t->d_step);

    if (real == NULL)
        return;
    real += t->lane * n;
    if (mien_step_fake_code(t->d_step) != NULL)
        memcpy(mien_step_fake_code(t->d_step) + t->lane * n, real, n * sizeof(float));
    if (t->g_step != NULL)
        memcpy(mien_step_fake_code(t->g_step), real, n * sizeof(float));
}

static enum mien_status load_batch(struct mien_trainer *t, const struct mien_examples *examples)
{
    const struct mien_plan *plan = &t->plan;
    const size_t n_numbers = mien_plan_example_size(plan);
    const size_t n_code = mien_plan_code_size(plan);
    const size_t first = (size_t)t->lane * plan->batch;
    float *codes = mien_step_real_code(t->d_step);

    for (size_t i = first; i < first + plan->batch; i++) {
        float *numbers = mien_step_examples(t->d_step) + i * n_numbers;
        enum mien_status status =
            examples->picture(examples->self, next_example(t, examples->n), numbers,
                              codes == NULL ? NULL : codes + i * n_code);

        if (status != MIEN_OK)
            return status;
        if (plan->flip && plan->family != MIEN_FAMILY_CHARLM &&
            mien_rng_seeded_below(t->rng, 2) == 1)
            mirror(numbers, plan->size, plan->channels);
    }
    copy_codes(t);
    return MIEN_OK;
}

/* What the main step's run gives: another part of the mean embedding, or a step down. */
static void learn(struct mien_trainer *t, const struct mien_moments *moments)
{
    if (t->embedding == NULL) {
        mien_step_apply(t->d_step, t->values, t->plan.d_rate, moments);
        return;
    }
    const float *embedding = mien_step_embedding(t->d_step);
    for (uint64_t i = 0; i < n_embedding(&t->plan); i++)
        t->embedding[i] += embedding[i];
}

bool mien_trainer_waits(const struct mien_trainer *trainer)
{
    return trainer->loaded && mien_cohort_n_runs(trainer->cohort) == trainer->loaded_at;
}

static enum mien_status step_in_lane(struct mien_trainer *t, const struct mien_examples *examples,
                                     bool *done)
{
    *done = t->loaded && !mien_trainer_waits(t);
    if (t->loaded) {
        t->n_steps += *done;
        return MIEN_OK;
    }
    enum mien_status status = load_batch(t, examples);
    if (status == MIEN_OK)
        status = mien_step_draw(t->d_step, t->lane, t->rng);
    t->loaded = status == MIEN_OK;
    t->loaded_at = mien_cohort_n_runs(t->cohort);
    return status;
}

enum mien_status mien_trainer_step(struct mien_trainer *trainer,
                                   const struct mien_examples *examples, bool *done)
{
    struct mien_trainer *t = trainer;
    const struct mien_moments *moments = t->moments.first == NULL ? NULL : &t->moments;

    if (t->rng == NULL || examples->n == 0)
        return MIEN_ESTATE;
    if (t->cohort != NULL)
        return step_in_lane(t, examples, done);
    t->moments.t++;
    enum mien_status status = load_batch(t, examples);
    if (status == MIEN_OK)
        status = mien_step_run(t->d_step, t->values, t->rng);
    if (status != MIEN_OK)
        return status;
    learn(t, moments);
    t->d_loss = mien_step_loss(t->d_step);
    if (t->g_step != NULL) {
        status = mien_step_run(t->g_step, t->values, t->rng);
        if (status != MIEN_OK)
            return status;
        t->g_loss = mien_step_loss(t->g_step);
        mien_step_apply(t->g_step, t->values, t->plan.g_rate, moments);
    }
    t->n_steps++;
    *done = t->n_steps >= t->plan.local_steps;
    return MIEN_OK;
}

void mien_trainer_losses(const struct mien_trainer *trainer, float *d_loss, float *g_loss)
{
    *d_loss = trainer->cohort == NULL ? trainer->d_loss
                                      : mien_step_group_loss(trainer->d_step, trainer->lane);
    *g_loss = trainer->g_loss;
}

const float *mien_trainer_values(const struct mien_trainer *trainer)
{
    return trainer->cohort == NULL ? trainer->values : mien_cohort_values(trainer->cohort);
}

/* Trained, then what was begun at taken off again, as elsewhere. */
static void update_of_lane(const struct mien_trainer *t, float *update, uint64_t n)
{
    const float *begun = mien_cohort_values(t->cohort);

    memcpy(update, begun, n * sizeof(float));
    mien_step_group_apply(t->d_step, t->lane, update, t->plan.d_rate);
    for (uint64_t i = 0; i < n; i++)
        update[i] -= begun[i];
}

void mien_trainer_update(const struct mien_trainer *trainer, float *update, bool *finite)
{
    const uint64_t n = mien_plan_n_shared(&trainer->plan);
    const uint64_t first = mien_plan_first_shared(&trainer->plan);

    if (trainer->cohort != NULL)
        update_of_lane(trainer, update, n);
    for (uint64_t i = 0; i < n && trainer->cohort == NULL; i++) {
        if (trainer->embedding != NULL)
            update[i] = trainer->embedding[i] / (float)trainer->n_steps;
        else
            update[i] = trainer->values[first + i] - trainer->begun[first + i];
    }
    *finite = mien_model_finite(update, n) &&
              mien_model_finite(mien_trainer_values(trainer), mien_plan_n_private(&trainer->plan));
}
