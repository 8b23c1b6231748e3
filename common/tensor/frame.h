/* Pictures [n, h, w, c] inside frames [n, fh, fw, c] of zeros, a few at a time.
 *
 * Rows and columns of a picture that do not fit its frame are left out.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_FRAME_H
#define MIEN_TENSOR_FRAME_H

#include "common/tensor/convolution.h"

/* Elements of pictures framed at a time: 2 MiB of floats. */
#define MIEN_FRAME_ELEMENTS (UINT64_C(1) << 19)

struct mien_frame {
    uint64_t h, w, c;
    uint64_t fh, fw;
    uint64_t top, left;
    uint64_t n_per_go;
};

/* `frame` with its size and the number of pictures, of n, that are framed at a time. */
struct mien_frame mien_frame_of(uint64_t n, uint64_t fh, uint64_t fw, struct mien_frame frame);

/* The part of a convolution's x that its window meets, zeros around. */
struct mien_frame mien_frame_of_x(const struct mien_convolution *conv);

/* Elements of a frame. */
uint64_t mien_frame_size(const struct mien_frame *frame);

/* Elements of scratch space that mien_framed needs. */
uint64_t mien_frame_scratch(const struct mien_frame *frame);

/* n pictures framed in scratch; the pictures themselves where nothing is to be added. */
const mien_real *mien_framed(const struct mien_frame *frame, const mien_real *pictures, uint64_t n,
                             mien_real *scratch);

/* n pictures out of their frames; zeros where a picture has more rows or columns. */
void mien_frame_undo(const struct mien_frame *frame, const mien_real *framed, uint64_t n,
                     mien_real *pictures);

#endif
