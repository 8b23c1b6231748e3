// SPDX-License-Identifier: Apache-2.0
/* mien encode: pictures as the codes of a trained encoder, and what the decoder makes of them. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/nn/forward.h"
#include "server/tools/faces_source.h"
#include "server/tools/model_io.h"
#include "server/tools/release.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <string.h>

/* Pictures at a time. */
#define BATCH 16

/* A file of codes and pictures is made in memory: this many take 50 MB at 32 x 32. */
#define MAX_PICTURES 4096

struct encode_options {
    const char *from; /* DIR or MODEL */
    const char *faces;
    const char *out;
};

/* A pass over the pictures: the network that it runs, and where its results go. */
struct pass {
    struct mien_forward *forward;
    float *results; /* [n, n_results] */
    size_t n_results;
};

static void pass_fini(struct pass *pass)
{
    mien_forward_free(pass->forward);
    mien_free(pass->results);
}

static enum mien_status make_room(struct pass *pass, size_t n)
{
    pass->n_results = mien_forward_n_results(pass->forward);
    pass->results = mien_calloc(n, pass->n_results * sizeof(float));
    return pass->results == NULL ? MIEN_ENOMEM : MIEN_OK;
}

/* Pictures first .. first + BATCH - 1, the last again where there are no more. */
static enum mien_status run_batch(struct pass *pass, const struct mien_plan *plan,
                                  const struct mien_examples *from, const float *values,
                                  size_t first)
{
    const size_t n_pixels = mien_plan_example_size(plan);
    const size_t n_code = mien_plan_condition_size(plan);
    const size_t n = first + BATCH < from->n ? BATCH : from->n - first;
    float *codes = mien_forward_codes(pass->forward);
    const float *results = NULL;
    enum mien_status status = MIEN_OK;

    for (size_t i = 0; i < BATCH && status == MIEN_OK; i++)
        status = from->picture(from->self, first + (i < n ? i : n - 1),
                               mien_forward_examples(pass->forward) + i * n_pixels,
                               codes == NULL ? NULL : codes + i * n_code);
    if (status == MIEN_OK)
        status = mien_forward_run(pass->forward, values, &results);
    if (status == MIEN_OK)
        memcpy(pass->results + first * pass->n_results, results,
               n * pass->n_results * sizeof(float));
    return status;
}

static enum mien_status run_pass(struct pass *pass, const struct mien_plan *plan,
                                 const struct mien_examples *from, const float *values)
{
    enum mien_status status = make_room(pass, from->n);

    for (size_t at = 0; at < from->n && status == MIEN_OK; at += BATCH)
        status = run_batch(pass, plan, from, values, at);
    return status;
}

static enum mien_status write_out(const struct mien_plan *plan, size_t n, const struct pass *codes,
                                  const struct pass *pictures, const char *path,
                                  struct mien_err *err)
{
    const uint32_t rows = (uint32_t)n;
    const char *name = plan->family == MIEN_FAMILY_MOMENTS ? "features" : "latents";
    struct mien_buf file = {0};
    const struct mien_safetensors_item items[] = {
        {name, mien_shape2(rows, (uint32_t)codes->n_results), codes->results},
        {"pictures", mien_shape4(rows, plan->size, plan->size, plan->channels), pictures->results},
    };
    enum mien_status status =
        mien_safetensors_encode(items, pictures->results == NULL ? 1 : 2, NULL, 0, &file);

    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&file), 0644, err);
    mien_buf_fini(&file);
    return status;
}

static enum mien_status encode(const struct encode_options *o, const struct mien_tool_model *model,
                               const struct mien_examples *from, struct mien_err *err)
{
    const struct mien_plan *plan = &model->plan;
    struct pass codes = {0};
    struct pass pictures = {0};
    float *values = NULL;
    enum mien_status status = MIEN_OK;

    if (from->n > MAX_PICTURES)
        return mien_err_set(err, MIEN_ELIMIT, "%s holds %zu pictures, expected %d at most",
                            o->faces, from->n, MAX_PICTURES);
    status = mien_tool_model_averaged(model, &values);
    if (status == MIEN_OK)
        status = mien_forward_new_codes(plan, BATCH, &codes.forward);
    if (status == MIEN_OK)
        status = run_pass(&codes, plan, from, values);
    if (status == MIEN_OK && plan->family != MIEN_FAMILY_MOMENTS) {
        status = mien_forward_new(plan, BATCH, &pictures.forward);
        if (status == MIEN_OK)
            status = run_pass(&pictures, plan, from, values);
    }
    if (status == MIEN_OK)
        status = write_out(plan, from->n, &codes, &pictures, o->out, err);
    pass_fini(&codes);
    pass_fini(&pictures);
    mien_free(values);
    return status;
}

static enum mien_status read_model(const struct encode_options *o, struct mien_tool_model *model,
                                   struct mien_err *err)
{
    struct mien_release_origin origin = {0};
    enum mien_status status = mien_release_origin_open(o->from, &origin, err);

    if (status == MIEN_OK) {
        status = mien_tool_model_decode(mien_buf_span(&origin.file), model, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", origin.path);
    }
    mien_release_origin_fini(&origin);
    const enum mien_family family = model->plan.family;
    if (status == MIEN_OK && family != MIEN_FAMILY_VAE && family != MIEN_FAMILY_AUTOENCODER &&
        family != MIEN_FAMILY_MOMENTS)
        status = mien_err_set(err, MIEN_EINVAL,
                              "a %s has no encoder: expected a vae, an autoencoder or moments",
                              mien_family_name(family));
    return status;
}

static enum mien_status run(const struct encode_options *o, struct mien_err *err)
{
    struct mien_tool_model model = {0};
    struct mien_faces_source *faces = NULL;
    enum mien_status status;

    if (o->faces == NULL || o->out == NULL)
        return mien_err_set(err, MIEN_EINVAL, "%s is missing",
                            o->faces == NULL ? "--faces" : "--out");
    status = read_model(o, &model, err);
    if (status == MIEN_OK)
        status = mien_faces_source_open(o->faces, &model.plan, 1, &faces, err);
    if (status == MIEN_OK) {
        const struct mien_examples from = mien_faces_source_all(faces);

        status = encode(o, &model, &from, err);
    }
    mien_faces_source_free(faces);
    mien_tool_model_fini(&model);
    return status;
}

int mien_tool_encode(int argc, char **argv)
{
    struct encode_options o = {0};
    const struct mien_option options[] = {
        {"--faces", MIEN_OPTION_TEXT, &o.faces, "FDIR", "a folder of pictures, or of folders"},
        {"--out", MIEN_OPTION_TEXT, &o.out, "FILE", "the safetensors file to write"},
    };
    const struct mien_command command = {
        .name = "mien encode",
        .synopsis = "DIR|MODEL --faces FDIR --out FILE",
        .about = "Writes the codes of pictures under the latest model of a state directory, or "
                 "under a model file, and what the decoder makes of them.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1] = {NULL};
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done) {
        o.from = operands[0];
        status = run(&o, &err);
    }
    return mien_command_end(&command, status, &err);
}
