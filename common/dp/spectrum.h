/* Convolution powers on a circle, by the Fourier transform.
 *
 * The build chooses the implementation: FFTW, or none (a meson option: FFTW's licence is GPL), and
 * then there are no privacy loss distributions.
 *
 * Threads: a spectrum belongs to one thread at a time; FFTW's planner is locked here
 */
#ifndef MIEN_DP_SPECTRUM_H
#define MIEN_DP_SPECTRUM_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct mien_spectrum;

/* Whether this build has an implementation. */
bool mien_spectrum_available(void);

/* The largest length. */
#define MIEN_SPECTRUM_MAX ((size_t)1 << 22)

/* A circle of n points (even, at most MIEN_SPECTRUM_MAX), its product 1.
 *
 *   precise long double inside, where what decides is too small beside the rest for doubles
 *   out     given: end it with mien_spectrum_free
 *   errors  MIEN_EINVAL; MIEN_ENOMEM; MIEN_ESTATE  this build has none
 */
MIEN_CHECK enum mien_status mien_spectrum_new(size_t n, bool precise, struct mien_spectrum **out);

/* [n] lent until the free: the next factor before a multiply, the product after the invert. */
double *mien_spectrum_points(struct mien_spectrum *s);

/* Multiplies the product by the transform of the points (not negative, sum 1) to the power count.
 * The points hold nothing afterwards. */
void mien_spectrum_multiply(struct mien_spectrum *s, double count);

/* Turns the product into points; the spectrum is spent. */
void mien_spectrum_invert(struct mien_spectrum *s);

void mien_spectrum_free(struct mien_spectrum *s);

#endif
