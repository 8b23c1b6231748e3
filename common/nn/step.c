// SPDX-License-Identifier: Apache-2.0
#include "common/nn/step.h"

#include "common/base/mem.h"
#include "common/tensor/grad.h"

#include <string.h>

/* The inputs a graph may have. */
enum slot { REAL, REAL_CODE, Z, FAKE_CODE, MIX, TARGET, N_SLOTS };

struct mien_step {
    const struct mien_plan *plan;
    const struct mien_layout *layout;
    struct mien_graph *graph;
    struct mien_exec *exec;
    struct mien_workspace *workspace; /* NULL: its own */
    uint32_t batch;                   /* examples, of all groups */
    uint32_t groups;                  /* 0: one loss */
    uint32_t first;                   /* tensors trained: first .. first + n - 1 */
    uint32_t n;
    uint32_t n_outputs; /* the loss, then a gradient per trained tensor, or the embedding */
    mien_ref input[N_SLOTS];
    uint64_t n_numbers[N_SLOTS]; /* of each input; 0 where there is none */
    float *numbers[N_SLOTS];
    uint64_t n_texts;
    float *texts; /* [batch, text_length + 1] examples of a charlm, before they are split */
};

/* The loss of the step, and which tensors it trains. */
static mien_ref loss_of(struct mien_step *step, enum mien_step_kind kind,
                        struct mien_step_inputs *inputs)
{
    const struct mien_network net = {
        .graph = step->graph, .plan = step->plan, .layout = step->layout, .groups = step->groups};
    const uint32_t n_first = step->layout->n_d_tensors;

    step->n = step->layout->n_tensors - n_first;
    step->first = n_first;
    switch (kind) {
    case MIEN_STEP_DISCRIMINATOR:
        step->first = 0;
        step->n = n_first;
        return mien_discriminator_loss(&net, step->batch, inputs);
    case MIEN_STEP_GENERATOR:
        return mien_generator_loss(&net, step->batch, inputs);
    case MIEN_STEP_MATCH:
        return mien_match_loss(&net, step->batch, inputs);
    default:
        step->first = 0;
        step->n = step->layout->n_tensors;
        return mien_family_loss(&net, step->batch, inputs);
    }
}

/* The embedding as the second output, its squared length as the first. */
static void build_embedding(struct mien_step *step, struct mien_step_inputs *inputs,
                            mien_ref *outputs)
{
    const struct mien_plan *plan = step->plan;
    const struct mien_network net = {.graph = step->graph, .plan = plan, .layout = step->layout};

    *inputs = mien_step_no_inputs();
    inputs->real =
        mien_input(step->graph, mien_shape4(step->batch, plan->size, plan->size, plan->channels));
    outputs[1] = mien_embedding(&net, inputs->real);
    outputs[0] = mien_sum_all(step->graph, mien_multiply(step->graph, outputs[1], outputs[1]));
    step->n_outputs = 2;
}

static void build_training(struct mien_step *step, enum mien_step_kind kind,
                           struct mien_step_inputs *inputs, mien_ref *outputs)
{
    mien_ref wrt[MIEN_MODEL_MAX_TENSORS];

    outputs[0] = loss_of(step, kind, inputs);
    for (uint32_t i = 0; i < step->n; i++) {
        const struct mien_tensor *tensor = &step->layout->tensor[step->first + i];

        wrt[i] = mien_parameter(step->graph, tensor->shape, tensor->offset);
    }
    if (step->groups > 0)
        mien_grad_groups(step->graph, outputs[0], step->groups, wrt, step->n, outputs + 1);
    else
        mien_grad(step->graph, outputs[0], wrt, step->n, outputs + 1);
    /* Of one loss, gradients are read by visits only: see mien_step_gradient and _apply. */
    for (uint32_t i = 0; i < step->n && step->groups == 0; i++)
        mien_graph_late(step->graph, outputs[i + 1]);
    step->n_outputs = step->n + 1;
}

/* The graph, its outputs and how large its inputs are. */
static enum mien_status build(struct mien_step *step, enum mien_step_kind kind, mien_ref *outputs)
{
    struct mien_step_inputs inputs;
    enum mien_status status = mien_graph_new(&step->graph);

    if (status != MIEN_OK)
        return status;
    if (kind == MIEN_STEP_EMBED)
        build_embedding(step, &inputs, outputs);
    else
        build_training(step, kind, &inputs, outputs);
    const mien_ref made[N_SLOTS] = {inputs.real,      inputs.real_code, inputs.z,
                                    inputs.fake_code, inputs.mix,       inputs.target};
    for (int i = 0; i < N_SLOTS; i++) {
        const struct mien_shape shape = mien_graph_shape(step->graph, made[i]);

        step->input[i] = made[i];
        step->n_numbers[i] = made[i] == MIEN_NO_REF ? 0 : mien_shape_count(&shape);
    }
    if (step->plan->family == MIEN_FAMILY_CHARLM)
        step->n_texts = (uint64_t)step->batch * mien_plan_example_size(step->plan);
    return mien_graph_status(step->graph, NULL);
}

/* Beside the execution's. */
static uint64_t own_bytes(const struct mien_step *step)
{
    uint64_t n_numbers = step->n_texts;

    for (int i = 0; i < N_SLOTS; i++)
        n_numbers += step->n_numbers[i];
    return n_numbers * sizeof(float) + sizeof(*step) +
           mien_graph_n_nodes(step->graph) * 2 * sizeof(struct mien_node);
}

enum mien_status mien_step_cost(const struct mien_plan *plan, const struct mien_layout *layout,
                                enum mien_step_kind kind, uint32_t batch, struct mien_cost *out)
{
    struct mien_step step = {.plan = plan, .layout = layout, .batch = batch};
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    enum mien_status status = build(&step, kind, outputs);

    if (status == MIEN_OK)
        status = mien_cost_of(step.graph, outputs, step.n_outputs, out);
    if (status == MIEN_OK)
        out->total_bytes += own_bytes(&step);
    mien_graph_free(step.graph);
    return status;
}

enum mien_status mien_step_bytes(const struct mien_plan *plan, const struct mien_layout *layout,
                                 enum mien_step_kind kind, uint32_t batch, uint64_t *bytes)
{
    struct mien_cost cost;
    const enum mien_status status = mien_step_cost(plan, layout, kind, batch, &cost);

    if (status == MIEN_OK)
        *bytes = cost.total_bytes;
    return status;
}

static enum mien_status make_inputs(struct mien_step *step)
{
    for (int i = 0; i < N_SLOTS; i++) {
        if (step->n_numbers[i] == 0)
            continue;
        step->numbers[i] = mien_calloc(step->n_numbers[i], sizeof(float));
        if (step->numbers[i] == NULL)
            return MIEN_ENOMEM;
        const uint64_t index = mien_graph_node(step->graph, step->input[i])->offset;
        enum mien_status status = mien_exec_bind(step->exec, (uint32_t)index, step->numbers[i]);
        if (status != MIEN_OK)
            return status;
    }
    if (step->n_texts > 0)
        step->texts = mien_calloc(step->n_texts, sizeof(float));
    return step->n_texts > 0 && step->texts == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static enum mien_status make(const struct mien_step *from, enum mien_step_kind kind,
                             struct mien_step **out)
{
    mien_ref outputs[MIEN_MODEL_MAX_TENSORS + 1];
    struct mien_step *step = mien_calloc(1, sizeof(*step));
    enum mien_status status;

    if (step == NULL)
        return MIEN_ENOMEM;
    *step = *from;
    status = build(step, kind, outputs);
    if (status == MIEN_OK)
        status =
            mien_exec_new_in(step->graph, outputs, step->n_outputs, step->workspace, &step->exec);
    if (status == MIEN_OK)
        status = make_inputs(step);
    if (status != MIEN_OK) {
        mien_step_free(step);
        return status;
    }
    *out = step;
    return MIEN_OK;
}

enum mien_status mien_step_new(const struct mien_plan *plan, const struct mien_layout *layout,
                               enum mien_step_kind kind, uint32_t batch, struct mien_step **out)
{
    const struct mien_step from = {.plan = plan, .layout = layout, .batch = batch};

    return make(&from, kind, out);
}

enum mien_status mien_step_new_in(const struct mien_plan *plan, const struct mien_layout *layout,
                                  enum mien_step_kind kind, uint32_t batch,
                                  struct mien_workspace *workspace, struct mien_step **out)
{
    const struct mien_step from = {
        .plan = plan, .layout = layout, .batch = batch, .workspace = workspace};

    return make(&from, kind, out);
}

enum mien_status mien_step_new_groups(const struct mien_plan *plan,
                                      const struct mien_layout *layout, enum mien_step_kind kind,
                                      uint32_t batch, uint32_t groups, struct mien_step **out)
{
    const struct mien_step from = {
        .plan = plan, .layout = layout, .batch = batch * groups, .groups = groups};

    return make(&from, kind, out);
}

void mien_step_free(struct mien_step *step)
{
    if (step == NULL)
        return;
    mien_exec_free(step->exec);
    mien_graph_free(step->graph);
    for (int i = 0; i < N_SLOTS; i++)
        mien_free(step->numbers[i]);
    mien_free(step->texts);
    mien_free(step);
}

float *mien_step_examples(struct mien_step *step)
{
    return step->texts != NULL ? step->texts : step->numbers[REAL];
}

float *mien_step_real_code(struct mien_step *step)
{
    return step->numbers[REAL_CODE];
}

float *mien_step_fake_code(struct mien_step *step)
{
    return step->numbers[FAKE_CODE];
}

float *mien_step_target(struct mien_step *step)
{
    return step->numbers[TARGET];
}

/* Each text's symbols but the last are what the network reads; the symbol behind each is what it
 * should say, as the place of that symbol's score among all. */
static void split_texts(struct mien_step *step)
{
    const uint32_t length = step->plan->text_length;

    for (uint64_t i = 0; i < (uint64_t)step->batch * length; i++) {
        const float *at = step->texts + i / length * (length + 1) + i % length;

        step->numbers[REAL][i] = at[0];
        step->numbers[TARGET][i] = at[1] < 0.0f ? -1.0f : (float)(i * MIEN_PLAN_N_SYMBOLS) + at[1];
    }
}

enum mien_status mien_step_draw(struct mien_step *step, uint32_t group, struct mien_rng_seeded *rng)
{
    const uint32_t groups = step->groups == 0 ? 1 : step->groups;
    const uint64_t n_z = step->n_numbers[Z] / groups;
    const uint64_t n_mix = step->n_numbers[MIX] / groups;

    for (uint64_t i = 0; i < n_z; i++)
        step->numbers[Z][group * n_z + i] = mien_rng_seeded_normal(rng);
    for (uint64_t i = 0; i < n_mix; i++)
        step->numbers[MIX][group * n_mix + i] = mien_rng_seeded_uniform(rng);
    return mien_rng_seeded_ok(rng) ? MIEN_OK : MIEN_ECRYPTO;
}

enum mien_status mien_step_compute(struct mien_step *step, const float *values)
{
    if (step->texts != NULL)
        split_texts(step);
    return mien_exec_run(step->exec, values);
}

enum mien_status mien_step_run(struct mien_step *step, const float *values,
                               struct mien_rng_seeded *rng)
{
    const enum mien_status status = mien_step_draw(step, 0, rng);

    return status == MIEN_OK ? mien_step_compute(step, values) : status;
}

float mien_step_group_loss(const struct mien_step *step, uint32_t group)
{
    return mien_exec_output(step->exec, 0)[group];
}

void mien_step_group_apply(const struct mien_step *step, uint32_t group, float *values, double rate)
{
    for (uint32_t i = 0; i < step->n; i++) {
        const struct mien_tensor *tensor = &step->layout->tensor[step->first + i];
        const uint64_t n = mien_shape_count(&tensor->shape);

        mien_sgd_step(values + tensor->offset, mien_exec_output(step->exec, i + 1) + group * n, n,
                      rate);
    }
}

float mien_step_loss(const struct mien_step *step)
{
    return *mien_exec_output(step->exec, 0);
}

const float *mien_step_embedding(const struct mien_step *step)
{
    return mien_exec_output(step->exec, 1);
}

static void copy_part(void *self, uint64_t at, const float *gradient, uint64_t n)
{
    float *to = self;

    memcpy(to + at, gradient, n * sizeof(*to));
}

void mien_step_gradient(const struct mien_step *step, float *gradient)
{
    for (uint32_t i = 0; i < step->n; i++) {
        mien_exec_visit(step->exec, i + 1, copy_part, gradient);
        gradient += mien_shape_count(&step->layout->tensor[step->first + i].shape);
    }
}

void mien_step_apply_given(const struct mien_step *step, const float *gradient, float *values,
                           double rate, const struct mien_moments *moments)
{
    const struct mien_tensor *first = &step->layout->tensor[step->first];
    const struct mien_tensor *last = first + step->n - 1;
    const uint64_t n = last->offset + mien_shape_count(&last->shape) - first->offset;
    const struct mien_adam adam = mien_adam_default(rate);

    if (moments == NULL)
        mien_sgd_step(values + first->offset, gradient, n, rate);
    else
        mien_adam_step(&adam, moments, first->offset, values + first->offset, gradient, n);
}

/* How a tensor's values follow its gradient. */
struct application {
    const struct mien_adam *adam;
    const struct mien_moments *moments; /* NULL: plain descent */
    double rate;
    uint64_t offset; /* of the tensor in values and moments */
    float *values;
};

static void apply_part(void *self, uint64_t at, const float *gradient, uint64_t n)
{
    const struct application *a = self;
    float *value = a->values + a->offset + at;

    if (a->moments == NULL)
        mien_sgd_step(value, gradient, n, a->rate);
    else
        mien_adam_step(a->adam, a->moments, a->offset + at, value, gradient, n);
}

void mien_step_apply(const struct mien_step *step, float *values, double rate,
                     const struct mien_moments *moments)
{
    const struct mien_adam adam = mien_adam_default(rate);
    struct application a = {.adam = &adam, .moments = moments, .rate = rate, .values = values};

    for (uint32_t i = 0; i < step->n; i++) {
        a.offset = step->layout->tensor[step->first + i].offset;
        mien_exec_visit(step->exec, i + 1, apply_part, &a);
    }
}
