// SPDX-License-Identifier: Apache-2.0
/* RELEASE's work: masks off, noise on, the average applied, the generator trained, the file made.
 */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/dp/clip.h"
#include "common/nn/model_file.h"
#include "common/plan/clipping.h"
#include "common/secagg/rotate.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t n_generator(const struct mien_coordinator *c)
{
    return c->layout.n_values - c->layout.n_d;
}

static enum mien_status seal_state(struct mien_coordinator *c, struct mien_release_state *state)
{
    mien_model_to_bytes(state->values, c->layout.n_values, state->bytes);
    return mien_digest((struct mien_span){state->bytes, 4 * c->layout.n_values}, state->hash);
}

enum mien_status mien_round_state_load(struct mien_coordinator *c)
{
    memcpy(c->model.values, c->config.values, c->layout.n_values * sizeof(float));
    memcpy(c->model.average, c->config.average, n_generator(c) * sizeof(float));
    c->model.clip = c->config.plan.clip;
    enum mien_status status = mien_round_state_decode(c, c->config.server_state, &c->model);
    mien_secagg_params_set_clip(&c->params, c->model.clip);
    return status == MIEN_OK ? seal_state(c, &c->model) : status;
}

/* Adds every session that can be unmasked to the noise that is in `total` already. */
static enum mien_status unmask_all(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_crew *crew = c->config.crew.run == NULL ? NULL : &c->config.crew;
    enum mien_status last = MIEN_ESTATE;

    for (uint32_t g = 0; g < c->n_groups; g++) {
        struct mien_group *group = &c->groups[g];

        if (group->sum == NULL)
            continue;
        enum mien_status status = mien_secagg_sum_unmask(group->sum, crew, c->total, &group->blame);
        if (status == MIEN_OK)
            job->any_session = true;
        else
            last = status;
    }
    return job->any_session ? MIEN_OK : last;
}

static enum mien_status train_generator(struct mien_coordinator *c)
{
    struct mien_rng_seeded *seeded = NULL;
    uint8_t key[32];

    if (c->gtrainer == NULL)
        return MIEN_OK;
    enum mien_status status = mien_rng_fill(&c->config.rng, key, sizeof(key));
    if (status == MIEN_OK)
        status = mien_rng_seeded_new_key(key, 0, &seeded);
    if (status == MIEN_OK)
        status = mien_gtrainer_run(c->gtrainer, c->next.values, &c->next.moments, seeded);
    mien_rng_seeded_free(seeded);
    return status;
}

/* The clip of the round that follows. */
static void move_clip(struct mien_coordinator *c, float share_clipped)
{
    const struct mien_plan *plan = &c->config.plan;

    if (mien_plan_clip_adapts(plan))
        c->next.clip = mien_clip_next(c->model.clip, 1.0 - (double)share_clipped,
                                      plan->clip_quantile, plan->clip_rate);
}

/* The average update moves the model as the optimiser says; a mean embedding is what the generator
 * is fitted to. */
static void use_update(struct mien_coordinator *c, const float *update)
{
    float *shared = c->next.values + mien_plan_first_shared(&c->config.plan);

    if (c->config.plan.family == MIEN_FAMILY_MOMENTS) {
        memcpy(mien_gtrainer_target(c->gtrainer), update, c->params.n_update * sizeof(*update));
        return;
    }
    mien_server_step(&c->config.plan, update, &c->next.server, shared, c->params.n_update);
}

/* next = served and what was learned; the generator after it; the running average after that. */
static enum mien_status make_next(struct mien_coordinator *c, struct mien_job *job)
{
    const uint64_t n = c->layout.n_values;
    struct mien_release_state *next = &c->next;
    uint8_t rotation[MIEN_ROTATION_KEY_BYTES];
    enum mien_status status =
        mien_rotation_key(c->round.round, c->model.hash, c->plan_hash, rotation);
    float *update = mien_calloc(c->params.dim, sizeof(*update));

    if (update == NULL)
        return MIEN_ENOMEM;
    if (status == MIEN_OK)
        status = mien_dequantise(&c->params, rotation, c->total, c->config.plan.cohort, update,
                                 job->metrics);
    if (status != MIEN_OK) {
        mien_free(update);
        return status;
    }
    mien_round_state_copy(c, next, &c->model);
    use_update(c, update);
    move_clip(c, job->metrics[MIEN_METRIC_CLIPPED]);
    mien_free(update);
    status = train_generator(c);
    mien_ema_step(next->average, next->values + c->layout.n_d, n_generator(c), c->config.plan.ema);
    if (status == MIEN_OK && !mien_model_finite(next->values, n))
        return MIEN_EINVAL;
    return status == MIEN_OK ? seal_state(c, next) : status;
}

static enum mien_status encode_file(struct mien_coordinator *c, struct mien_buf *out)
{
    struct mien_buf plan = {0};
    char round[24];
    char epsilon[32];
    char delta[32];
    enum mien_status status = mien_base64url(mien_buf_span(&c->plan_bytes), &plan);

    if (status == MIEN_OK)
        status = mien_buf_append_u8(&plan, 0);
    (void)snprintf(round, sizeof(round), "%" PRIu64, c->round.round);
    (void)snprintf(epsilon, sizeof(epsilon), "%.9g", c->budget.after.epsilon);
    (void)snprintf(delta, sizeof(delta), "%.9g", c->config.plan.delta);
    if (status == MIEN_OK) {
        const struct mien_safetensors_pair pairs[] = {
            {MIEN_MODEL_FILE_PLAN, (const char *)plan.data},
            {MIEN_MODEL_FILE_ROUND, round},
            {MIEN_MODEL_FILE_EPSILON, epsilon},
            {MIEN_MODEL_FILE_DELTA, delta},
            {MIEN_MODEL_FILE_TRAINING,
             c->config.simulated ? "simulated, not private" : "federated"},
        };

        status = mien_model_file_encode(&c->layout, c->next.values, c->next.average, pairs,
                                        sizeof(pairs) / sizeof(pairs[0]), out);
    }
    mien_buf_fini(&plan);
    return status;
}

static enum mien_status publish(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    struct mien_buf file = {0};
    struct mien_buf server_state = {0};
    enum mien_status status = encode_file(c, &file);

    if (status == MIEN_OK)
        status = mien_round_state_encode(c, &c->next, &server_state);
    if (status == MIEN_OK) {
        struct mien_ledger_release release = {.file = mien_buf_span(&file),
                                              .server_state = mien_buf_span(&server_state)};

        memcpy(release.model_hash, c->next.hash, 32);
        status = ledger->publish(ledger->self, c->round, &release, &job->version, &job->err);
    }
    mien_buf_fini(&file);
    mien_buf_fini(&server_state);
    return status;
}

void mien_round_run_release(struct mien_coordinator *c, struct mien_job *job)
{
    job->any_session = false;
    job->status = unmask_all(c, job);
    if (job->status != MIEN_OK)
        return;
    job->status = make_next(c, job);
    mien_wipe(c->total, c->params.dim * sizeof(*c->total));
    if (job->status == MIEN_EINVAL) {
        /* Numbers that are not finite are no model: the charge is spent, nothing is released. */
        job->any_session = false;
        return;
    }
    if (job->status == MIEN_OK)
        job->status = publish(c, job);
}
