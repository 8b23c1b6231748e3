// SPDX-License-Identifier: Apache-2.0
#include "server/tools/model_io.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/plan_codec.h"

#include <string.h>

/* Stream of the seed that first values come from. */
#define STREAM_START 0

static enum mien_status allocate(const struct mien_plan *plan, struct mien_tool_model *model,
                                 struct mien_err *err)
{
    enum mien_status status = mien_layout_init(&model->layout, plan, err);

    if (status != MIEN_OK)
        return status;
    model->plan = *plan;
    model->values = mien_calloc(model->layout.n_values, sizeof(float));
    model->average = mien_calloc(model->layout.n_values - model->layout.n_d, sizeof(float));
    return model->values == NULL || model->average == NULL ? MIEN_ENOMEM : MIEN_OK;
}

/* Hands over what was made, or frees it. */
static enum mien_status hand_over(enum mien_status status, struct mien_tool_model *made,
                                  struct mien_tool_model *out)
{
    if (status == MIEN_OK)
        *out = *made;
    else
        mien_tool_model_fini(made);
    return status;
}

enum mien_status mien_tool_model_start(const struct mien_plan *plan, uint64_t seed,
                                       struct mien_tool_model *out, struct mien_err *err)
{
    struct mien_tool_model made = {0};
    struct mien_rng_seeded *rng = NULL;
    enum mien_status status = allocate(plan, &made, err);

    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_START, &rng);
    if (status == MIEN_OK)
        status = mien_model_start(&made.layout, rng, made.values);
    if (status == MIEN_OK)
        memcpy(made.average, made.values + made.layout.n_d,
               (made.layout.n_values - made.layout.n_d) * sizeof(float));
    mien_rng_seeded_free(rng);
    return hand_over(status, &made, out);
}

static enum mien_status read_plan(const struct mien_safetensors *file, struct mien_plan *plan,
                                  struct mien_err *err)
{
    const char *text = mien_safetensors_metadata(file, MIEN_MODEL_FILE_PLAN);
    struct mien_buf bytes = {0};
    enum mien_status status;

    if (text == NULL)
        return mien_err_set(err, MIEN_ENOTFOUND, "no \"%s\" in the file's metadata",
                            MIEN_MODEL_FILE_PLAN);
    status = mien_unbase64url(text, strlen(text), &bytes);
    if (status == MIEN_OK)
        status = mien_plan_decode(mien_buf_span(&bytes), plan, err);
    if (status != MIEN_OK)
        status = mien_err_prefix(err, status, "metadata \"%s\"", MIEN_MODEL_FILE_PLAN);
    mien_buf_fini(&bytes);
    return status;
}

enum mien_status mien_tool_model_decode(struct mien_span bytes, struct mien_tool_model *out,
                                        struct mien_err *err)
{
    struct mien_tool_model made = {0};
    struct mien_plan plan;
    struct mien_safetensors *file = NULL;
    enum mien_status status = mien_safetensors_open(bytes, &file, err);

    if (status == MIEN_OK)
        status = read_plan(file, &plan, err);
    if (status == MIEN_OK)
        status = allocate(&plan, &made, err);
    if (status == MIEN_OK)
        status = mien_model_file_read(file, &made.layout, made.values, made.average, err);
    mien_safetensors_free(file);
    return hand_over(status, &made, out);
}

enum mien_status mien_tool_model_read(const char *path, struct mien_tool_model *out,
                                      struct mien_err *err)
{
    struct mien_buf bytes = {0};
    enum mien_status status = mien_file_read(path, MIEN_MODEL_FILE_MAX_BYTES, &bytes, err);

    if (status == MIEN_OK) {
        status = mien_tool_model_decode(mien_buf_span(&bytes), out, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", path);
    }
    mien_buf_fini(&bytes);
    return status;
}

enum mien_status mien_tool_model_write(const struct mien_tool_model *model, const char *path,
                                       struct mien_err *err)
{
    struct mien_buf plan = {0};
    struct mien_buf text = {0};
    struct mien_buf file = {0};
    enum mien_status status = mien_plan_encode(&model->plan, &plan);

    if (status == MIEN_OK)
        status = mien_base64url(mien_buf_span(&plan), &text);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK) {
        const struct mien_safetensors_pair pairs[] = {
            {MIEN_MODEL_FILE_PLAN, (const char *)text.data},
            {MIEN_MODEL_FILE_TRAINING, "public"},
        };

        status = mien_model_file_encode(&model->layout, model->values, model->average, pairs,
                                        sizeof(pairs) / sizeof(pairs[0]), &file);
    }
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&file), 0644, err);
    mien_buf_fini(&plan);
    mien_buf_fini(&text);
    mien_buf_fini(&file);
    return status;
}

void mien_tool_model_fini(struct mien_tool_model *model)
{
    if (model == NULL)
        return;
    mien_free(model->values);
    mien_free(model->average);
    model->values = NULL;
    model->average = NULL;
}

enum mien_status mien_tool_model_averaged(const struct mien_tool_model *model, float **values)
{
    const struct mien_layout *layout = &model->layout;
    float *made = mien_memdup(model->values, layout->n_values * sizeof(float));

    if (made == NULL)
        return MIEN_ENOMEM;
    memcpy(made + layout->n_d, model->average, (layout->n_values - layout->n_d) * sizeof(float));
    *values = made;
    return MIEN_OK;
}
