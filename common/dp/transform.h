/* A running product of Fourier transforms, in double and in long double: one source, compiled twice
 * (transform.c, with the names of fftw and of fftwl).
 *
 * Threads: a transform belongs to one thread at a time; FFTW's planner is locked here
 */
#ifndef MIEN_DP_TRANSFORM_H
#define MIEN_DP_TRANSFORM_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stddef.h>

struct mien_transform;
struct mien_transforml;

/* A product of 1 over n points.  out  given  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_transform_new(size_t n, struct mien_transform **out);
MIEN_CHECK enum mien_status mien_transforml_new(size_t n, struct mien_transforml **out);

/* Times the transform of points [n] to the power count. */
void mien_transform_multiply(struct mien_transform *t, const double *points, double count);
void mien_transforml_multiply(struct mien_transforml *t, const double *points, double count);

/* The product as points [n]; it is spent. */
void mien_transform_invert(struct mien_transform *t, double *points);
void mien_transforml_invert(struct mien_transforml *t, double *points);

void mien_transform_free(struct mien_transform *t);
void mien_transforml_free(struct mien_transforml *t);

#endif
