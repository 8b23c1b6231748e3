// SPDX-License-Identifier: Apache-2.0
#include "common/nn/step.h"

#include "common/base/mem.h"
#include "common/tensor/grad.h"

#include <string.h>

struct mien_step {
    struct mien_graph *graph;
    struct mien_exec *exec;
    const struct mien_layout *layout;
    uint32_t first; /* tensors trained: first .. first + n - 1 */
    uint32_t n;
    uint64_t n_pictures; /* numbers in each input */
    uint64_t n_code;
    uint64_t n_z;
    uint64_t n_mix;
    float *pictures;
    float *real_code;
    float *z;
    float *fake_code;
    float *mix;
};

/* The graph, and its outputs: the loss, then a gradient per trained tensor. */
static enum mien_status build(const struct mien_plan *plan, const struct mien_layout *layout,
                              enum mien_step_kind kind, uint32_t batch, struct mien_step *step,
                              mien_ref *outputs)
{
    enum mien_status status = mien_graph_new(&step->graph);
    struct mien_network net = {step->graph, plan, layout};
    struct mien_step_inputs inputs;
    mien_ref wrt[MIEN_MODEL_MAX_TENSORS];
    const bool is_d = kind == MIEN_STEP_DISCRIMINATOR;

    if (status != MIEN_OK)
        return status;
    step->layout = layout;
    step->first = is_d ? 0 : layout->n_d_tensors;
    step->n = is_d ? layout->n_d_tensors : layout->n_tensors - layout->n_d_tensors;
    outputs[0] = is_d ? mien_discriminator_loss(&net, batch, &inputs)
                      : mien_generator_loss(&net, batch, &inputs);
    for (uint32_t i = 0; i < step->n; i++) {
        const struct mien_tensor *tensor = &layout->tensor[step->first + i];

        wrt[i] = mien_parameter(step->graph, tensor->shape, tensor->offset);
    }
    mien_grad(step->graph, outputs[0], wrt, step->n, outputs + 1);
    step->n_code = (uint64_t)batch * mien_plan_code_size(plan);
    step->n_z = (uint64_t)batch * plan->latent;
    step->n_pictures = is_d ? (uint64_t)batch * plan->size * plan->size * plan->channels : 0;
    step->n_mix = is_d && plan->loss == MIEN_LOSS_WASSERSTEIN ? batch : 0;
    return mien_graph_status(step->graph, NULL);
}

enum mien_status mien_step_bytes(const struct mien_plan *plan, const struct mien_layout *layout,
                                 enum mien_step_kind kind, uint32_t batch, uint64_t *bytes)
{
    struct mien_step step = {0};
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    uint64_t exec_bytes = 0;
    enum mien_status status = build(plan, layout, kind, batch, &step, outputs);

    if (status == MIEN_OK)
        status = mien_exec_bytes(step.graph, outputs, step.n + 1, &exec_bytes);
    if (status == MIEN_OK) {
        const uint64_t n_inputs = step.n_pictures + 2 * step.n_code + step.n_z + step.n_mix;

        *bytes = exec_bytes + n_inputs * sizeof(float) + sizeof(step) +
                 mien_graph_n_nodes(step.graph) * 2 * sizeof(struct mien_node);
    }
    mien_graph_free(step.graph);
    return status;
}

/* Inputs are bound in the order in which the losses made them. */
static enum mien_status bind(struct mien_step *step)
{
    const float *const inputs[] = {step->pictures, step->real_code, step->z, step->fake_code,
                                   step->mix};
    uint32_t index = 0;

    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        if (inputs[i] == NULL)
            continue;
        enum mien_status status = mien_exec_bind(step->exec, index++, inputs[i]);
        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

static bool make(float **out, uint64_t n)
{
    if (n > 0)
        *out = mien_calloc(n, sizeof(float));
    return n == 0 || *out != NULL;
}

enum mien_status mien_step_new(const struct mien_plan *plan, const struct mien_layout *layout,
                               enum mien_step_kind kind, uint32_t batch, struct mien_step **out)
{
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    struct mien_step *step = mien_calloc(1, sizeof(*step));
    enum mien_status status;

    if (step == NULL)
        return MIEN_ENOMEM;
    status = build(plan, layout, kind, batch, step, outputs);
    if (status == MIEN_OK)
        status = mien_exec_new(step->graph, outputs, step->n + 1, &step->exec);
    if (status == MIEN_OK && !(make(&step->pictures, step->n_pictures) &&
                               make(&step->real_code, step->n_pictures > 0 ? step->n_code : 0) &&
                               make(&step->z, step->n_z) && make(&step->fake_code, step->n_code) &&
                               make(&step->mix, step->n_mix)))
        status = MIEN_ENOMEM;
    if (status == MIEN_OK)
        status = bind(step);
    if (status != MIEN_OK) {
        mien_step_free(step);
        return status;
    }
    *out = step;
    return MIEN_OK;
}

void mien_step_free(struct mien_step *step)
{
    if (step == NULL)
        return;
    mien_exec_free(step->exec);
    mien_graph_free(step->graph);
    mien_free(step->pictures);
    mien_free(step->real_code);
    mien_free(step->z);
    mien_free(step->fake_code);
    mien_free(step->mix);
    mien_free(step);
}

float *mien_step_pictures(struct mien_step *step)
{
    return step->pictures;
}

float *mien_step_real_code(struct mien_step *step)
{
    return step->real_code;
}

float *mien_step_fake_code(struct mien_step *step)
{
    return step->fake_code;
}

enum mien_status mien_step_run(struct mien_step *step, const float *values,
                               struct mien_rng_seeded *rng)
{
    for (uint64_t i = 0; i < step->n_z; i++)
        step->z[i] = mien_rng_seeded_normal(rng);
    for (uint64_t i = 0; i < step->n_mix; i++)
        step->mix[i] = mien_rng_seeded_uniform(rng);
    if (!mien_rng_seeded_ok(rng))
        return MIEN_ECRYPTO;
    return mien_exec_run(step->exec, values);
}

float mien_step_loss(const struct mien_step *step)
{
    return *mien_exec_output(step->exec, 0);
}

void mien_step_apply(const struct mien_step *step, float *values, double rate,
                     const struct mien_moments *moments)
{
    const struct mien_adam adam = mien_adam_default(rate);

    for (uint32_t i = 0; i < step->n; i++) {
        const struct mien_tensor *tensor = &step->layout->tensor[step->first + i];
        const float *gradient = mien_exec_output(step->exec, i + 1);
        const uint64_t n = mien_shape_count(&tensor->shape);
        float *value = values + tensor->offset;

        if (moments == NULL)
            mien_sgd_step(value, gradient, n, rate);
        else
            mien_adam_step(&adam, moments, tensor->offset, value, gradient, n);
    }
}
