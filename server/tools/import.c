// SPDX-License-Identifier: Apache-2.0
/* mien import: another program's tensors as a model of a plan, by a name map. */
#include "common/base/file.h"
#include "common/nn/name_map.h"
#include "server/tools/model_io.h"
#include "server/tools/plan_options.h"
#include "server/tools/tools.h"

#include <stdio.h>

/* A map has a line a tensor. */
#define MAX_MAP_BYTES (1 << 20)

struct import_options {
    const char *file;
    const char *map;
    const char *out;
    const char *preset;
    struct mien_option_list set;
    uint64_t seed;
};

static enum mien_status read_map(const char *path, struct mien_name_map **map, struct mien_err *err)
{
    struct mien_buf text = {0};
    enum mien_status status = mien_file_read(path, MAX_MAP_BYTES, &text, err);

    if (status == MIEN_OK) {
        status = mien_name_map_parse(mien_buf_span(&text), map, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", path);
    }
    mien_buf_fini(&text);
    return status;
}

/* What the map left out is fresh: worth knowing. */
static void say_fresh(const struct mien_name_map_covered *covered, bool has_first)
{
    if (has_first && !covered->first)
        (void)fprintf(stderr, "the map names nothing of the first network: it starts fresh\n");
    if (!covered->second)
        (void)fprintf(stderr, "the map names nothing of the second network: it starts fresh\n");
}

static enum mien_status fill(const struct import_options *o, const struct mien_name_map *map,
                             struct mien_tool_model *model, struct mien_err *err)
{
    const struct mien_name_map_model into = {&model->layout, model->values, model->average};
    struct mien_name_map_covered covered = {0};
    struct mien_buf bytes = {0};
    struct mien_safetensors *file = NULL;
    enum mien_status status = mien_file_read(o->file, MIEN_MODEL_FILE_MAX_BYTES, &bytes, err);

    if (status != MIEN_OK)
        return status;
    status = mien_safetensors_open(mien_buf_span(&bytes), &file, err);
    if (status != MIEN_OK)
        status = mien_err_prefix(err, status, "%s", o->file);
    if (status == MIEN_OK) {
        status = mien_name_map_apply(map, file, &into, &covered, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", o->map);
    }
    if (status == MIEN_OK)
        say_fresh(&covered, model->layout.n_d > 0);
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
    return status;
}

static enum mien_status run(const struct import_options *o, struct mien_err *err)
{
    struct mien_name_map *map = NULL;
    struct mien_tool_model model = {0};
    struct mien_plan plan;
    enum mien_status status;

    if (o->map == NULL || o->out == NULL)
        return mien_err_set(err, MIEN_EINVAL, "%s is missing", o->map == NULL ? "--map" : "--out");
    status = mien_tool_plan_of(o->preset, &o->set, &plan, err);
    if (status == MIEN_OK)
        status = read_map(o->map, &map, err);
    if (status == MIEN_OK)
        status = mien_tool_model_start(&plan, o->seed, &model, err);
    if (status == MIEN_OK)
        status = fill(o, map, &model, err);
    if (status == MIEN_OK)
        status = mien_tool_model_write(&model, o->out, err);
    mien_tool_model_fini(&model);
    mien_name_map_free(map);
    return status;
}

int mien_tool_import(int argc, char **argv)
{
    struct import_options o = {.preset = "demo", .seed = 1};
    const struct mien_option options[] = {
        {"--map", MIEN_OPTION_TEXT, &o.map, "FILE",
         "lines NAME = TENSOR [view D,..] [transpose A,..]"},
        {"--out", MIEN_OPTION_TEXT, &o.out, "MODEL", "the model file to write"},
        {"--preset", MIEN_OPTION_TEXT, &o.preset, "P", "networks (default demo)"},
        {"--set", MIEN_OPTION_LIST, &o.set, "K=V", "a key of the plan, may be repeated"},
        {"--seed", MIEN_OPTION_NUMBER, &o.seed, "S",
         "of the values of a network that the map leaves out (default 1)"},
    };
    const struct mien_command command = {
        .name = "mien import",
        .synopsis = "FILE --map FILE --out MODEL [--preset P] [--set K=V]...",
        .about = "Makes a model file of another program's safetensors file: a start model, trained "
                 "elsewhere on public faces.",
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
        o.file = operands[0];
        status = run(&o, &err);
    }
    return mien_command_end(&command, status, &err);
}
