// SPDX-License-Identifier: Apache-2.0
#include "server/tools/raw.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/nn/safetensors.h"

#include <inttypes.h>
#include <string.h>

static size_t n_pixels(const struct mien_plan *plan)
{
    return (size_t)plan->size * plan->size * plan->channels;
}

enum mien_status mien_tool_raw_init(struct mien_tool_raw *out, const struct mien_plan *plan,
                                    uint64_t count, struct mien_err *err)
{
    const uint32_t n_code = mien_plan_code_size(plan);
    struct mien_tool_raw raw = {.plan = plan, .count = (uint32_t)count};

    if (count > MIEN_TOOL_RAW_MAX_COUNT)
        return mien_err_set(err, MIEN_ELIMIT, "--raw holds up to %d pictures, --count is %" PRIu64,
                            MIEN_TOOL_RAW_MAX_COUNT, count);
    raw.latents = mien_calloc(raw.count, plan->latent * sizeof(float));
    raw.codes = n_code == 0 ? NULL : mien_calloc(raw.count, n_code * sizeof(float));
    raw.pictures = mien_calloc(raw.count, n_pixels(plan) * sizeof(float));
    if (raw.latents == NULL || (n_code > 0 && raw.codes == NULL) || raw.pictures == NULL) {
        mien_tool_raw_fini(&raw);
        return MIEN_ENOMEM;
    }
    *out = raw;
    return MIEN_OK;
}

/* Rows `at` and after of a [count, width] list. */
static void keep(float *list, const float *batch, size_t width, uint32_t at, uint32_t n)
{
    memcpy(list + at * width, batch, n * width * sizeof(float));
}

void mien_tool_raw_add(struct mien_tool_raw *raw, const struct mien_draw_batch *batch)
{
    const uint32_t left = raw->count - raw->n;
    const uint32_t n = left < MIEN_DRAW_BATCH ? left : MIEN_DRAW_BATCH;

    if (n == 0)
        return;
    keep(raw->latents, batch->latents, raw->plan->latent, raw->n, n);
    if (raw->codes != NULL)
        keep(raw->codes, batch->codes, mien_plan_code_size(raw->plan), raw->n, n);
    keep(raw->pictures, batch->pictures, n_pixels(raw->plan), raw->n, n);
    raw->n += n;
}

enum mien_status mien_tool_raw_write(const struct mien_tool_raw *raw, const char *path,
                                     struct mien_err *err)
{
    const struct mien_plan *plan = raw->plan;
    struct mien_safetensors_item items[3];
    size_t n = 0;
    struct mien_buf file = {0};

    items[n++] =
        (struct mien_safetensors_item){"latents", mien_shape2(raw->n, plan->latent), raw->latents};
    if (raw->codes != NULL)
        items[n++] = (struct mien_safetensors_item){
            "codes", mien_shape2(raw->n, mien_plan_code_size(plan)), raw->codes};
    items[n++] = (struct mien_safetensors_item){
        "pictures", mien_shape4(raw->n, plan->size, plan->size, plan->channels), raw->pictures};
    enum mien_status status = mien_safetensors_encode(items, n, NULL, 0, &file);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&file), 0644, err);
    mien_buf_fini(&file);
    return status;
}

void mien_tool_raw_fini(struct mien_tool_raw *raw)
{
    mien_free(raw->latents);
    mien_free(raw->codes);
    mien_free(raw->pictures);
    *raw = (struct mien_tool_raw){0};
}
