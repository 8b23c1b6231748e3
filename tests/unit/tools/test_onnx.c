// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/plan/preset.h"
#include "onnx.pb-c.h"
#include "server/tools/model_io.h"
#include "server/tools/onnx/network.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* The network of a plan's generator from "latent" to "pictures", with values that tell places. */
static struct mien_buf exported(const struct mien_plan *plan)
{
    struct mien_tool_model model = {0};
    struct mien_onnx *onnx = NULL;
    struct mien_buf out = {0};

    assert_int_equal(mien_tool_model_start(plan, 1, &model, NULL), MIEN_OK);
    for (uint64_t i = 0; i < model.layout.n_values; i++)
        model.values[i] = (float)(i % 8191);
    const struct mien_onnx_network network = {
        .prefix = "g",
        .layers = plan->g_layers,
        .n_layers = plan->n_g_layers,
        .from = {0, 0, plan->latent},
        .tensor = &model.layout.tensor[model.layout.n_d_tensors],
        .values = model.values,
        .input = "latent",
        .output = "pictures",
    };
    assert_int_equal(mien_onnx_new("generator", &onnx), MIEN_OK);
    mien_onnx_input(onnx, "latent", mien_shape1(plan->latent), "numbers");
    assert_int_equal(mien_onnx_network(onnx, &network), MIEN_OK);
    mien_onnx_output(onnx, "pictures",
                     (struct mien_shape){3, {plan->channels, plan->size, plan->size}}, "pictures");
    assert_int_equal(mien_onnx_encode(onnx, &out), MIEN_OK);
    mien_onnx_free(onnx);
    mien_tool_model_fini(&model);
    return out;
}

static Mien__Onnx__Model *unpacked(const struct mien_buf *bytes)
{
    Mien__Onnx__Model *model = mien__onnx__model__unpack(NULL, bytes->len, bytes->data);

    assert_non_null(model);
    return model;
}

/* Whether a value exists before node number n: an input, a constant, or an earlier result. */
static bool known(const Mien__Onnx__Graph *graph, size_t n, const char *name)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        if (strcmp(graph->input[i]->name, name) == 0)
            return true;
    }
    for (size_t i = 0; i < graph->n_initializer; i++) {
        if (strcmp(graph->initializer[i]->name, name) == 0)
            return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(graph->node[i]->output[0], name) == 0)
            return true;
    }
    return false;
}

static void check_tensor(const Mien__Onnx__Tensor *tensor)
{
    size_t n = tensor->data_type == MIEN__ONNX__TENSOR__KIND__FLOAT ? 4 : 8;

    for (size_t i = 0; i < tensor->n_dims; i++)
        n *= (size_t)tensor->dims[i];
    assert_int_equal(tensor->raw_data.len, n);
}

/* Every name is made once and before it is used; every constant is as long as it says. */
static void each_preset_makes_a_sound_graph(void **state)
{
    (void)state;
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        struct mien_plan plan;

        assert_int_equal(mien_plan_preset(*name, &plan, NULL), MIEN_OK);
        if (plan.family != MIEN_FAMILY_GAN)
            continue;
        struct mien_buf bytes = exported(&plan);
        Mien__Onnx__Model *model = unpacked(&bytes);
        const Mien__Onnx__Graph *graph = model->graph;

        assert_int_equal(model->opset_import[0]->version, 13);
        for (size_t i = 0; i < graph->n_node; i++) {
            const Mien__Onnx__Node *node = graph->node[i];

            for (size_t j = 0; j < node->n_input; j++)
                assert_true(node->input[j][0] == '\0' || known(graph, i, node->input[j]));
            assert_false(known(graph, i, node->output[0]));
        }
        assert_true(known(graph, graph->n_node, "pictures"));
        for (size_t i = 0; i < graph->n_initializer; i++)
            check_tensor(graph->initializer[i]);
        mien__onnx__model__free_unpacked(model, NULL);
        mien_buf_fini(&bytes);
    }
}

static const Mien__Onnx__Node *node_of(const Mien__Onnx__Model *model, const char *op)
{
    for (size_t i = 0; i < model->graph->n_node; i++) {
        if (strcmp(model->graph->node[i]->op_type, op) == 0)
            return model->graph->node[i];
    }
    fail_msg("no operator %s", op);
    return NULL;
}

static const int64_t *ints_of(const Mien__Onnx__Node *node, const char *name, size_t n)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(node->attribute[i]->name, name) != 0)
            continue;
        assert_int_equal(node->attribute[i]->type, MIEN__ONNX__ATTRIBUTE__KIND__INTS);
        assert_int_equal(node->attribute[i]->n_ints, n);
        return node->attribute[i]->ints;
    }
    fail_msg("%s has no %s", node->op_type, name);
    return NULL;
}

/* A generator of one transposed convolution of that kernel and stride, 4 x 4 to 4 stride. */
static struct mien_plan one_convolution(uint32_t kernel, uint32_t stride)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    plan.n_g_layers = 3;
    plan.g_layers[0] = (struct mien_layer){.kind = MIEN_LAYER_DENSE, .channels = 32};
    plan.g_layers[1] =
        (struct mien_layer){.kind = MIEN_LAYER_RESHAPE, .height = 4, .width = 4, .channels = 2};
    plan.g_layers[2] = (struct mien_layer){
        .kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = 3, .kernel = kernel, .stride = stride};
    plan.size = 4 * stride;
    return plan;
}

/* What a runtime computes from these is stride (in - 1) + kernel - pads = stride in. */
static void transposed_convolutions_end_at_in_times_stride(void **state)
{
    (void)state;
    struct mien_plan plan = one_convolution(5, 4);
    struct mien_buf bytes = exported(&plan);
    Mien__Onnx__Model *model = unpacked(&bytes);
    const int64_t *pads = ints_of(node_of(model, "ConvTranspose"), "pads", 4);

    assert_int_equal(pads[0] + pads[2], 1);
    assert_int_equal(pads[2], 1); /* the odd element behind */
    mien__onnx__model__free_unpacked(model, NULL);
    mien_buf_fini(&bytes);
}

/* [k, k, out, in] of a model, [in, out, k, k] of ONNX: one place by hand. */
static void weights_are_turned(void **state)
{
    (void)state;
    const struct mien_plan plan = one_convolution(5, 4);
    struct mien_buf bytes = exported(&plan);
    Mien__Onnx__Model *model = unpacked(&bytes);
    struct mien_layout layout;
    const Mien__Onnx__Tensor *weight = NULL;
    float value;

    assert_int_equal(mien_layout_init(&layout, &plan, NULL), MIEN_OK);
    const uint64_t offset = layout.tensor[layout.n_d_tensors + 2].offset;
    for (size_t i = 0; i < model->graph->n_initializer; i++) {
        if (strcmp(model->graph->initializer[i]->name, "g.2.weight") == 0)
            weight = model->graph->initializer[i];
    }
    assert_non_null(weight);
    assert_int_equal(weight->dims[0], 2);
    assert_int_equal(weight->dims[1], 3);
    /* in 1, out 2, row 3, column 4 */
    memcpy(&value, weight->raw_data.data + 4 * (((1 * 3 + 2) * 5 + 3) * 5 + 4), 4);
    assert_int_equal((long)value, (long)((offset + (((3 * 5 + 4) * 3 + 2) * 2 + 1)) % 8191));
    mien__onnx__model__free_unpacked(model, NULL);
    mien_buf_fini(&bytes);
}

static enum mien_status small_model(struct mien_buf *out)
{
    static const float ones[3] = {1.0f, 1.0f, 1.0f};
    const int64_t two[2] = {0, -1};
    struct mien_onnx *onnx = NULL;
    enum mien_status status = mien_onnx_new("small", &onnx);

    if (status != MIEN_OK)
        return status;
    mien_onnx_input(onnx, "x", mien_shape1(3), "three numbers");
    mien_onnx_floats(onnx, "ones", mien_shape1(3), ones);
    mien_onnx_ints(onnx, "flat", two, 2);
    mien_onnx_node(onnx, "Add", (const char *const[2]){"x", "ones"}, 2, "sum");
    mien_onnx_node(onnx, "LeakyRelu", (const char *const[1]){"sum"}, 1, "bent");
    mien_onnx_attr_float(onnx, "alpha", 0.5f);
    mien_onnx_node(onnx, "Reshape", (const char *const[2]){"bent", "flat"}, 2, "y");
    mien_onnx_attr_int(onnx, "number", 0);
    mien_onnx_attr_ints(onnx, "numbers", two, 2);
    mien_onnx_attr_text(onnx, "text", "nearest");
    mien_onnx_output(onnx, "y", mien_shape1(3), "three numbers");
    mien_onnx_property(onnx, "key", "value");
    mien_onnx_property(onnx, "left out", NULL);
    status = mien_onnx_encode(onnx, out);
    mien_onnx_free(onnx);
    return status;
}

static void building_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_buf out = {0};
    const long live = mien_mem_live();
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = small_model(&out);
        if (status != MIEN_OK)
            assert_int_equal(status, MIEN_ENOMEM);
    }
    mien_mem_fail_at(-1);
    Mien__Onnx__Model *model = unpacked(&out);
    assert_int_equal(model->n_metadata_props, 1);
    assert_int_equal(model->graph->n_node, 3);
    mien__onnx__model__free_unpacked(model, NULL);
    mien_buf_fini(&out);
    assert_int_equal(mien_mem_live(), live);
}

static void more_operators_than_fit_are_a_status(void **state)
{
    (void)state;
    struct mien_onnx *onnx = NULL;
    struct mien_buf out = {0};

    assert_int_equal(mien_onnx_new("long", &onnx), MIEN_OK);
    for (int i = 0; i < 300; i++)
        mien_onnx_node(onnx, "Relu", (const char *const[1]){"x"}, 1, "y");
    assert_int_equal(mien_onnx_encode(onnx, &out), MIEN_ELIMIT);
    assert_int_equal(out.len, 0);
    mien_onnx_free(onnx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_preset_makes_a_sound_graph),
        cmocka_unit_test(transposed_convolutions_end_at_in_times_stride),
        cmocka_unit_test(weights_are_turned),
        cmocka_unit_test(building_survives_each_failed_allocation),
        cmocka_unit_test(more_operators_than_fit_are_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
