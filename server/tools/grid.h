/* Pictures side by side in one PNG, 8 a row.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_GRID_H
#define MIEN_TOOLS_GRID_H

#include "server/tools/draw.h"

/* A grid holds so many pictures. */
#define MIEN_TOOL_GRID_PICTURES 64

/* Writes pictures as a grid.
 *
 *   pictures  [n, size, size, channels] in [-1, 1], n at least 1
 *   errors    MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_tool_grid_write(const struct mien_plan *plan,
                                                 const float *pictures, uint32_t n,
                                                 const char *path, struct mien_err *err);

/* Draws MIEN_TOOL_GRID_PICTURES faces of a model and writes them. The same seed gives the same
 * latents, so that grids of several models compare.
 *
 *   errors  as above, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_tool_grid(const struct mien_tool_model *model, uint64_t seed,
                                           const char *path, struct mien_err *err);

#endif
