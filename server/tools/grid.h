/* Pictures side by side in one PNG, 8 a row.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_GRID_H
#define MIEN_TOOLS_GRID_H

#include "common/data/image.h"
#include "server/tools/draw.h"

/* A grid holds so many pictures. */
#define MIEN_TOOL_GRID_PICTURES 64

struct mien_tool_pictures {
    const float *values; /* [n, size, size, channels] in [-1, 1] */
    uint32_t n;          /* at least 1 */
};

/* How a picture becomes a PNG where it is more than its pixels (release.h). */
struct mien_tool_encoder {
    enum mien_status (*encode)(const void *self, const struct mien_image *image,
                               struct mien_buf *png);
    const void *self;
};

/* Writes pictures as a grid.
 *
 *   encoder  NULL for a plain PNG
 *   errors   MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, the encoder's
 */
MIEN_CHECK enum mien_status mien_tool_grid_write(const struct mien_plan *plan,
                                                 const struct mien_tool_pictures *pictures,
                                                 const struct mien_tool_encoder *encoder,
                                                 const char *path, struct mien_err *err);

/* Draws MIEN_TOOL_GRID_PICTURES faces of a model and writes them. The same seed gives the same
 * latents, so that grids of several models compare.
 *
 *   errors  as above, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_tool_grid(const struct mien_tool_model *model, uint64_t seed,
                                           const char *path, struct mien_err *err);

#endif
