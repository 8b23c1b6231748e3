// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/compose.h"

#include "common/tensor/graph_internal.h"
#include "common/tensor/select.h"

/* Zeros in front, and behind, of one axis. */
struct margins {
    uint32_t before;
    uint32_t after;
};

static struct margins split(uint64_t total)
{
    return (struct margins){(uint32_t)(total / 2), (uint32_t)(total - total / 2)};
}

static struct margins same_margins(uint32_t size, uint32_t kernel, uint32_t stride)
{
    if (stride == 0) /* no geometry: the op that gets it says so */
        return (struct margins){0, 0};
    const uint64_t results = ((uint64_t)size + stride - 1) / stride;
    const uint64_t span = results == 0 ? 0 : (results - 1) * stride + kernel;

    return split(span > size ? span - size : 0);
}

struct mien_conv mien_conv_same(uint32_t h, uint32_t w, const struct mien_kernel_size *kernel)
{
    const struct margins rows = same_margins(h, kernel->h, kernel->stride);
    const struct margins columns = same_margins(w, kernel->w, kernel->stride);

    return (struct mien_conv){kernel->stride, rows.before, columns.before, rows.after,
                              columns.after};
}

struct mien_conv mien_conv_same_torch(const struct mien_kernel_size *kernel)
{
    const struct margins rows = split(kernel->h > 0 ? kernel->h - 1 : 0);
    const struct margins columns = split(kernel->w > 0 ? kernel->w - 1 : 0);

    return (struct mien_conv){kernel->stride, rows.before, columns.before, rows.after,
                              columns.after};
}

mien_ref mien_conv2d_groups(struct mien_graph *graph, mien_ref x, mien_ref w,
                            const struct mien_conv *conv, uint32_t groups)
{
    const struct mien_shape sx = mien_graph_shape(graph, x);
    const struct mien_shape sw = mien_graph_shape(graph, w);
    mien_ref y = MIEN_NO_REF;

    if (x == MIEN_NO_REF || w == MIEN_NO_REF)
        return MIEN_NO_REF;
    if (groups == 0 || sx.n_axes != 4 || sw.n_axes != 4 || sx.dim[3] % groups != 0 ||
        sw.dim[3] % groups != 0)
        return mien_graph_fail(graph, MIEN_EINVAL, "grouped convolution",
                               "the groups do not divide the channels");
    const uint32_t c = sx.dim[3] / groups;
    const uint32_t o = sw.dim[3] / groups;
    for (uint32_t i = 0; i < groups; i++) {
        mien_ref part = mien_conv2d(graph, mien_slice(graph, x, 3, i * c, c),
                                    mien_slice(graph, w, 3, i * o, o), conv);
        mien_ref padded = mien_pad(graph, part, 3, i * o, sw.dim[3]);

        y = i == 0 ? padded : mien_add(graph, y, padded);
    }
    return y;
}

mien_ref mien_average_pool(struct mien_graph *graph, mien_ref x, uint32_t side)
{
    const struct mien_shape s = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    if (s.n_axes != 4 || side == 0 || s.dim[1] % side != 0 || s.dim[2] % side != 0)
        return mien_graph_fail(graph, MIEN_EINVAL, "average pool",
                               "expected [n, h, w, c], h and w multiples of the side");
    const uint32_t oh = s.dim[1] / side;
    const uint32_t ow = s.dim[2] / side;
    const uint32_t c = s.dim[3];

    /* Rows of a block, then its columns: four axes are enough for each. */
    mien_ref rows = mien_reshape(graph, x, mien_shape3(s.dim[0] * oh, side, s.dim[2] * c));
    rows = mien_sum_to(graph, rows, mien_shape3(s.dim[0] * oh, 1, s.dim[2] * c));
    mien_ref columns = mien_reshape(graph, rows, mien_shape3(s.dim[0] * oh * ow, side, c));
    columns = mien_sum_to(graph, columns, mien_shape3(s.dim[0] * oh * ow, 1, c));
    mien_ref sums = mien_reshape(graph, columns, mien_shape4(s.dim[0], oh, ow, c));
    return mien_scale(graph, sums, 1.0 / ((double)side * (double)side));
}

mien_ref mien_relu(struct mien_graph *graph, mien_ref x)
{
    return mien_leaky(graph, x, 0.0);
}

mien_ref mien_normalise(struct mien_graph *graph, mien_ref x, struct mien_shape each,
                        double epsilon)
{
    const struct mien_shape from = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    const double share = (double)mien_shape_count(&each) / (double)mien_shape_count(&from);
    mien_ref mean = mien_scale(graph, mien_sum_to(graph, x, each), share);
    mien_ref centred = mien_subtract(graph, x, mean);
    mien_ref squares = mien_sum_to(graph, mien_multiply(graph, centred, centred), each);
    mien_ref variance = mien_shift(graph, mien_scale(graph, squares, share), epsilon);

    return mien_divide(graph, centred, mien_sqrt(graph, variance));
}

/* x [n, .., c] as [n, pixels, groups, c / groups]. */
static struct mien_shape grouped_shape(const struct mien_shape *s, uint32_t groups)
{
    const uint32_t c = s->dim[s->n_axes - 1];
    const uint64_t pixels = mien_shape_count(s) / s->dim[0] / c;

    return mien_shape4(s->dim[0], (uint32_t)pixels, groups, c / groups);
}

mien_ref mien_group_norm(struct mien_graph *graph, mien_ref x, uint32_t groups, double epsilon)
{
    const struct mien_shape s = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    if (s.n_axes < 2 || groups == 0 || s.dim[s.n_axes - 1] % groups != 0)
        return mien_graph_fail(graph, MIEN_EINVAL, "group norm",
                               "the groups do not divide the channels");
    const struct mien_shape rows = grouped_shape(&s, groups);
    const struct mien_shape each = mien_shape4(rows.dim[0], 1, groups, 1);

    return mien_reshape(graph, mien_normalise(graph, mien_reshape(graph, x, rows), each, epsilon),
                        s);
}

mien_ref mien_layer_norm(struct mien_graph *graph, mien_ref x, double epsilon)
{
    struct mien_shape each = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    each.dim[each.n_axes - 1] = 1;
    return mien_normalise(graph, x, each, epsilon);
}

mien_ref mien_batch_norm(struct mien_graph *graph, mien_ref x, double epsilon)
{
    struct mien_shape each = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    for (uint32_t i = 0; i + 1 < each.n_axes; i++)
        each.dim[i] = 1;
    return mien_normalise(graph, x, each, epsilon);
}

mien_ref mien_log_softmax(struct mien_graph *graph, mien_ref x)
{
    const struct mien_shape s = mien_graph_shape(graph, x);

    if (x == MIEN_NO_REF)
        return MIEN_NO_REF;
    if (s.n_axes != 2)
        return mien_graph_fail(graph, MIEN_EINVAL, "softmax", "expected [n, c]");
    /* The same shift above and below the line: no power overflows. */
    mien_ref shifted = mien_subtract(graph, x, mien_row_max(graph, x));
    mien_ref sums = mien_sum_to(graph, mien_exp(graph, shifted), mien_shape2(s.dim[0], 1));

    return mien_subtract(graph, shifted, mien_log_of(graph, sums));
}

mien_ref mien_softmax(struct mien_graph *graph, mien_ref x)
{
    return mien_exp(graph, mien_log_softmax(graph, x));
}

mien_ref mien_softmax_cross_entropy(struct mien_graph *graph, mien_ref x, mien_ref target)
{
    const struct mien_shape s = mien_graph_shape(graph, x);
    mien_ref each = mien_multiply(graph, mien_log_softmax(graph, x), target);

    return mien_scale(graph, mien_sum_to(graph, each, mien_shape2(s.dim[0], 1)), -1.0);
}

mien_ref mien_reparameterise(struct mien_graph *graph, mien_ref mean, mien_ref log_variance,
                             mien_ref noise)
{
    mien_ref deviation = mien_exp(graph, mien_scale(graph, log_variance, 0.5));

    return mien_add(graph, mean, mien_multiply(graph, deviation, noise));
}

mien_ref mien_normal_divergence(struct mien_graph *graph, mien_ref mean, mien_ref log_variance)
{
    const struct mien_shape s = mien_graph_shape(graph, mean);
    mien_ref squares = mien_multiply(graph, mean, mean);
    mien_ref variance = mien_exp(graph, log_variance);
    mien_ref each = mien_subtract(graph, mien_add(graph, squares, variance),
                                  mien_shift(graph, log_variance, 1.0));

    return mien_scale(graph, mien_sum_to(graph, each, mien_shape2(s.dim[0], 1)), 0.5);
}

mien_ref mien_gru_cell(struct mien_graph *graph, mien_ref from_x, mien_ref h, mien_ref w,
                       mien_ref b)
{
    const uint32_t u = mien_graph_shape(graph, h).dim[1];
    mien_ref from_h = mien_add(graph, mien_matmul(graph, h, w, 0), b);
    mien_ref gates = mien_sigmoid(graph, mien_add(graph, mien_slice(graph, from_x, 1, 0, 2 * u),
                                                  mien_slice(graph, from_h, 1, 0, 2 * u)));
    mien_ref reset = mien_slice(graph, gates, 1, 0, u);
    mien_ref keep = mien_slice(graph, gates, 1, u, u);
    mien_ref inner = mien_multiply(graph, mien_slice(graph, from_h, 1, 2 * u, u), reset);
    mien_ref fresh =
        mien_tanh(graph, mien_add(graph, mien_slice(graph, from_x, 1, 2 * u, u), inner));

    return mien_add(graph, fresh, mien_multiply(graph, mien_subtract(graph, h, fresh), keep));
}
