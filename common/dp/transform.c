// SPDX-License-Identifier: Apache-2.0
/* Compiled twice: meson.build defines REAL, FFTW(name), STRUCT and CALL(name) for double and for
 * long double. */
#include "common/dp/transform.h"

#include "common/base/mem.h"

#include <fftw3.h>
#include <pthread.h>
#include <tgmath.h>

/* FFTW's planner is not safe for threads; running a plan is. */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

/* What is below e^-60 of the total at a frequency is nothing next to rounding. */
#define NEGLIGIBLE_LOG ((REAL)60)

struct STRUCT {
    size_t n;
    REAL *work;    /* [n + 2], transformed in place */
    REAL *product; /* [n / 2 + 1] complex numbers */
    FFTW(plan) there;
    FFTW(plan) back;
};

static void make_plans(struct STRUCT *t)
{
    FFTW(complex) *complex_work = (FFTW(complex) *)t->work;

    (void)pthread_mutex_lock(&planner);
    t->there = FFTW(plan_dft_r2c_1d)((int)t->n, t->work, complex_work, FFTW_ESTIMATE);
    t->back = FFTW(plan_dft_c2r_1d)((int)t->n, complex_work, t->work, FFTW_ESTIMATE);
    (void)pthread_mutex_unlock(&planner);
}

enum mien_status CALL(new)(size_t n, struct STRUCT **out)
{
    struct STRUCT *t = mien_calloc(1, sizeof(*t));

    if (t == NULL)
        return MIEN_ENOMEM;
    t->n = n;
    t->work = mien_calloc_aligned((n + 2) * sizeof(REAL));
    t->product = mien_calloc_aligned((n + 2) * sizeof(REAL));
    if (t->work != NULL && t->product != NULL)
        make_plans(t);
    if (t->there == NULL || t->back == NULL) {
        CALL(free)(t);
        return MIEN_ENOMEM;
    }
    for (size_t k = 0; k <= n / 2; k++)
        t->product[2 * k] = 1;
    *out = t;
    return MIEN_OK;
}

/* product *= (re + i im)^count */
static void multiply_power(REAL *product, REAL re, REAL im, REAL count)
{
    REAL square = re * re + im * im;
    /* Near 1, where a power is sensitive, the logarithm must not see the rounded square. */
    REAL log_square = square < (REAL)0.5 ? log(square) : log1p((re - 1) * (re + 1) + im * im);
    REAL size = exp(count * log_square / 2);
    REAL angle = count * atan2(im, re);
    REAL a = size * cos(angle);
    REAL b = size * sin(angle);
    REAL product_re = product[0] * a - product[1] * b;

    product[1] = product[0] * b + product[1] * a;
    product[0] = product_re;
}

void CALL(multiply)(struct STRUCT *t, const double *points, double count)
{
    REAL negligible = exp(-2 * NEGLIGIBLE_LOG / (REAL)count);

    for (size_t i = 0; i < t->n; i++)
        t->work[i] = (REAL)points[i];
    FFTW(execute)(t->there);
    for (size_t k = 0; k <= t->n / 2; k++) {
        REAL re = t->work[2 * k];
        REAL im = t->work[2 * k + 1];
        REAL *product = &t->product[2 * k];

        if (re * re + im * im <= negligible)
            product[0] = product[1] = 0;
        else
            multiply_power(product, re, im, (REAL)count);
    }
}

void CALL(invert)(struct STRUCT *t, double *points)
{
    for (size_t k = 0; k < t->n + 2; k++)
        t->work[k] = t->product[k];
    FFTW(execute)(t->back);
    for (size_t i = 0; i < t->n; i++)
        points[i] = (double)(t->work[i] / (REAL)t->n);
}

void CALL(free)(struct STRUCT *t)
{
    if (t == NULL)
        return;
    (void)pthread_mutex_lock(&planner);
    if (t->there != NULL)
        FFTW(destroy_plan)(t->there);
    if (t->back != NULL)
        FFTW(destroy_plan)(t->back);
    (void)pthread_mutex_unlock(&planner);
    mien_free(t->work);
    mien_free(t->product);
    mien_free(t);
}
