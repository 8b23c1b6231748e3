// SPDX-License-Identifier: Apache-2.0
/* What a graph refuses, and what it simplifies. */
#include "common/tensor/grad.h"
#include "common/tensor/graph.h"
#include "tests/support/test.h"

#include <string.h>

/* Operands to go wrong with: a [3, 4], b [2, 3], a picture p [2, 5, 6, 3], weights w [3, 3, 3, 2].
 */
struct operands {
    struct mien_graph *g;
    mien_ref a;
    mien_ref b;
    mien_ref p;
    mien_ref w;
};

static const struct mien_conv valid = {1, 0, 0, 0, 0};

static mien_ref bad_add(const struct operands *o)
{
    return mien_add(o->g, o->a, o->b);
}

static mien_ref bad_add_of_zeros(const struct operands *o)
{
    return mien_add(o->g, o->a, mien_constant(o->g, mien_shape2(2, 3), 0.0));
}

static mien_ref bad_multiply_by_constant(const struct operands *o)
{
    return mien_multiply(o->g, o->a, mien_constant(o->g, mien_shape2(2, 3), 2.0));
}

static mien_ref bad_matmul(const struct operands *o)
{
    return mien_matmul(o->g, o->a, o->b, 0);
}

static mien_ref bad_matmul_of_pictures(const struct operands *o)
{
    return mien_matmul(o->g, o->p, o->p, 0);
}

static mien_ref bad_reshape(const struct operands *o)
{
    return mien_reshape(o->g, o->a, mien_shape2(5, 2));
}

static mien_ref bad_sum(const struct operands *o)
{
    return mien_sum_to(o->g, o->a, mien_shape2(3, 2));
}

static mien_ref bad_sum_same_count(const struct operands *o)
{
    return mien_sum_to(o->g, o->a, mien_shape2(4, 3));
}

static mien_ref bad_broadcast(const struct operands *o)
{
    return mien_broadcast_to(o->g, o->a, mien_shape2(6, 4));
}

static mien_ref bad_broadcast_of_constant(const struct operands *o)
{
    return mien_broadcast_to(o->g, mien_constant(o->g, mien_shape2(3, 4), 1.0), mien_shape2(6, 4));
}

static mien_ref bad_conv_channels(const struct operands *o)
{
    return mien_conv2d(o->g, o->p, mien_parameter(o->g, mien_shape4(3, 3, 4, 2), 0), &valid);
}

static mien_ref bad_conv_too_large(const struct operands *o)
{
    return mien_conv2d(o->g, o->p, mien_parameter(o->g, mien_shape4(7, 7, 3, 2), 0), &valid);
}

static mien_ref bad_conv_stride(const struct operands *o)
{
    const struct mien_conv still = {0, 0, 0, 0, 0};

    return mien_conv2d(o->g, o->p, o->w, &still);
}

static mien_ref bad_conv_input_grad(const struct operands *o)
{
    return mien_conv2d_input_grad(o->g, o->p, o->w, mien_shape4(2, 9, 9, 3), &valid);
}

static mien_ref bad_conv_weight_grad(const struct operands *o)
{
    return mien_conv2d_weight_grad(o->g, o->p, o->p, mien_shape4(3, 3, 3, 3), &valid);
}

static mien_ref bad_upsample(const struct operands *o)
{
    return mien_upsample(o->g, o->a);
}

static mien_ref bad_sum_pool(const struct operands *o)
{
    return mien_sum_pool(o->g, o->p); /* five rows */
}

static mien_ref bad_slice(const struct operands *o)
{
    return mien_slice(o->g, o->a, 1, 3, 2);
}

static mien_ref bad_slice_axis(const struct operands *o)
{
    return mien_slice(o->g, o->a, 2, 0, 1);
}

static mien_ref bad_slice_empty(const struct operands *o)
{
    return mien_slice(o->g, o->a, 1, 0, 0);
}

static mien_ref bad_pad(const struct operands *o)
{
    return mien_pad(o->g, o->a, 1, UINT32_MAX, 8);
}

static mien_ref bad_concat(const struct operands *o)
{
    return mien_concat(o->g, o->a, o->b, 0);
}

static mien_ref bad_offset(const struct operands *o)
{
    return mien_parameter(o->g, mien_shape1(2), UINT64_MAX);
}

static mien_ref bad_shape(const struct operands *o)
{
    return mien_constant(o->g, mien_shape2(1, 0), 1.0);
}

static mien_ref bad_gradient(const struct operands *o)
{
    mien_ref out;

    mien_grad(o->g, o->a, &o->a, 1, &out);
    return out;
}

static const struct {
    const char *culprit; /* stands in the sentence */
    mien_ref (*build)(const struct operands *o);
} refusals[] = {
    {"add", bad_add},
    {"add", bad_add_of_zeros},
    {"multiply", bad_multiply_by_constant},
    {"matmul", bad_matmul},
    {"matmul", bad_matmul_of_pictures},
    {"reshape", bad_reshape},
    {"sum", bad_sum},
    {"sum", bad_sum_same_count},
    {"broadcast", bad_broadcast},
    {"broadcast", bad_broadcast_of_constant},
    {"convolution", bad_conv_channels},
    {"convolution", bad_conv_too_large},
    {"convolution", bad_conv_stride},
    {"convolution", bad_conv_input_grad},
    {"convolution", bad_conv_weight_grad},
    {"upsample", bad_upsample},
    {"sum pool", bad_sum_pool},
    {"slice", bad_slice},
    {"slice", bad_slice_axis},
    {"shape", bad_slice_empty},
    {"pad", bad_pad},
    {"add", bad_concat},
    {"parameter", bad_offset},
    {"shape", bad_shape},
    {"gradient", bad_gradient},
};

static void what_does_not_fit_is_refused_with_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct operands o = {.g = NULL};
        struct mien_err err = {0};

        assert_int_equal(mien_graph_new(&o.g), MIEN_OK);
        o.a = mien_parameter(o.g, mien_shape2(3, 4), 0);
        o.b = mien_parameter(o.g, mien_shape2(2, 3), 12);
        o.p = mien_parameter(o.g, mien_shape4(2, 5, 6, 3), 18);
        o.w = mien_parameter(o.g, mien_shape4(3, 3, 3, 2), 198);
        assert_int_equal(mien_graph_status(o.g, NULL), MIEN_OK);
        const mien_ref got = refusals[i].build(&o);
        if (got != MIEN_NO_REF || mien_graph_status(o.g, &err) == MIEN_OK ||
            strstr(err.text, refusals[i].culprit) == NULL)
            fail_msg("case %zu (%s): \"%s\"", i, refusals[i].culprit, err.text);
        mien_graph_free(o.g);
    }
}

static void what_changes_nothing_adds_no_node(void **state)
{
    (void)state;
    struct mien_graph *g = NULL;

    assert_int_equal(mien_graph_new(&g), MIEN_OK);
    const struct mien_shape shape = mien_shape2(3, 4);
    const mien_ref a = mien_parameter(g, shape, 0);
    assert_int_equal(mien_scale(g, a, 1.0), a);
    assert_int_equal(mien_shift(g, a, 0.0), a);
    assert_int_equal(mien_add(g, a, mien_constant(g, shape, 0.0)), a);
    assert_int_equal(mien_add(g, mien_constant(g, shape, 0.0), a), a);
    assert_int_equal(mien_multiply(g, a, mien_constant(g, mien_shape1(1), 1.0)), a);
    assert_int_equal(mien_reshape(g, a, shape), a);
    assert_int_equal(mien_sum_to(g, a, shape), a);
    assert_int_equal(mien_broadcast_to(g, a, shape), a);
    assert_int_equal(mien_slice(g, a, 1, 0, 4), a);
    assert_int_equal(mien_pad(g, a, 1, 0, 4), a);
    assert_int_equal(mien_scale(g, mien_scale(g, a, 2.0), 3.0), mien_scale(g, a, 6.0));
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    mien_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_name),
        cmocka_unit_test(what_changes_nothing_adds_no_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
