// SPDX-License-Identifier: Apache-2.0
#include "server/tools/grid.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/data/sheet.h"

#include <string.h>

#define COLUMNS 8

enum mien_status mien_tool_grid_write(const struct mien_plan *plan,
                                      const struct mien_tool_pictures *pictures,
                                      const struct mien_tool_encoder *encoder, const char *path,
                                      struct mien_err *err)
{
    const struct mien_sheet sheet = {plan->size, plan->channels, COLUMNS};
    struct mien_image image = {0};
    struct mien_buf png = {0};
    enum mien_status status = mien_sheet_make(&sheet, pictures->values, pictures->n, &image);

    if (status == MIEN_OK)
        status = encoder == NULL ? mien_image_encode(&image, &png)
                                 : encoder->encode(encoder->self, &image, &png);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&png), 0644, err);
    mien_image_fini(&image);
    mien_buf_fini(&png);
    return status;
}

enum mien_status mien_tool_grid(const struct mien_tool_model *model, uint64_t seed,
                                const char *path, struct mien_err *err)
{
    const struct mien_plan *plan = &model->plan;
    const size_t n_batch = (size_t)MIEN_DRAW_BATCH * plan->size * plan->size * plan->channels;
    const uint32_t n_batches = MIEN_TOOL_GRID_PICTURES / MIEN_DRAW_BATCH;
    float *pictures = mien_calloc(n_batches * n_batch, sizeof(*pictures));
    struct mien_draw *draw = NULL;
    struct mien_draw_batch batch;
    enum mien_status status = MIEN_ENOMEM;

    if (pictures != NULL)
        status = mien_draw_new(model, seed, NULL, NULL, &draw, err);
    for (uint32_t i = 0; i < n_batches && status == MIEN_OK; i++) {
        status = mien_draw_next(draw, &batch);
        if (status == MIEN_OK)
            memcpy(pictures + i * n_batch, batch.pictures, n_batch * sizeof(*pictures));
    }
    if (status == MIEN_OK) {
        const struct mien_tool_pictures all = {pictures, MIEN_TOOL_GRID_PICTURES};

        status = mien_tool_grid_write(plan, &all, NULL, path, err);
    }
    mien_draw_free(draw);
    mien_free(pictures);
    return status;
}
