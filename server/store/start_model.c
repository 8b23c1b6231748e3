// SPDX-License-Identifier: Apache-2.0
#include "server/store/start_model.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/nn/model_file.h"
#include "common/wire/plan_codec.h"

struct work {
    struct mien_layout layout;
    float *values;
    float *average; /* of the generator */
};

static enum mien_status fresh(struct work *work, struct mien_rng *rng)
{
    struct mien_rng_seeded *seeded = NULL;
    uint8_t key[32];
    enum mien_status status = mien_rng_fill(rng, key, sizeof(key));

    if (status == MIEN_OK)
        status = mien_rng_seeded_new_key(key, 0, &seeded);
    if (status == MIEN_OK)
        status = mien_model_start(&work->layout, seeded, work->values);
    for (uint64_t i = work->layout.n_d; status == MIEN_OK && i < work->layout.n_values; i++)
        work->average[i - work->layout.n_d] = work->values[i];
    mien_rng_seeded_free(seeded);
    mien_wipe(key, sizeof(key));
    return status;
}

static enum mien_status from_file(struct work *work, const char *path, struct mien_err *err)
{
    struct mien_buf bytes = {0};
    struct mien_safetensors *file = NULL;
    enum mien_status status = mien_file_read(path, MIEN_MODEL_FILE_MAX_BYTES, &bytes, err);

    if (status == MIEN_OK) {
        status = mien_safetensors_open(mien_buf_span(&bytes), &file, err);
        if (status == MIEN_OK)
            status = mien_model_file_read(file, &work->layout, work->values, work->average, err);
        if (status != MIEN_OK)
            (void)mien_err_prefix(err, status, "plan.init_from %s", path);
    }
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
    return status;
}

static enum mien_status encode(const struct work *work, const struct mien_plan *plan,
                               struct mien_buf *file)
{
    struct mien_buf bytes = {0};
    struct mien_buf text = {0};
    struct mien_safetensors_pair pairs[] = {
        {MIEN_MODEL_FILE_PLAN, NULL},
        {MIEN_MODEL_FILE_ROUND, "0"},
        {MIEN_MODEL_FILE_TRAINING, "public"},
    };
    enum mien_status status = mien_plan_encode(plan, &bytes);

    if (status == MIEN_OK)
        status = mien_base64url(mien_buf_span(&bytes), &text);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(&text, 0);
    if (status == MIEN_OK) {
        pairs[0].value = (const char *)text.data;
        status = mien_model_file_encode(&work->layout, work->values, work->average, pairs,
                                        sizeof(pairs) / sizeof(pairs[0]), file);
    }
    mien_buf_fini(&bytes);
    mien_buf_fini(&text);
    return status;
}

static enum mien_status build(struct work *work, const struct mien_plan *plan,
                              const char *init_from, struct mien_rng *rng, struct mien_err *err)
{
    enum mien_status status = mien_layout_init(&work->layout, plan, err);

    if (status != MIEN_OK)
        return status;
    work->values = mien_calloc(work->layout.n_values, sizeof(float));
    work->average = mien_calloc(work->layout.n_values - work->layout.n_d, sizeof(float));
    if (work->values == NULL || work->average == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for the start model");
    return init_from[0] == '\0' ? fresh(work, rng) : from_file(work, init_from, err);
}

enum mien_status mien_start_model(const struct mien_plan *plan, const char *init_from,
                                  struct mien_rng *rng, struct mien_buf *file,
                                  uint8_t model_hash[32], struct mien_err *err)
{
    struct work *work = mien_calloc(1, sizeof(*work));
    enum mien_status status;

    if (work == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for the start model");
    status = build(work, plan, init_from, rng, err);
    if (status == MIEN_OK)
        status = mien_model_digest(work->values, work->layout.n_values, model_hash);
    if (status == MIEN_OK)
        status = encode(work, plan, file);
    mien_free(work->values);
    mien_free(work->average);
    mien_free(work);
    return status;
}
