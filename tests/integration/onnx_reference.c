// SPDX-License-Identifier: Apache-2.0
/* What mien's own graphs make of pictures, for onnx.sh to compare an exported encoder or
 * classifier with: `onnx_reference MODEL OUT` draws 12 pictures at random, runs them through the
 * model's first network, or a classifier through its second, and writes tensors "pictures" (and
 * "codes"), "expected" as safetensors. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/nn/families.h"
#include "common/nn/layers.h"
#include "common/tensor/exec.h"
#include "server/tools/model_io.h"

#include <stdio.h>
#include <stdlib.h>

enum { N = 12 };

static void need(enum mien_status status, const char *what)
{
    if (status == MIEN_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, mien_status_text(status));
    exit(1);
}

static float *uniform(uint64_t n, struct mien_rng_seeded *rng)
{
    float *values = mien_calloc(n, sizeof(*values));

    for (uint64_t i = 0; values != NULL && i < n; i++)
        values[i] = 2.0f * mien_rng_seeded_uniform(rng) - 1.0f;
    need(values == NULL ? MIEN_ENOMEM : MIEN_OK, "values");
    return values;
}

int main(int argc, char **argv)
{
    struct mien_tool_model model = {0};
    struct mien_graph *graph = NULL;
    struct mien_exec *exec = NULL;
    struct mien_rng_seeded *rng = NULL;
    struct mien_buf file = {0};
    float *values = NULL;

    if (argc != 3)
        return 2;
    need(mien_tool_model_read(argv[1], &model, NULL), argv[1]);
    need(mien_tool_model_averaged(&model, &values), "average");
    need(mien_graph_new(&graph), "graph");
    need(mien_rng_seeded_new(5, 0, &rng), "random");
    const struct mien_plan *plan = &model.plan;
    const struct mien_network net = {.graph = graph, .plan = plan, .layout = &model.layout};
    const struct mien_shape shape = mien_shape4(N, plan->size, plan->size, plan->channels);
    const uint32_t n_code = mien_plan_condition_size(plan);
    struct mien_walk second = {.net = &net, .tensor = model.layout.n_d_tensors};
    mien_ref x = mien_input(graph, shape);
    mien_ref code = n_code == 0 ? MIEN_NO_REF : mien_input(graph, mien_shape2(N, n_code));
    mien_ref y = plan->family == MIEN_FAMILY_CLASSIFIER
                     ? mien_walk_layers(&second, plan->g_layers, plan->n_g_layers, x)
                     : mien_first_network(&net, x, code);
    float *pictures = uniform(mien_shape_count(&shape), rng);
    float *codes = uniform((uint64_t)N * (n_code + 1), rng);
    need(mien_exec_new(graph, &y, 1, &exec), "memory");
    need(mien_exec_bind(exec, 0, pictures), "pictures");
    if (n_code > 0)
        need(mien_exec_bind(exec, 1, codes), "codes");
    need(mien_exec_run(exec, values), "run");
    const struct mien_safetensors_item items[3] = {
        {"pictures", shape, pictures},
        {"expected", mien_graph_shape(graph, y), mien_exec_output(exec, 0)},
        {"codes", mien_shape2(N, n_code + (n_code == 0)), codes},
    };
    need(mien_safetensors_encode(items, n_code == 0 ? 2 : 3, NULL, 0, &file), "encode");
    need(mien_file_replace(argv[2], mien_buf_span(&file), 0644, NULL), argv[2]);
    mien_buf_fini(&file);
    mien_exec_free(exec);
    mien_graph_free(graph);
    mien_rng_seeded_free(rng);
    mien_tool_model_fini(&model);
    mien_free(values);
    mien_free(pictures);
    mien_free(codes);
    return 0;
}
