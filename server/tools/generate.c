// SPDX-License-Identifier: Apache-2.0
/* mien generate: a set of pictures from a model, with what it is and what it cost. */
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/base/text.h"
#include "common/data/image.h"
#include "common/nn/safetensors_json.h"
#include "server/tools/grid.h"
#include "server/tools/model_io.h"
#include "server/tools/plain_file.h"
#include "server/tools/raw.h"
#include "server/tools/release.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH_BYTES 4096

/* A set is looked at by people and programs: more is no set but a disk filled by mistake. */
#define MAX_COUNT UINT64_C(1000000)

struct generate_options {
    const char *from; /* DIR or MODEL */
    const char *out;
    const char *grid;
    const char *balance;
    const char *raw;
    struct mien_option_list attr;
    uint64_t count;
    uint64_t seed;
};

/* Where a model came from. */
struct origin {
    bool directory; /* else a model file that stands alone */
    uint8_t file_digest[32];
};

static enum mien_status open_origin(const char *from, struct origin *origin,
                                    struct mien_tool_model *model, struct mien_err *err)
{
    struct mien_release_origin opened = {0};
    enum mien_status status = mien_release_origin_open(from, &opened, err);

    origin->directory = opened.directory;
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&opened.file), origin->file_digest);
    if (status == MIEN_OK) {
        status = mien_tool_model_decode(mien_buf_span(&opened.file), model, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", opened.path);
    }
    mien_release_origin_fini(&opened);
    return status;
}

/* Everything that writing a set needs. */
struct set {
    const struct generate_options *options;
    const struct mien_plan *plan;
    struct mien_draw *draw;
    struct mien_release release;
    struct mien_buf metadata; /* lines of metadata.jsonl */
    float *grid;              /* the first pictures, for --grid; NULL without */
    uint32_t n_grid;
    struct mien_tool_raw raw; /* for --raw; keeps nothing without */
};

static enum mien_status set_init(struct set *set, const struct generate_options *o,
                                 const struct mien_tool_model *model, struct mien_err *err)
{
    const struct mien_plan *plan = &model->plan;
    const size_t n_pixels = (size_t)plan->size * plan->size * plan->channels;

    set->options = o;
    set->plan = plan;
    if (o->grid != NULL) {
        set->grid = mien_calloc(MIEN_TOOL_GRID_PICTURES * n_pixels, sizeof(float));
        if (set->grid == NULL)
            return MIEN_ENOMEM;
    }
    if (o->raw != NULL) {
        enum mien_status status = mien_tool_raw_init(&set->raw, plan, o->count, err);

        if (status != MIEN_OK)
            return status;
    }
    return mien_draw_new(model, o->seed, &o->attr, o->balance, &set->draw, err);
}

static void set_fini(struct set *set)
{
    mien_draw_free(set->draw);
    mien_tool_raw_fini(&set->raw);
    mien_release_fini(&set->release);
    mien_free(set->grid);
    mien_buf_fini(&set->metadata);
}

/* {"file_name":"000000.png","sha256":"...","glasses":"1"} */
static enum mien_status add_line(struct set *set, const char *name, const uint8_t digest[32],
                                 const struct mien_wanted_values *asked)
{
    const struct mien_plan *plan = set->plan;
    char hex[65];

    mien_hex(digest, 32, hex);
    enum mien_status status =
        mien_buf_printf(&set->metadata, "{\"file_name\":\"%s\",\"sha256\":\"%s\"", name, hex);
    for (uint32_t i = 0; i < plan->n_attributes && status == MIEN_OK; i++) {
        if (asked->text[i][0] == '\0')
            continue;
        status = mien_buf_printf(&set->metadata, ",");
        if (status == MIEN_OK)
            status = mien_json_append_string(plan->attributes[i].name, &set->metadata);
        if (status == MIEN_OK)
            status = mien_buf_printf(&set->metadata, ":");
        if (status == MIEN_OK)
            status = mien_json_append_string(asked->text[i], &set->metadata);
    }
    return status == MIEN_OK ? mien_buf_printf(&set->metadata, "}\n") : status;
}

/* One picture's PNG. */
static enum mien_status encode(const struct set *set, const float *values, struct mien_buf *png)
{
    const struct mien_plan *plan = set->plan;
    const size_t n = (size_t)plan->size * plan->size * plan->channels;
    struct mien_image image = {plan->size, plan->size, plan->channels, mien_calloc(n, 1)};
    enum mien_status status = MIEN_ENOMEM;

    if (image.pixels != NULL) {
        mien_pixels_from_floats(values, n, image.pixels);
        status = mien_tool_release_picture(&set->release, &image, png);
    }
    mien_image_fini(&image);
    return status;
}

static enum mien_status write_picture(struct set *set, uint64_t index, const float *values,
                                      const struct mien_wanted_values *asked, struct mien_err *err)
{
    char name[32];
    char path[MAX_PATH_BYTES];
    uint8_t digest[32];
    struct mien_buf png = {0};
    enum mien_status status;

    (void)snprintf(name, sizeof(name), "%06" PRIu64 ".png", index);
    status = mien_path_join(set->options->out, name, path, sizeof(path));
    if (status == MIEN_OK)
        status = encode(set, values, &png);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&png), digest);
    if (status == MIEN_OK)
        status = mien_tool_write_plain(path, mien_buf_span(&png), err);
    if (status == MIEN_OK)
        status = add_line(set, name, digest, asked);
    mien_buf_fini(&png);
    return status;
}

static enum mien_status write_batch(struct set *set, const struct mien_draw_batch *batch,
                                    uint64_t first, struct mien_err *err)
{
    const size_t n_pixels = (size_t)set->plan->size * set->plan->size * set->plan->channels;
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < MIEN_DRAW_BATCH && first + i < set->options->count; i++) {
        const float *pixels = batch->pictures + i * n_pixels;

        status = write_picture(set, first + i, pixels, &batch->asked[i], err);
        if (status != MIEN_OK)
            break;
        if (set->grid != NULL && set->n_grid < MIEN_TOOL_GRID_PICTURES)
            memcpy(set->grid + set->n_grid++ * n_pixels, pixels, n_pixels * sizeof(float));
    }
    return status;
}

static enum mien_status write_pictures(struct set *set, struct mien_err *err)
{
    const uint64_t count = set->options->count;
    struct mien_progress progress;
    enum mien_status status = MIEN_OK;

    mien_progress_init(&progress, "generating");
    for (uint64_t at = 0; at < count && status == MIEN_OK; at += MIEN_DRAW_BATCH) {
        struct mien_draw_batch batch;

        status = mien_draw_next(set->draw, &batch);
        if (status == MIEN_OK) {
            mien_tool_raw_add(&set->raw, &batch);
            status = write_batch(set, &batch, at, err);
        }
        mien_progress_set(&progress, at, count);
    }
    mien_progress_fini(&progress);
    return status;
}

/* SHA-256 of what decides the pictures: the same command names the same release. */
static enum mien_status digest_options(const struct generate_options *o, uint8_t out[32])
{
    struct mien_buf text = {0};
    enum mien_status status =
        mien_buf_printf(&text, "count %" PRIu64 "\nseed %" PRIu64 "\nbalance %s\n", o->count,
                        o->seed, o->balance == NULL ? "" : o->balance);

    for (size_t i = 0; i < o->attr.n && status == MIEN_OK; i++)
        status = mien_buf_printf(&text, "attr %s\n", o->attr.values[i]);
    if (status == MIEN_OK)
        status = mien_digest(mien_buf_span(&text), out);
    mien_buf_fini(&text);
    return status;
}

static enum mien_status begin_release(struct set *set, const struct origin *origin,
                                      struct mien_err *err)
{
    struct mien_release_request request;
    enum mien_status status = digest_options(set->options, request.about);

    memcpy(request.file_digest, origin->file_digest, sizeof(request.file_digest));
    if (status != MIEN_OK)
        return status;
    return mien_tool_release_begin(origin->directory ? set->options->from : NULL, &request,
                                   &set->release, err);
}

static enum mien_status end_release(const struct set *set, struct mien_err *err)
{
    const struct generate_options *o = set->options;
    struct mien_release_set about = {.n_images = o->count, .seed = o->seed};
    enum mien_status status = mien_digest(mien_buf_span(&set->metadata), about.metadata_digest);

    return status == MIEN_OK ? mien_tool_release_end(&set->release, &about, o->out, err) : status;
}

/* A set stands in a directory of its own: pictures first, then what they are, then what they
 * cost, so that a set without its release.json is an unfinished one. */
static enum mien_status write_set(struct set *set, const struct origin *origin,
                                  struct mien_err *err)
{
    char path[MAX_PATH_BYTES];
    enum mien_status status = mien_dir_make(set->options->out, 0755, err);

    if (status == MIEN_OK)
        status = mien_path_join(set->options->out, "metadata.jsonl", path, sizeof(path));
    if (status == MIEN_OK && mien_path_exists(path))
        status = mien_err_set(err, MIEN_EEXIST, "%s holds a set already", set->options->out);
    if (status == MIEN_OK)
        status = begin_release(set, origin, err);
    if (status == MIEN_OK)
        status = write_pictures(set, err);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&set->metadata), 0644, err);
    return status == MIEN_OK ? end_release(set, err) : status;
}

static enum mien_status run(const struct generate_options *o, struct mien_err *err)
{
    struct origin origin = {0};
    struct mien_tool_model model = {0};
    struct set set = {0};
    enum mien_status status = MIEN_OK;

    if (o->out == NULL)
        return mien_err_set(err, MIEN_EINVAL, "--out is missing");
    if (o->count == 0 || o->count > MAX_COUNT)
        return mien_err_set(err, MIEN_EINVAL, "--count is %" PRIu64 ", expected 1 to %" PRIu64,
                            o->count, MAX_COUNT);
    status = open_origin(o->from, &origin, &model, err);
    if (status == MIEN_OK)
        status = set_init(&set, o, &model, err);
    if (status == MIEN_OK)
        status = write_set(&set, &origin, err);
    if (status == MIEN_OK && o->grid != NULL) {
        const struct mien_tool_pictures pictures = {set.grid, set.n_grid};
        const struct mien_tool_encoder encoder = {mien_tool_release_picture, &set.release};

        status = mien_tool_grid_write(&model.plan, &pictures, &encoder, o->grid, err);
    }
    if (status == MIEN_OK && o->raw != NULL)
        status = mien_tool_raw_write(&set.raw, o->raw, err);
    set_fini(&set);
    mien_tool_model_fini(&model);
    return status;
}

int mien_tool_generate(int argc, char **argv)
{
    struct generate_options o = {.count = 16, .seed = 1};
    const struct mien_option options[] = {
        {"--count", MIEN_OPTION_NUMBER, &o.count, "N", "pictures (default 16)"},
        {"--out", MIEN_OPTION_TEXT, &o.out, "ODIR", "the directory to write, made if needed"},
        {"--seed", MIEN_OPTION_NUMBER, &o.seed, "S", "the same seed, the same faces (default 1)"},
        {"--attr", MIEN_OPTION_LIST, &o.attr, "K=V",
         "an attribute that all pictures get, may be repeated; V may be unknown"},
        {"--balance", MIEN_OPTION_TEXT, &o.balance, "K,...",
         "attributes whose values all come equally often"},
        {"--grid", MIEN_OPTION_TEXT, &o.grid, "FILE.png", "also put the first 64 side by side"},
        {"--raw", MIEN_OPTION_TEXT, &o.raw, "FILE",
         "also write latents, codes and pictures as float32 (safetensors)"},
    };
    const struct mien_command command = {
        .name = "mien generate",
        .synopsis = "DIR|MODEL --count N --out ODIR [--attr K=V]... [--balance K,...]",
        .about = "Draws pictures from the latest model of a state directory, or from a model file, "
                 "and writes them with metadata.jsonl and release.json.",
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
