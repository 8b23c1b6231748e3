// SPDX-License-Identifier: Apache-2.0
#include "common/nn/generator.h"

#include "common/base/mem.h"
#include "common/nn/network.h"
#include "common/tensor/exec.h"

#include <string.h>

struct mien_generator {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_graph *graph;
    struct mien_exec *exec;
    float *z;
    float *code;
};

static enum mien_status build(struct mien_generator *g, uint32_t batch)
{
    const uint32_t n_code = mien_plan_condition_size(&g->plan);
    enum mien_status status = mien_graph_new(&g->graph);

    if (status != MIEN_OK)
        return status;
    const struct mien_network net = {.graph = g->graph, .plan = &g->plan, .layout = &g->layout};
    mien_ref z = mien_input(g->graph, mien_shape2(batch, g->plan.latent));
    mien_ref code = n_code == 0 ? MIEN_NO_REF : mien_input(g->graph, mien_shape2(batch, n_code));
    mien_ref pictures = mien_second_network(&net, z, code);
    status = mien_graph_status(g->graph, NULL);
    if (status == MIEN_OK)
        status = mien_exec_new(g->graph, &pictures, 1, &g->exec);
    if (status != MIEN_OK)
        return status;
    g->z = mien_calloc((size_t)batch * g->plan.latent, sizeof(float));
    g->code = n_code == 0 ? NULL : mien_calloc((size_t)batch * n_code, sizeof(float));
    if (g->z == NULL || (n_code > 0 && g->code == NULL))
        return MIEN_ENOMEM;
    status = mien_exec_bind(g->exec, 0, g->z);
    if (status == MIEN_OK && n_code > 0)
        status = mien_exec_bind(g->exec, 1, g->code);
    return status;
}

enum mien_status mien_generator_new(const struct mien_plan *plan, uint32_t batch,
                                    struct mien_generator **out)
{
    struct mien_generator *g = mien_calloc(1, sizeof(*g));
    enum mien_status status;

    if (g == NULL)
        return MIEN_ENOMEM;
    g->plan = *plan;
    status = mien_layout_init(&g->layout, &g->plan, NULL);
    if (plan->family == MIEN_FAMILY_CLASSIFIER || plan->family == MIEN_FAMILY_CHARLM)
        status = MIEN_EINVAL;
    if (status == MIEN_OK)
        status = build(g, batch);
    if (status != MIEN_OK) {
        mien_generator_free(g);
        return status;
    }
    *out = g;
    return MIEN_OK;
}

void mien_generator_free(struct mien_generator *generator)
{
    if (generator == NULL)
        return;
    mien_exec_free(generator->exec);
    mien_graph_free(generator->graph);
    mien_free(generator->z);
    mien_free(generator->code);
    mien_free(generator);
}

float *mien_generator_latents(struct mien_generator *generator)
{
    return generator->z;
}

float *mien_generator_codes(struct mien_generator *generator)
{
    return generator->code;
}

enum mien_status mien_generator_run(struct mien_generator *generator, const float *values,
                                    const float **pictures)
{
    enum mien_status status = mien_exec_run(generator->exec, values);

    if (status == MIEN_OK)
        *pictures = mien_exec_output(generator->exec, 0);
    return status;
}

void mien_code_draw(const struct mien_plan *plan, struct mien_rng_seeded *rng, float *code)
{
    for (uint32_t i = 0; i < plan->n_attributes; i++) {
        const uint32_t n_values = plan->attributes[i].n_values;

        if (n_values == 0) {
            code[0] = 2.0f * mien_rng_seeded_uniform(rng) - 1.0f;
            code[1] = 1.0f;
            code += 2;
            continue;
        }
        memset(code, 0, (n_values + 1) * sizeof(*code));
        code[mien_rng_seeded_below(rng, n_values)] = 1.0f;
        code += n_values + 1;
    }
}
