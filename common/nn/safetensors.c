// SPDX-License-Identifier: Apache-2.0
#include "common/nn/safetensors.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/nn/safetensors_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Header length before the header. */
#define PREFIX_BYTES 8

/* Of tensors that are never read: a scalar has none. */
#define MAX_AXES 8

struct dtype {
    const char *name;
    uint32_t bytes;
};

static const struct dtype dtypes[] = {
    {"F32", 4},     {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
    {"F8_E5M2", 1}, {"I64", 8}, {"I32", 4}, {"I16", 2},  {"I8", 1},
    {"U64", 8},     {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1},
};

struct entry {
    const char *name;
    const struct dtype *dtype;
    uint32_t n_axes;
    uint32_t dim[MAX_AXES];
    uint64_t begin; /* in the data behind the header */
    uint64_t end;
};

struct mien_safetensors {
    char *header; /* names and strings point into it */
    struct mien_span data;
    size_t n_entries;
    struct entry entry[MIEN_SAFETENSORS_MAX_TENSORS];
    size_t n_pairs;
    struct mien_safetensors_pair pair[MIEN_SAFETENSORS_MAX_METADATA];
};

/* "3 x 4 x 5", or "one" of a scalar. */
#define SHAPE_TEXT_BYTES 128

static void shape_text(uint32_t n_axes, const uint32_t *dim, char out[SHAPE_TEXT_BYTES])
{
    size_t at = (size_t)snprintf(out, SHAPE_TEXT_BYTES, "%s", n_axes == 0 ? "one" : "");

    for (uint32_t i = 0; i < n_axes; i++)
        at += (size_t)snprintf(out + at, SHAPE_TEXT_BYTES - at, "%s%" PRIu32, i == 0 ? "" : " x ",
                               dim[i]);
}

static enum mien_status read_shape(struct mien_json *json, struct entry *entry)
{
    enum mien_status status = mien_json_expect(json, '[');

    while (status == MIEN_OK && !mien_json_take(json, ']')) {
        uint64_t size = 0;

        if (entry->n_axes == MAX_AXES)
            return mien_json_fail(json, "tensor \"%s\" has more than %d axes", entry->name,
                                  MAX_AXES);
        if (entry->n_axes > 0)
            status = mien_json_expect(json, ',');
        if (status == MIEN_OK)
            status = mien_json_number(json, &size);
        if (status == MIEN_OK && size > MIEN_MAX_ELEMENTS)
            return mien_json_fail(json, "tensor \"%s\" has an axis of %" PRIu64, entry->name, size);
        entry->dim[entry->n_axes++] = (uint32_t)size;
    }
    return status;
}

static enum mien_status read_offsets(struct mien_json *json, struct entry *entry)
{
    enum mien_status status = mien_json_expect(json, '[');

    if (status == MIEN_OK)
        status = mien_json_number(json, &entry->begin);
    if (status == MIEN_OK)
        status = mien_json_expect(json, ',');
    if (status == MIEN_OK)
        status = mien_json_number(json, &entry->end);
    return status == MIEN_OK ? mien_json_expect(json, ']') : status;
}

static enum mien_status read_dtype(struct mien_json *json, struct entry *entry)
{
    const char *name = "";
    enum mien_status status = mien_json_string(json, &name);

    if (status != MIEN_OK)
        return status;
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
        if (strcmp(dtypes[i].name, name) == 0)
            entry->dtype = &dtypes[i];
    }
    if (entry->dtype == NULL)
        return mien_json_fail(json, "tensor \"%s\" is of no known dtype \"%s\"", entry->name, name);
    return MIEN_OK;
}

/* Whether begin and end are as far apart as dtype and shape say. */
static bool right_size(const struct entry *entry)
{
    size_t bytes = entry->dtype->bytes;

    for (uint32_t i = 0; i < entry->n_axes; i++) {
        if (!mien_mul_size(bytes, entry->dim[i], &bytes))
            return false;
    }
    return entry->end >= entry->begin && entry->end - entry->begin == bytes;
}

/* Each of the three fields exactly once, in any order. */
static enum mien_status read_fields(struct mien_json *json, struct entry *entry)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {false, false, false};
    enum mien_status status = mien_json_expect(json, '{');

    for (size_t i = 0; i < 3 && status == MIEN_OK; i++) {
        const char *field = "";
        size_t which = 0;

        if (i > 0)
            status = mien_json_expect(json, ',');
        if (status == MIEN_OK)
            status = mien_json_string(json, &field);
        if (status == MIEN_OK)
            status = mien_json_expect(json, ':');
        if (status != MIEN_OK)
            return status;
        while (which < 3 && strcmp(field, names[which]) != 0)
            which++;
        if (which == 3 || seen[which])
            return mien_json_fail(json, "tensor \"%s\" has an unexpected \"%s\"", entry->name,
                                  field);
        seen[which] = true;
        if (which == 0)
            status = read_dtype(json, entry);
        else
            status = which == 1 ? read_shape(json, entry) : read_offsets(json, entry);
    }
    return status == MIEN_OK ? mien_json_expect(json, '}') : status;
}

static enum mien_status read_entry(struct mien_safetensors *file, const char *name,
                                   struct mien_json *json)
{
    if (file->n_entries == MIEN_SAFETENSORS_MAX_TENSORS)
        return mien_err_set(json->err, MIEN_ELIMIT, "more than %d tensors",
                            MIEN_SAFETENSORS_MAX_TENSORS);
    if (mien_safetensors_has(file, name))
        return mien_json_fail(json, "tensor \"%s\" stands twice", name);
    struct entry *entry = &file->entry[file->n_entries];
    entry->name = name;
    enum mien_status status = read_fields(json, entry);
    if (status != MIEN_OK)
        return status;
    if (!right_size(entry)) {
        char shape[SHAPE_TEXT_BYTES];

        shape_text(entry->n_axes, entry->dim, shape);
        return mien_json_fail(
            json, "tensor \"%s\" has offsets %" PRIu64 " to %" PRIu64 " for %s values of %s", name,
            entry->begin, entry->end, shape, entry->dtype->name);
    }
    file->n_entries++;
    return MIEN_OK;
}

static enum mien_status read_metadata(struct mien_safetensors *file, struct mien_json *json)
{
    enum mien_status status = mien_json_expect(json, '{');

    while (status == MIEN_OK && !mien_json_take(json, '}')) {
        const char *key = "";
        const char *value = "";

        if (file->n_pairs == MIEN_SAFETENSORS_MAX_METADATA)
            return mien_err_set(json->err, MIEN_ELIMIT, "more than %d strings of metadata",
                                MIEN_SAFETENSORS_MAX_METADATA);
        if (file->n_pairs > 0)
            status = mien_json_expect(json, ',');
        if (status == MIEN_OK)
            status = mien_json_string(json, &key);
        if (status == MIEN_OK && mien_safetensors_metadata(file, key) != NULL)
            return mien_json_fail(json, "metadata \"%s\" stands twice", key);
        if (status == MIEN_OK)
            status = mien_json_expect(json, ':');
        if (status == MIEN_OK)
            status = mien_json_string(json, &value);
        file->pair[file->n_pairs++] = (struct mien_safetensors_pair){key, value};
    }
    return status;
}

static enum mien_status read_header(struct mien_safetensors *file, struct mien_json *json)
{
    bool has_metadata = false;
    bool first = true;
    enum mien_status status = mien_json_expect(json, '{');

    while (status == MIEN_OK && !mien_json_take(json, '}')) {
        const char *name = "";

        if (!first)
            status = mien_json_expect(json, ',');
        if (status == MIEN_OK)
            status = mien_json_string(json, &name);
        if (status == MIEN_OK)
            status = mien_json_expect(json, ':');
        if (status != MIEN_OK)
            return status;
        first = false;
        if (strcmp(name, "__metadata__") != 0) {
            status = read_entry(file, name, json);
            continue;
        }
        if (has_metadata)
            return mien_json_fail(json, "__metadata__ stands twice");
        has_metadata = true;
        status = read_metadata(file, json);
    }
    if (status == MIEN_OK && !mien_json_done(json))
        return mien_json_fail(json, "something follows the end");
    return status;
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    return left->end < right->end ? -1 : left->end > right->end; /* empty ones first */
}

/* Tensors cover the data without overlap or hole. */
static enum mien_status check_cover(struct mien_safetensors *file, struct mien_err *err)
{
    uint64_t at = 0;

    qsort(file->entry, file->n_entries, sizeof(file->entry[0]), by_begin);
    for (size_t i = 0; i < file->n_entries; i++) {
        const struct entry *entry = &file->entry[i];

        if (entry->begin != at)
            return mien_err_set(
                err, MIEN_EPARSE,
                "tensor \"%s\" begins at byte %" PRIu64 ", expected %" PRIu64 " (%s)", entry->name,
                entry->begin, at, entry->begin < at ? "overlap" : "hole");
        at = entry->end;
    }
    if (at != file->data.len)
        return mien_err_set(err, MIEN_EPARSE,
                            "tensors take %" PRIu64 " bytes, the file has %zu for them", at,
                            file->data.len);
    return MIEN_OK;
}

enum mien_status mien_safetensors_open(struct mien_span file, struct mien_safetensors **out,
                                       struct mien_err *err)
{
    struct mien_safetensors *made;
    enum mien_status status;

    if (file.len < PREFIX_BYTES)
        return mien_err_set(err, MIEN_EPARSE, "%zu bytes are no safetensors file", file.len);
    const uint64_t len = mien_load_le64(file.data);
    if (len > MIEN_SAFETENSORS_MAX_HEADER)
        return mien_err_set(err, MIEN_ELIMIT, "a header of %" PRIu64 " bytes is over the limit",
                            len);
    if (len > file.len - PREFIX_BYTES)
        return mien_err_set(err, MIEN_EPARSE,
                            "the header should have %" PRIu64 " bytes, the file ends before", len);
    made = mien_calloc(1, sizeof(*made));
    if (made == NULL)
        return MIEN_ENOMEM;
    made->data = (struct mien_span){file.data + PREFIX_BYTES + len, file.len - PREFIX_BYTES - len};
    made->header = mien_memdup(file.data + PREFIX_BYTES, len);
    status = made->header == NULL ? MIEN_ENOMEM : MIEN_OK;
    if (status == MIEN_OK) {
        struct mien_json json = {made->header, made->header, made->header + len, err};

        status = read_header(made, &json);
    }
    if (status == MIEN_OK)
        status = check_cover(made, err);
    if (status != MIEN_OK) {
        mien_safetensors_free(made);
        return status;
    }
    *out = made;
    return MIEN_OK;
}

void mien_safetensors_free(struct mien_safetensors *file)
{
    if (file == NULL)
        return;
    mien_free(file->header);
    mien_free(file);
}

const char *mien_safetensors_metadata(const struct mien_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->n_pairs; i++) {
        if (strcmp(file->pair[i].key, key) == 0)
            return file->pair[i].value;
    }
    return NULL;
}

size_t mien_safetensors_n_tensors(const struct mien_safetensors *file)
{
    return file->n_entries;
}

static const struct entry *find(const struct mien_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_entries; i++) {
        if (strcmp(file->entry[i].name, name) == 0)
            return &file->entry[i];
    }
    return NULL;
}

bool mien_safetensors_has(const struct mien_safetensors *file, const char *name)
{
    return find(file, name) != NULL;
}

/* What a tensor of ours can be: float32 of 1 to MIEN_MAX_AXES axes. */
static bool shape_of(const struct entry *entry, struct mien_shape *out)
{
    if (entry->dtype != &dtypes[0] || entry->n_axes == 0 || entry->n_axes > MIEN_MAX_AXES)
        return false;
    *out = (struct mien_shape){.n_axes = entry->n_axes};
    memcpy(out->dim, entry->dim, entry->n_axes * sizeof(*out->dim));
    return mien_shape_count(out) > 0;
}

enum mien_status mien_safetensors_shape(const struct mien_safetensors *file, const char *name,
                                        struct mien_shape *out, struct mien_err *err)
{
    const struct entry *entry = find(file, name);

    if (entry == NULL)
        return mien_err_set(err, MIEN_ENOTFOUND, "no tensor \"%s\"", name);
    if (!shape_of(entry, out)) {
        char is[SHAPE_TEXT_BYTES];

        shape_text(entry->n_axes, entry->dim, is);
        return mien_err_set(err, MIEN_EINVAL,
                            "tensor \"%s\" is %s of %s, expected F32 of 1 to %d axes", name, is,
                            entry->dtype->name, MIEN_MAX_AXES);
    }
    return MIEN_OK;
}

enum mien_status mien_safetensors_read(const struct mien_safetensors *file, const char *name,
                                       const struct mien_shape *shape, float *values,
                                       struct mien_err *err)
{
    const struct entry *entry = find(file, name);
    struct mien_shape is;
    enum mien_status status = mien_safetensors_shape(file, name, &is, err);

    if (status != MIEN_OK)
        return status;
    if (!mien_shape_equal(&is, shape)) {
        char found[SHAPE_TEXT_BYTES];
        char expected[SHAPE_TEXT_BYTES];

        shape_text(is.n_axes, is.dim, found);
        shape_text(shape->n_axes, shape->dim, expected);
        return mien_err_set(err, MIEN_EINVAL, "tensor \"%s\" is %s, expected %s", name, found,
                            expected);
    }
    const uint64_t n = mien_shape_count(shape);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t bits = mien_load_le32(file->data.data + entry->begin + i * sizeof(float));

        memcpy(&values[i], &bits, sizeof(bits));
        if (!isfinite(values[i]))
            return mien_err_set(err, MIEN_EPARSE,
                                "value %" PRIu64 " of tensor \"%s\" is not finite", i, name);
    }
    return MIEN_OK;
}
