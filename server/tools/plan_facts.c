// SPDX-License-Identifier: Apache-2.0
#include "server/tools/plan_facts.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/dp/account.h"
#include "common/plan/noise.h"
#include "common/secagg/device.h"
#include "common/wire/frame.h"
#include "common/wire/vector.h"
#include "server/store/mechanism.h"

#include <math.h>

/* Indices of examples that a device keeps while it looks which can be used (client/train.c). */
#define EXAMPLE_LIST_BYTES (UINT64_C(65536) * sizeof(uint32_t))

#define MEASURE_SECONDS 0.5

static enum mien_status vector_facts(const struct mien_plan *plan, struct mien_plan_facts *out,
                                     struct mien_err *err)
{
    struct mien_secagg_params params;
    enum mien_status status = mien_secagg_params_of_plan(plan, &params, err);

    if (status != MIEN_OK)
        return status;
    out->dim = params.dim;
    out->share = params.share;
    out->n_shares = params.share > 0 ? mien_plan_noise_shares(plan) : 0;
    out->bits = params.bits;
    out->upload_bytes = mien_secagg_packed_bytes(params.dim, params.bits);
    out->download_bytes = out->n_parameters * sizeof(float);
    out->vector_bytes = (uint64_t)params.dim * sizeof(int32_t);
    out->session_bytes = mien_secagg_device_bytes(plan->group_max) + MIEN_FRAME_RAW_BYTES;
    return MIEN_OK;
}

/* Training holds the model once more, or the vector's length of numbers, and an example; a round
 * the downloaded model, the vector, and what stays on the device. */
static uint64_t device_bytes(const struct mien_plan *plan, const struct mien_plan_facts *facts)
{
    const uint64_t n_values = facts->dim > facts->n_parameters ? facts->dim : facts->n_parameters;
    const uint64_t training = facts->training.total_bytes + EXAMPLE_LIST_BYTES +
                              (n_values + mien_plan_example_size(plan)) * sizeof(float);
    const uint64_t busy = training > facts->session_bytes ? training : facts->session_bytes;

    return 2 * sizeof(*plan) + facts->download_bytes + facts->vector_bytes +
           mien_plan_n_private(plan) * sizeof(float) + busy;
}

static enum mien_status privacy_facts(const struct mien_plan *plan, struct mien_plan_facts *out,
                                      struct mien_err *err)
{
    struct mien_entry_plan entry;
    struct mien_dp_cost cost;

    out->epsilon = (double)INFINITY;
    out->epsilon_witness = (double)INFINITY;
    if (!(plan->noise_multiplier > 0.0))
        return MIEN_OK;
    enum mien_status status = mien_mechanism_of_plan(plan, &entry, err);
    if (status != MIEN_OK)
        return status;
    const struct mien_dp_event event = mien_mechanism_event(&entry.mechanism, plan->rounds);
    status = mien_dp_account(&event, 1, plan->delta, &cost, err);
    if (status != MIEN_OK)
        return status;
    out->noise = mien_mechanism_correlated(&entry.mechanism)
                     ? mien_mechanism_noise(&entry.mechanism)
                     : event.noise;
    out->epsilon = cost.epsilon;
    out->epsilon_witness = cost.epsilon_witness;
    return MIEN_OK;
}

enum mien_status mien_plan_facts(const struct mien_plan *plan, struct mien_plan_facts *out,
                                 struct mien_err *err)
{
    struct mien_layout layout;
    struct mien_plan_facts facts = {0};
    enum mien_status status = mien_layout_init(&layout, plan, err);

    if (status != MIEN_OK)
        return status;
    facts.n_parameters = layout.n_values;
    facts.n_first = layout.n_d;
    status = vector_facts(plan, &facts, err);
    if (status == MIEN_OK)
        status = mien_trainer_cost(plan, &facts.training);
    if (status == MIEN_OK)
        status = privacy_facts(plan, &facts, err);
    if (status != MIEN_OK)
        return status;
    facts.device_bytes = device_bytes(plan, &facts);
    facts.round_flops = facts.training.flops * plan->local_steps;
    *out = facts;
    return MIEN_OK;
}

/* ---- speed ---- */

struct noise {
    const struct mien_plan *plan;
    struct mien_rng_seeded *rng;
};

/* Random examples: arithmetic takes as long on any. A text is symbol 0 throughout. */
static enum mien_status example(void *self, size_t index, float *numbers, float *code)
{
    const struct noise *noise = self;
    const uint32_t n = mien_plan_example_size(noise->plan);
    const uint32_t n_code = mien_plan_code_size(noise->plan);
    const bool text = noise->plan->family == MIEN_FAMILY_CHARLM;

    (void)index;
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = text ? 0.0f : 2.0f * mien_rng_seeded_uniform(noise->rng) - 1.0f;
    for (uint32_t i = 0; code != NULL && i < n_code; i++)
        code[i] = 0.0f;
    return MIEN_OK;
}

/* The first step pages memory in and is not counted. */
static enum mien_status time_steps(struct mien_trainer *trainer, struct noise *noise,
                                   double *step_seconds)
{
    const struct mien_examples examples = {noise, noise->plan->batch, example};
    bool done;
    enum mien_status status = mien_trainer_step(trainer, &examples, &done);
    const double started = mien_clock_thread_seconds();
    double spent = 0.0;
    uint32_t n = 0;

    while (status == MIEN_OK && spent < MEASURE_SECONDS) {
        status = mien_trainer_step(trainer, &examples, &done);
        spent = mien_clock_thread_seconds() - started;
        n++;
    }
    if (status == MIEN_OK)
        *step_seconds = spent / n;
    return status;
}

enum mien_status mien_plan_measure(const struct mien_plan *plan,
                                   const struct mien_plan_facts *facts, double *out)
{
    struct noise noise = {.plan = plan};
    struct mien_trainer *trainer = NULL;
    float *values = mien_calloc(facts->n_parameters, sizeof(*values));
    double step_seconds = 1.0;
    enum mien_status status = values == NULL ? MIEN_ENOMEM : MIEN_OK;

    if (status == MIEN_OK)
        status = mien_rng_seeded_new(1, 0, &noise.rng);
    if (status == MIEN_OK)
        status = mien_trainer_new(plan, &trainer);
    if (status == MIEN_OK)
        status = mien_model_start(mien_trainer_layout(trainer), noise.rng, values);
    if (status == MIEN_OK) {
        struct mien_rng rng = mien_rng_seeded_handle(noise.rng);

        status = mien_trainer_begin(trainer, values, &rng);
    }
    if (status == MIEN_OK)
        status = time_steps(trainer, &noise, &step_seconds);
    if (status == MIEN_OK)
        *out = (double)facts->training.flops / step_seconds;
    mien_trainer_free(trainer);
    mien_rng_seeded_free(noise.rng);
    mien_free(values);
    return status;
}
