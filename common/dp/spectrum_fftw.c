// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/dp/spectrum.h"

#include <fftw3.h>
#include <math.h>
#include <pthread.h>

/* FFTW's planner is not safe for threads; running a plan is. */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

/* What is below e^-60 of the total at a frequency is nothing next to rounding. */
#define NEGLIGIBLE_LOG 60.0

struct mien_spectrum {
    size_t n;
    double *points;  /* [n + 2], transformed in place */
    double *product; /* [n / 2 + 1] complex numbers */
    fftw_plan there;
    fftw_plan back;
};

bool mien_spectrum_available(void)
{
    return true;
}

static bool make_plans(struct mien_spectrum *s)
{
    (void)pthread_mutex_lock(&planner);
    s->there = fftw_plan_dft_r2c_1d((int)s->n, s->points, (fftw_complex *)s->points, FFTW_ESTIMATE);
    s->back = fftw_plan_dft_c2r_1d((int)s->n, (fftw_complex *)s->points, s->points, FFTW_ESTIMATE);
    (void)pthread_mutex_unlock(&planner);
    return s->there != NULL && s->back != NULL;
}

enum mien_status mien_spectrum_new(size_t n, struct mien_spectrum **out)
{
    enum mien_status status = MIEN_ENOMEM;
    struct mien_spectrum *s;

    if (n < 2 || n % 2 != 0 || n > MIEN_SPECTRUM_MAX)
        return MIEN_EINVAL;
    s = mien_calloc(1, sizeof(*s));
    if (s == NULL)
        return MIEN_ENOMEM;
    s->n = n;
    s->points = mien_calloc_aligned((n + 2) * sizeof(double));
    s->product = mien_calloc_aligned((n + 2) * sizeof(double));
    if (s->points == NULL || s->product == NULL || !make_plans(s))
        goto out;
    for (size_t k = 0; k <= n / 2; k++)
        s->product[2 * k] = 1.0;
    *out = s;
    s = NULL;
    status = MIEN_OK;
out:
    mien_spectrum_free(s);
    return status;
}

double *mien_spectrum_points(struct mien_spectrum *s)
{
    return s->points;
}

/* product *= (re + i im)^count */
static void multiply_power(double *product, double re, double im, double count)
{
    double square = re * re + im * im;
    /* Near 1, where a power is sensitive, the logarithm must not see the rounded square. */
    double log_size = 0.5 * (square < 0.5 ? log(square) : log1p((re - 1.0) * (re + 1.0) + im * im));
    double size = exp(count * log_size);
    double angle = count * atan2(im, re);
    double a = size * cos(angle);
    double b = size * sin(angle);
    double product_re = product[0] * a - product[1] * b;

    product[1] = product[0] * b + product[1] * a;
    product[0] = product_re;
}

void mien_spectrum_multiply(struct mien_spectrum *s, double count)
{
    double negligible = exp(-2.0 * NEGLIGIBLE_LOG / count);

    fftw_execute(s->there);
    for (size_t k = 0; k <= s->n / 2; k++) {
        double re = s->points[2 * k];
        double im = s->points[2 * k + 1];
        double *product = &s->product[2 * k];

        if (re * re + im * im <= negligible)
            product[0] = product[1] = 0.0;
        else if (product[0] != 0.0 || product[1] != 0.0)
            multiply_power(product, re, im, count);
    }
}

void mien_spectrum_invert(struct mien_spectrum *s)
{
    double scale = 1.0 / (double)s->n;

    for (size_t k = 0; k < s->n + 2; k++)
        s->points[k] = s->product[k] * scale;
    fftw_execute(s->back);
}

void mien_spectrum_free(struct mien_spectrum *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&planner);
    if (s->there != NULL)
        fftw_destroy_plan(s->there);
    if (s->back != NULL)
        fftw_destroy_plan(s->back);
    (void)pthread_mutex_unlock(&planner);
    mien_free(s->points);
    mien_free(s->product);
    mien_free(s);
}
