/* Draws against the distribution they should have: chi-square, moments, tail counts.
 *
 * Each check fails a perfect sampler with probability below 1e-6: thresholds are at 5.5 standard
 * deviations, where the counts are large enough for the normal limit to hold to a factor of some.
 */
#ifndef MIEN_TEST_DRAWS_H
#define MIEN_TEST_DRAWS_H

#include "common/base/mem.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdint.h>

#define DRAWS_CELLS 81

/* The distribution on the integers: P(low <= X <= high), for a struct of the test's own. */
struct draws_law {
    double (*between)(const struct draws_law *law, int64_t low, int64_t high);
    double sigma;
    double variance;
    double fourth; /* E X^4 / variance^2 */
};

static void draws_chi_square(const struct draws_law *law, const int64_t *draws, size_t n)
{
    const int64_t width = law->sigma < 16 ? 1 : (int64_t)(law->sigma / 8.0);
    double seen[DRAWS_CELLS] = {0};
    double chi_square = 0;
    double cells = 0;

    for (size_t i = 0; i < n; i++) {
        /* Cell c holds the integers from (c - 40) width on. */
        const int64_t shifted = draws[i] + DRAWS_CELLS / 2 * width;
        const int64_t cell = shifted < 0 ? 0 : shifted / width;

        seen[cell < DRAWS_CELLS ? cell : DRAWS_CELLS - 1] += 1;
    }
    for (int c = 1; c + 1 < DRAWS_CELLS; c++) {
        const int64_t low = (c - DRAWS_CELLS / 2) * width;
        const double expected = law->between(law, low, low + width - 1) * (double)n;

        if (expected < 25)
            continue;
        chi_square += (seen[c] - expected) * (seen[c] - expected) / expected;
        cells += 1;
    }
    assert_true(cells >= 5);
    assert_true(chi_square < cells + 5.5 * sqrt(2 * cells) + 20);
}

static void draws_moments(const struct draws_law *law, const int64_t *draws, size_t n)
{
    const double deviation = sqrt(law->variance);
    double sum = 0;
    double squares = 0;
    double fourths = 0;

    for (size_t i = 0; i < n; i++) {
        const double x = (double)draws[i] / deviation;

        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
    }
    assert_true(fabs(sum) < 5.5 * sqrt((double)n));
    assert_true(fabs(squares - (double)n) < 5.5 * sqrt((law->fourth - 1) * (double)n));
    /* Var X^4 = 105 - 9 for a normal one; a tenth more for those near it. */
    assert_true(fabs(fourths - law->fourth * (double)n) < 5.5 * sqrt(106 * (double)n));
}

/* How many lie beyond 1, 2, 3 and 4 deviations, on either side. */
static void draws_tails(const struct draws_law *law, const int64_t *draws, size_t n)
{
    for (int deviations = 1; deviations <= 4; deviations++) {
        const int64_t beyond = (int64_t)(law->sigma * deviations) + 1;
        const int64_t far = (int64_t)(law->sigma * 40) + 40;
        const double expected = law->between(law, beyond, far) * (double)n;
        double above = 0;
        double below = 0;

        for (size_t i = 0; i < n; i++) {
            above += draws[i] >= beyond;
            below += draws[i] <= -beyond;
        }
        assert_true(fabs(above - expected) < 5.5 * sqrt(expected) + 10);
        assert_true(fabs(below - expected) < 5.5 * sqrt(expected) + 10);
    }
}

static void draws_check(const struct draws_law *law, const int64_t *draws, size_t n)
{
    draws_chi_square(law, draws, n);
    draws_moments(law, draws, n);
    draws_tails(law, draws, n);
}

#endif
