// SPDX-License-Identifier: Apache-2.0
#include "common/dp/quantile.h"

#include <math.h>

#define N_CELLS (1 << MIEN_QUANTILE_CELL_BITS)

/* From a neighbour 1/128 away each step squares the distance: four are enough, with two spare. */
#define NEWTON_STEPS 6

static const double root_half = 0.70710678118654752440;
static const double root_two_over_pi = 0.79788456080286535588;

/* f and its derivatives at a place, as lengths along one cell. */
struct node {
    double f;
    double first;
    double second;
};

/* The density of |N(0, 1)|. */
static double density(double x)
{
    return root_two_over_pi * exp(-0.5 * x * x);
}

/* The x with erfc(x / sqrt 2) = u, from one that is not larger: the tail is convex, so that steps
 * come from the left and never pass. */
static double solve(double u, double x)
{
    for (int i = 0; i < NEWTON_STEPS; i++)
        x += (erfc(x * root_half) - u) / density(x);
    return x > 0.0 ? x : 0.0;
}

/* f' = -1 / p and f'' = x / p^2, p the density at x = f(u). */
static struct node node_at(double x, double width)
{
    const double step = width / density(x);

    return (struct node){.f = x, .first = -step, .second = x * step * step};
}

/* The coefficient of (t / 2)^power, from that of t^power. */
static int64_t fixed(double v, int power)
{
    return (int64_t)llrint(ldexp(v, MIEN_QUANTILE_ONE_BITS + power));
}

/* The quintic with the given value, slope and curvature at t = 0 and t = 1. */
static void fill_cell(int64_t c[MIEN_QUANTILE_DEGREE + 1], const struct node *from,
                      const struct node *to)
{
    const double rise = (to->f - from->f) - from->first - 0.5 * from->second;
    const double turn = (to->first - from->first) - from->second;
    const double bend = to->second - from->second;

    c[0] = fixed(from->f, 0);
    c[1] = fixed(from->first, 1);
    c[2] = fixed(0.5 * from->second, 2);
    c[3] = fixed(10.0 * rise - 4.0 * turn + 0.5 * bend, 3);
    c[4] = fixed(-15.0 * rise + 7.0 * turn - bend, 4);
    c[5] = fixed(6.0 * rise - 3.0 * turn + 0.5 * bend, 5);
}

void mien_quantile_init(struct mien_quantile *table)
{
    double x = 0.0; /* f(1) */

    for (int octave = 0; octave < MIEN_QUANTILE_OCTAVES; octave++) {
        const double width = ldexp(1.0, -octave - 1 - MIEN_QUANTILE_CELL_BITS);
        struct node to = node_at(x, width);

        for (int cell = N_CELLS - 1; cell >= 0; cell--) {
            x = solve((double)(N_CELLS + cell) * width, x);
            const struct node from = node_at(x, width);

            fill_cell(table->cell[octave * N_CELLS + cell], &from, &to);
            to = from;
        }
    }
}
