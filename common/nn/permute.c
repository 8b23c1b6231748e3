// SPDX-License-Identifier: Apache-2.0
#include "common/nn/permute.h"

struct mien_shape mien_permuted_shape(const struct mien_shape *shape, const uint32_t *order)
{
    struct mien_shape out = {.n_axes = shape->n_axes};

    for (uint32_t i = 0; i < shape->n_axes; i++)
        out.dim[i] = shape->dim[order[i]];
    return out;
}

void mien_permute(const float *from, const struct mien_shape *shape, const uint32_t *order,
                  float *to)
{
    const struct mien_shape out = mien_permuted_shape(shape, order);
    const uint64_t n = mien_shape_count(shape);
    uint64_t stride[MIEN_MAX_AXES]; /* in `from`, of each axis of it */
    uint32_t at[MIEN_MAX_AXES] = {0};
    uint64_t source = 0;

    for (uint32_t i = shape->n_axes, step = 1; i > 0; i--) {
        stride[i - 1] = step;
        step *= shape->dim[i - 1];
    }
    for (uint64_t i = 0; i < n; i++) {
        to[i] = from[source];
        /* The next place of the result: its last axis that has not come to its end moves on. */
        for (uint32_t axis = out.n_axes; axis > 0; axis--) {
            const uint64_t step = stride[order[axis - 1]];

            source += step;
            if (++at[axis - 1] < out.dim[axis - 1])
                break;
            source -= step * out.dim[axis - 1];
            at[axis - 1] = 0;
        }
    }
}
