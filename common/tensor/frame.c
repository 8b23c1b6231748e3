// SPDX-License-Identifier: Apache-2.0
#include "common/tensor/frame.h"

#include "common/base/num.h"

#include <string.h>

uint64_t mien_frame_size(const struct mien_frame *frame)
{
    return frame->fh * frame->fw * frame->c;
}

struct mien_frame mien_frame_of(uint64_t n, uint64_t fh, uint64_t fw, struct mien_frame frame)
{
    frame.fh = fh;
    frame.fw = fw;
    frame.n_per_go =
        mien_max_size(1, mien_min_size(n, MIEN_FRAME_ELEMENTS / mien_frame_size(&frame)));
    return frame;
}

struct mien_frame mien_frame_of_x(const struct mien_convolution *s)
{
    return mien_frame_of(
        s->n, (s->oh - 1) * s->stride + s->kh, (s->ow - 1) * s->stride + s->kw,
        (struct mien_frame){.h = s->h, .w = s->w, .c = s->c, .top = s->top, .left = s->left});
}

static bool needs_no_copy(const struct mien_frame *f)
{
    return f->top == 0 && f->left == 0 && f->h == f->fh && f->w == f->fw;
}

uint64_t mien_frame_scratch(const struct mien_frame *frame)
{
    return needs_no_copy(frame) ? 0 : frame->n_per_go * mien_frame_size(frame);
}

static void make_frame(const struct mien_frame *f, const mien_real *picture, mien_real *frame)
{
    const uint64_t row = f->fw * f->c;
    const uint64_t before = f->left * f->c;
    const uint64_t inside = mien_min_size(f->w * f->c, row - before);

    memset(frame, 0, f->top * row * sizeof(*frame));
    frame += f->top * row;
    for (uint64_t y = f->top; y < f->fh; y++, frame += row) {
        if (y - f->top >= f->h) {
            memset(frame, 0, row * sizeof(*frame));
            continue;
        }
        const mien_real *from = picture + (y - f->top) * f->w * f->c;

        memset(frame, 0, before * sizeof(*frame));
        memcpy(frame + before, from, inside * sizeof(*frame));
        memset(frame + before + inside, 0, (row - before - inside) * sizeof(*frame));
    }
}

const mien_real *mien_framed(const struct mien_frame *frame, const mien_real *pictures, uint64_t n,
                             mien_real *scratch)
{
    const struct mien_frame *f = frame;

    if (needs_no_copy(f))
        return pictures;
    for (uint64_t i = 0; i < n; i++)
        make_frame(f, pictures + i * f->h * f->w * f->c, scratch + i * mien_frame_size(f));
    return scratch;
}

static void take_out(const struct mien_frame *f, const mien_real *frame, mien_real *picture)
{
    const uint64_t inside = mien_min_size(f->w, f->fw - f->left) * f->c;

    for (uint64_t y = 0; y < f->h; y++, picture += f->w * f->c) {
        const uint64_t n = f->top + y < f->fh ? inside : 0;

        if (n > 0)
            memcpy(picture, frame + ((f->top + y) * f->fw + f->left) * f->c, n * sizeof(*frame));
        memset(picture + n, 0, (f->w * f->c - n) * sizeof(*frame));
    }
}

void mien_frame_undo(const struct mien_frame *frame, const mien_real *framed, uint64_t n,
                     mien_real *pictures)
{
    for (uint64_t i = 0; i < n; i++)
        take_out(frame, framed + i * mien_frame_size(frame),
                 pictures + i * frame->h * frame->w * frame->c);
}
