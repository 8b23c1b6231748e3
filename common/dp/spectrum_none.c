// SPDX-License-Identifier: Apache-2.0
#include "common/dp/spectrum.h"

bool mien_spectrum_available(void)
{
    return false;
}

enum mien_status mien_spectrum_new(size_t n, bool precise, struct mien_spectrum **out)
{
    (void)n;
    (void)precise;
    (void)out;
    return MIEN_ESTATE;
}

double *mien_spectrum_points(struct mien_spectrum *s)
{
    (void)s;
    return NULL;
}

void mien_spectrum_multiply(struct mien_spectrum *s, double count)
{
    (void)s;
    (void)count;
}

void mien_spectrum_invert(struct mien_spectrum *s)
{
    (void)s;
}

void mien_spectrum_free(struct mien_spectrum *s)
{
    (void)s;
}
