// SPDX-License-Identifier: Apache-2.0
#include "common/dp/spectrum.h"

#include "common/base/mem.h"
#include "common/dp/transform.h"

#include <math.h>

struct mien_spectrum {
    size_t n;
    double *points;                   /* [n] */
    struct mien_transform *transform; /* one of the two */
    struct mien_transforml *transforml;
};

bool mien_spectrum_available(void)
{
    return true;
}

enum mien_status mien_spectrum_new(size_t n, bool precise, struct mien_spectrum **out)
{
    enum mien_status status = MIEN_ENOMEM;
    struct mien_spectrum *s;

    if (n < 2 || n % 2 != 0 || n > MIEN_SPECTRUM_MAX)
        return MIEN_EINVAL;
    s = mien_calloc(1, sizeof(*s));
    if (s == NULL)
        return MIEN_ENOMEM;
    s->n = n;
    s->points = mien_calloc(n, sizeof(double));
    if (s->points == NULL)
        goto out;
    status =
        precise ? mien_transforml_new(n, &s->transforml) : mien_transform_new(n, &s->transform);
    if (status != MIEN_OK)
        goto out;
    *out = s;
    s = NULL;
out:
    mien_spectrum_free(s);
    return status;
}

double *mien_spectrum_points(struct mien_spectrum *s)
{
    return s->points;
}

void mien_spectrum_multiply(struct mien_spectrum *s, double count)
{
    if (s->transforml != NULL)
        mien_transforml_multiply(s->transforml, s->points, count);
    else
        mien_transform_multiply(s->transform, s->points, count);
}

void mien_spectrum_invert(struct mien_spectrum *s)
{
    if (s->transforml != NULL)
        mien_transforml_invert(s->transforml, s->points);
    else
        mien_transform_invert(s->transform, s->points);
}

void mien_spectrum_free(struct mien_spectrum *s)
{
    if (s == NULL)
        return;
    mien_transform_free(s->transform);
    mien_transforml_free(s->transforml);
    mien_free(s->points);
    mien_free(s);
}
