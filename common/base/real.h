/* The number that tensors are made of.
 *
 * float everywhere; the numeric gradient checks compile the very same sources with
 * -DMIEN_REAL=double.
 */
#ifndef MIEN_BASE_REAL_H
#define MIEN_BASE_REAL_H

#ifndef MIEN_REAL
#define MIEN_REAL float
#endif

typedef MIEN_REAL mien_real;

#endif
