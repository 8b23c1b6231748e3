// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/name_map_internal.h"
#include "common/nn/permute.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AVERAGE "average."

/* Tensors of the model, then those of the average, as places to be filled. */
struct target {
    struct mien_name_map_model model;
    const struct mien_name_map_line *by[2 * MIEN_MODEL_MAX_TENSORS]; /* the line that filled it */
};

static uint32_t n_second(const struct mien_layout *layout)
{
    return layout->n_tensors - layout->n_d_tensors;
}

/* The tensor of place number i. */
static const struct mien_tensor *tensor_at(const struct mien_layout *layout, uint32_t i)
{
    return &layout->tensor[i < layout->n_tensors ? i : i - n_second(layout)];
}

/* "average." or "" of place number i. */
static const char *prefix_at(const struct mien_layout *layout, uint32_t i)
{
    return i < layout->n_tensors ? "" : AVERAGE;
}

static float *place_at(const struct target *to, uint32_t i)
{
    const uint64_t offset = tensor_at(to->model.layout, i)->offset;

    return i < to->model.layout->n_tensors ? to->model.values + offset
                                           : to->model.average + (offset - to->model.layout->n_d);
}

static enum mien_status no_such_name(const struct mien_layout *layout,
                                     const struct mien_name_map_line *line, struct mien_err *err)
{
    const char *names[MIEN_MODEL_MAX_TENSORS];

    for (uint32_t i = 0; i < layout->n_tensors; i++)
        names[i] = layout->tensor[i].name;
    const char *nearest = mien_nearest_name(line->ours, names, layout->n_tensors);
    return mien_err_set(err, MIEN_ENOTFOUND,
                        "line %u: the model has no tensor \"%s\", did you mean \"%s\"?",
                        line->number, line->ours, nearest == NULL ? names[0] : nearest);
}

/* The place that a line names, taken by it. */
static enum mien_status take_place(struct target *to, const struct mien_name_map_line *line,
                                   uint32_t *out, struct mien_err *err)
{
    const uint32_t n = to->model.layout->n_tensors + n_second(to->model.layout);
    const bool average = strncmp(line->ours, AVERAGE, strlen(AVERAGE)) == 0;
    const char *name = line->ours + (average ? strlen(AVERAGE) : 0);
    uint32_t i = average ? to->model.layout->n_tensors : 0;

    while (i < n && strcmp(tensor_at(to->model.layout, i)->name, name) != 0)
        i++;
    if (i == n || (i >= to->model.layout->n_tensors && !average))
        return no_such_name(to->model.layout, line, err);
    if (to->by[i] != NULL)
        return mien_err_set(err, MIEN_EINVAL, "line %u: \"%s\" is named in line %u already",
                            line->number, line->ours, to->by[i]->number);
    to->by[i] = line;
    *out = i;
    return MIEN_OK;
}

/* ---- shapes ---- */

struct shape_text {
    char text[64];
};

static struct shape_text text_of(const struct mien_shape *shape)
{
    struct shape_text out = {""};
    size_t at = 0;

    for (uint32_t i = 0; i < shape->n_axes; i++)
        at += (size_t)snprintf(out.text + at, sizeof(out.text) - at, "%s%" PRIu32,
                               i == 0 ? "" : " x ", shape->dim[i]);
    return out;
}

/* Whether neighbouring axes of `from` run together into those of `to`. */
static bool runs_into(const struct mien_shape *from, const struct mien_shape *to)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < to->n_axes; i++) {
        uint64_t size = 1;

        while (at < from->n_axes && size < to->dim[i])
            size *= from->dim[at++];
        if (size != to->dim[i])
            return false;
    }
    while (at < from->n_axes && from->dim[at] == 1)
        at++;
    return at == from->n_axes;
}

/* The shape and order to read a tensor in, and whether it then is what the model wants. */
static enum mien_status fit(const struct mien_name_map_line *line, struct mien_shape *shape,
                            uint32_t order[MIEN_MAX_AXES], const struct mien_shape *wanted,
                            struct mien_err *err)
{
    const struct shape_text is = text_of(shape);
    const struct shape_text expected = text_of(wanted);
    const bool viewed = line->view.n_axes > 0;

    if (viewed && mien_shape_count(&line->view) != mien_shape_count(shape))
        return mien_err_set(err, MIEN_EINVAL, "line %u: \"%s\" is %s, which is no view of %s",
                            line->number, line->theirs, is.text, text_of(&line->view).text);
    if (viewed)
        *shape = line->view;
    if (line->n_order > 0 && line->n_order != shape->n_axes)
        return mien_err_set(err, MIEN_EINVAL, "line %u: \"%s\" has %u axes, transpose names %u",
                            line->number, line->theirs, shape->n_axes, line->n_order);
    for (uint32_t i = 0; i < MIEN_MAX_AXES; i++)
        order[i] = line->n_order > 0 ? line->order[i] : i;
    const struct mien_shape result = mien_permuted_shape(shape, order);
    if (viewed ? runs_into(&result, wanted) : mien_shape_equal(&result, wanted))
        return MIEN_OK;
    return mien_err_set(err, MIEN_EINVAL, "line %u: \"%s\" is %s, which gives %s, \"%s\" wants %s",
                        line->number, line->theirs, is.text, text_of(&result).text, line->ours,
                        expected.text);
}

/* ---- values ---- */

static enum mien_status copy(const struct mien_name_map_line *line,
                             const struct mien_safetensors *file, const struct mien_shape *wanted,
                             float *to, struct mien_err *err)
{
    struct mien_shape shape;
    uint32_t order[MIEN_MAX_AXES];
    float *values = NULL;
    enum mien_status status = mien_safetensors_shape(file, line->theirs, &shape, err);
    const struct mien_shape stored = shape;

    if (status != MIEN_OK)
        return mien_err_prefix(err, status, "line %u", line->number);
    status = fit(line, &shape, order, wanted, err);
    if (status != MIEN_OK)
        return status;
    values = mien_calloc(mien_shape_count(&shape), sizeof(*values));
    if (values == NULL)
        return MIEN_ENOMEM;
    status = mien_safetensors_read(file, line->theirs, &stored, values, err);
    if (status == MIEN_OK)
        mien_permute(values, &shape, order, to);
    else
        status = mien_err_prefix(err, status, "line %u", line->number);
    mien_free(values);
    return status;
}

/* Places first .. first + n - 1: all named, or none. */
static enum mien_status whole(const struct target *to, uint32_t first, uint32_t n, bool *named,
                              struct mien_err *err)
{
    uint32_t n_named = 0;
    uint32_t missing = first;

    for (uint32_t i = first; i < first + n; i++) {
        n_named += to->by[i] != NULL;
        missing = to->by[i] == NULL ? i : missing;
    }
    *named = n_named > 0;
    if (n_named == 0 || n_named == n)
        return MIEN_OK;
    return mien_err_set(err, MIEN_EINVAL,
                        "the map names %u of %u tensors of that network, \"%s%s\" is missing",
                        n_named, n, prefix_at(to->model.layout, missing),
                        tensor_at(to->model.layout, missing)->name);
}

static enum mien_status check_whole(const struct target *to, struct mien_name_map_covered *covered,
                                    struct mien_err *err)
{
    const struct mien_layout *layout = to->model.layout;
    enum mien_status status = whole(to, 0, layout->n_d_tensors, &covered->first, err);

    if (status == MIEN_OK)
        status = whole(to, layout->n_d_tensors, n_second(layout), &covered->second, err);
    if (status == MIEN_OK)
        status = whole(to, layout->n_tensors, n_second(layout), &covered->average, err);
    if (status == MIEN_OK && !covered->first && !covered->second && !covered->average)
        status = mien_err_set(err, MIEN_EINVAL, "the map names no tensor");
    return status;
}

enum mien_status mien_name_map_apply(const struct mien_name_map *map,
                                     const struct mien_safetensors *file,
                                     const struct mien_name_map_model *model,
                                     struct mien_name_map_covered *covered, struct mien_err *err)
{
    const struct mien_layout *layout = model->layout;
    struct target to = {.model = *model};
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < map->n_lines && status == MIEN_OK; i++) {
        uint32_t place = 0;

        status = take_place(&to, &map->line[i], &place, err);
        if (status == MIEN_OK)
            status = copy(&map->line[i], file, &tensor_at(layout, place)->shape,
                          place_at(&to, place), err);
    }
    if (status == MIEN_OK)
        status = check_whole(&to, covered, err);
    if (status == MIEN_OK && covered->second && !covered->average)
        memcpy(model->average, model->values + layout->n_d,
               (layout->n_values - layout->n_d) * sizeof(float));
    return status;
}
