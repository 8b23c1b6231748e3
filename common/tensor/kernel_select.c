// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/kernel_select.h"

#include <string.h>

/* Whether `index` names one of v rows; false for NaN. */
static bool names_row(mien_real index, uint32_t v)
{
    return index >= 0 && index < (mien_real)v;
}

void mien_kernel_gather(const mien_real *table, const struct mien_shape *table_shape,
                        const mien_real *index, uint64_t n, mien_real *out)
{
    const uint64_t c = table_shape->dim[1];

    for (uint64_t i = 0; i < n; i++) {
        if (names_row(index[i], table_shape->dim[0]))
            memcpy(out + i * c, table + (uint64_t)index[i] * c, c * sizeof(*out));
        else
            memset(out + i * c, 0, c * sizeof(*out));
    }
}

void mien_kernel_scatter(const mien_real *rows, const struct mien_shape *table_shape,
                         const mien_real *index, uint64_t n, mien_real *table)
{
    const uint64_t c = table_shape->dim[1];

    memset(table, 0, mien_shape_count(table_shape) * sizeof(*table));
    for (uint64_t i = 0; i < n; i++) {
        if (!names_row(index[i], table_shape->dim[0]))
            continue;
        mien_real *to = table + (uint64_t)index[i] * c;

        for (uint64_t k = 0; k < c; k++)
            to[k] += rows[i * c + k];
    }
}

/* Where `by` is largest under the window whose first element is at `first`. */
static uint64_t place_of_largest(const struct mien_pick_window *window, const mien_real *by,
                                 const struct mien_shape *shape, uint64_t first)
{
    const uint64_t c = shape->dim[3];
    const uint64_t row = shape->dim[2] * c;
    uint64_t best = first;

    for (uint32_t y = 0; y < window->side; y++) {
        for (uint32_t x = 0; x < window->side; x++) {
            const uint64_t at = first + y * row + x * c;

            /* A NaN compares to nothing, and must not be passed over. */
            if (by[at] > by[best] || by[at] != by[at])
                best = at;
        }
    }
    return best;
}

/* The first element under the window of picked element `i`. */
static uint64_t window_start(const struct mien_pick_window *window, const struct mien_shape *shape,
                             const struct mien_shape *picked, uint64_t i)
{
    const uint64_t c = shape->dim[3];
    const uint64_t k = i % c;
    const uint64_t x = i / c % picked->dim[2] * window->stride;
    const uint64_t y = i / c / picked->dim[2] % picked->dim[1] * window->stride;
    const uint64_t n = i / c / picked->dim[2] / picked->dim[1];

    return ((n * shape->dim[1] + y) * shape->dim[2] + x) * c + k;
}

void mien_kernel_pick(const struct mien_pick_window *window, const mien_real *from,
                      const mien_real *by, const struct mien_shape *shape,
                      const struct mien_shape *picked, mien_real *out)
{
    for (uint64_t i = 0; i < mien_shape_count(picked); i++)
        out[i] = from[place_of_largest(window, by, shape, window_start(window, shape, picked, i))];
}

void mien_kernel_unpick(const struct mien_pick_window *window, const mien_real *y,
                        const mien_real *by, const struct mien_shape *shape,
                        const struct mien_shape *picked, mien_real *out)
{
    memset(out, 0, mien_shape_count(shape) * sizeof(*out));
    for (uint64_t i = 0; i < mien_shape_count(picked); i++)
        out[place_of_largest(window, by, shape, window_start(window, shape, picked, i))] += y[i];
}

void mien_kernel_row_max(const mien_real *x, const struct mien_shape *shape, mien_real *out)
{
    const uint64_t c = shape->dim[shape->n_axes - 1];
    const uint64_t n = mien_shape_count(shape) / c;

    for (uint64_t i = 0; i < n; i++) {
        const mien_real *row = x + i * c;
        mien_real best = row[0];

        for (uint64_t k = 1; k < c; k++) {
            if (row[k] > best || row[k] != row[k])
                best = row[k];
        }
        out[i] = best;
    }
}
