// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/kernels.h"

#include <string.h>

void mien_kernel_upsample(const mien_real *x, const struct mien_shape *small, mien_real *out)
{
    const uint64_t n_rows = (uint64_t)small->dim[0] * small->dim[1];
    const uint64_t w = small->dim[2];
    const uint64_t c = small->dim[3];

    for (uint64_t row = 0; row < n_rows; row++) {
        mien_real *first = out + row * 4 * w * c;

        for (uint64_t i = 0; i < w; i++) {
            const mien_real *from = x + (row * w + i) * c;

            memcpy(first + 2 * i * c, from, c * sizeof(*out));
            memcpy(first + (2 * i + 1) * c, from, c * sizeof(*out));
        }
        memcpy(first + 2 * w * c, first, 2 * w * c * sizeof(*out));
    }
}

void mien_kernel_sum_pool(const mien_real *x, const struct mien_shape *small, mien_real *out)
{
    const uint64_t n_rows = (uint64_t)small->dim[0] * small->dim[1];
    const uint64_t w = small->dim[2];
    const uint64_t c = small->dim[3];

    for (uint64_t row = 0; row < n_rows; row++) {
        const mien_real *first = x + row * 4 * w * c;
        const mien_real *second = first + 2 * w * c;

        for (uint64_t i = 0; i < w; i++) {
            mien_real *to = out + (row * w + i) * c;

            for (uint64_t k = 0; k < c; k++) {
                const uint64_t left = 2 * i * c + k;

                to[k] = (first[left] + first[left + c]) + (second[left] + second[left + c]);
            }
        }
    }
}

/* Elements after, and blocks before, one axis. */
static uint64_t inner_count(const struct mien_shape *shape, uint32_t axis)
{
    uint64_t n = 1;

    for (uint32_t i = axis + 1; i < shape->n_axes; i++)
        n *= shape->dim[i];
    return n;
}

void mien_kernel_slice(const mien_real *x, const struct mien_shape *from, uint32_t axis,
                       uint32_t start, uint32_t len, mien_real *out)
{
    const uint64_t inner = inner_count(from, axis);
    const uint64_t block = inner * from->dim[axis];
    const uint64_t n_blocks = mien_shape_count(from) / block;

    for (uint64_t i = 0; i < n_blocks; i++)
        memcpy(out + i * len * inner, x + i * block + start * inner, len * inner * sizeof(*out));
}

void mien_kernel_pad(const mien_real *x, const struct mien_shape *from, uint32_t axis,
                     uint32_t start, uint32_t total, mien_real *out)
{
    const uint64_t inner = inner_count(from, axis);
    const uint64_t len = from->dim[axis] * inner;
    const uint64_t n_blocks = mien_shape_count(from) / len;

    for (uint64_t i = 0; i < n_blocks; i++) {
        mien_real *to = out + i * total * inner;

        memset(to, 0, start * inner * sizeof(*out));
        memcpy(to + start * inner, x + i * len, len * sizeof(*out));
        memset(to + start * inner + len, 0, (total * inner - start * inner - len) * sizeof(*out));
    }
}
