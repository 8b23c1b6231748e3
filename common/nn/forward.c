// SPDX-License-Identifier: Apache-2.0
#include "common/nn/forward.h"

#include "common/base/mem.h"
#include "common/nn/families.h"
#include "common/tensor/exec.h"

struct mien_forward {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_graph *graph;
    struct mien_exec *exec;
    float *examples;
    float *codes;
    uint32_t n_results;
};

/* Memory for one input of the graph, bound to it. */
static enum mien_status make_input(struct mien_forward *f, mien_ref input, float **numbers)
{
    if (input == MIEN_NO_REF)
        return MIEN_OK;
    const struct mien_node *node = mien_graph_node(f->graph, input);

    *numbers = mien_calloc(mien_shape_count(&node->shape), sizeof(float));
    return *numbers == NULL ? MIEN_ENOMEM
                            : mien_exec_bind(f->exec, (uint32_t)node->offset, *numbers);
}

static enum mien_status build(struct mien_forward *f, uint32_t batch, bool codes)
{
    struct mien_step_inputs inputs;
    enum mien_status status = mien_graph_new(&f->graph);

    if (status != MIEN_OK)
        return status;
    const struct mien_network net = {.graph = f->graph, .plan = &f->plan, .layout = &f->layout};
    const mien_ref results =
        codes ? mien_family_codes(&net, batch, &inputs) : mien_family_output(&net, batch, &inputs);
    status = mien_graph_status(f->graph, NULL);
    if (status == MIEN_OK)
        status = mien_exec_new(f->graph, &results, 1, &f->exec);
    if (status != MIEN_OK)
        return status;
    const struct mien_shape shape = mien_graph_shape(f->graph, results);
    f->n_results = (uint32_t)(mien_shape_count(&shape) / batch);
    status = make_input(f, inputs.real, &f->examples);
    return status == MIEN_OK ? make_input(f, inputs.real_code, &f->codes) : status;
}

static bool reads_examples(enum mien_family family)
{
    return family != MIEN_FAMILY_GAN && family != MIEN_FAMILY_MOMENTS;
}

static bool has_encoder(enum mien_family family)
{
    return family == MIEN_FAMILY_VAE || family == MIEN_FAMILY_AUTOENCODER ||
           family == MIEN_FAMILY_MOMENTS;
}

static enum mien_status make(const struct mien_plan *plan, uint32_t batch, bool codes,
                             struct mien_forward **out)
{
    struct mien_forward *f = mien_calloc(1, sizeof(*f));
    enum mien_status status;

    if (f == NULL)
        return MIEN_ENOMEM;
    f->plan = *plan;
    status = mien_layout_init(&f->layout, &f->plan, NULL);
    if (batch == 0 || !(codes ? has_encoder(plan->family) : reads_examples(plan->family)))
        status = MIEN_EINVAL;
    if (status == MIEN_OK)
        status = build(f, batch, codes);
    if (status != MIEN_OK) {
        mien_forward_free(f);
        return status;
    }
    *out = f;
    return MIEN_OK;
}

enum mien_status mien_forward_new(const struct mien_plan *plan, uint32_t batch,
                                  struct mien_forward **out)
{
    return make(plan, batch, false, out);
}

enum mien_status mien_forward_new_codes(const struct mien_plan *plan, uint32_t batch,
                                        struct mien_forward **out)
{
    return make(plan, batch, true, out);
}

void mien_forward_free(struct mien_forward *forward)
{
    if (forward == NULL)
        return;
    mien_exec_free(forward->exec);
    mien_graph_free(forward->graph);
    mien_free(forward->examples);
    mien_free(forward->codes);
    mien_free(forward);
}

float *mien_forward_examples(struct mien_forward *forward)
{
    return forward->examples;
}

float *mien_forward_codes(struct mien_forward *forward)
{
    return forward->codes;
}

uint32_t mien_forward_n_results(const struct mien_forward *forward)
{
    return forward->n_results;
}

enum mien_status mien_forward_run(struct mien_forward *forward, const float *values,
                                  const float **results)
{
    enum mien_status status = mien_exec_run(forward->exec, values);

    if (status == MIEN_OK)
        *results = mien_exec_output(forward->exec, 0);
    return status;
}
