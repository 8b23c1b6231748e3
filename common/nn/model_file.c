// SPDX-License-Identifier: Apache-2.0
#include "common/nn/model_file.h"

#include "common/base/mem.h"

#include <stdio.h>

#define AVERAGE_PREFIX "average."
#define AVERAGE_NAME_BYTES (MIEN_TENSOR_NAME_BYTES + sizeof(AVERAGE_PREFIX))

struct average_name {
    char text[AVERAGE_NAME_BYTES];
};

static struct average_name average_name(const struct mien_tensor *tensor)
{
    struct average_name name;

    (void)snprintf(name.text, sizeof(name.text), AVERAGE_PREFIX "%s", tensor->name);
    return name;
}

enum mien_status mien_model_file_encode(const struct mien_layout *layout, const float *values,
                                        const float *average,
                                        const struct mien_safetensors_pair *pairs, size_t n_pairs,
                                        struct mien_buf *out)
{
    struct mien_safetensors_item item[2 * MIEN_MODEL_MAX_TENSORS];
    struct average_name names[MIEN_MODEL_MAX_TENSORS];
    size_t n_items = layout->n_tensors;

    for (uint32_t i = 0; i < layout->n_tensors; i++) {
        const struct mien_tensor *tensor = &layout->tensor[i];

        item[i] =
            (struct mien_safetensors_item){tensor->name, tensor->shape, values + tensor->offset};
    }
    for (uint32_t i = layout->n_d_tensors; average != NULL && i < layout->n_tensors; i++) {
        const struct mien_tensor *tensor = &layout->tensor[i];

        names[i] = average_name(tensor);
        item[n_items++] = (struct mien_safetensors_item){names[i].text, tensor->shape,
                                                         average + (tensor->offset - layout->n_d)};
    }
    return mien_safetensors_encode(item, n_items, pairs, n_pairs, out);
}

enum mien_status mien_model_file_read(const struct mien_safetensors *file,
                                      const struct mien_layout *layout, float *values,
                                      float *average, struct mien_err *err)
{
    const uint32_t n_g_tensors = layout->n_tensors - layout->n_d_tensors;
    const size_t n_tensors = mien_safetensors_n_tensors(file);
    const bool averaged = n_tensors == layout->n_tensors + n_g_tensors;

    if (!averaged && n_tensors != layout->n_tensors)
        return mien_err_set(err, MIEN_EINVAL,
                            "a model of %zu tensors, expected %u, or %u with an average", n_tensors,
                            layout->n_tensors, layout->n_tensors + n_g_tensors);
    for (uint32_t i = 0; i < layout->n_tensors; i++) {
        const struct mien_tensor *tensor = &layout->tensor[i];
        enum mien_status status =
            mien_safetensors_read(file, tensor->name, &tensor->shape, values + tensor->offset, err);

        if (status != MIEN_OK)
            return status;
    }
    for (uint32_t i = layout->n_d_tensors; average != NULL && i < layout->n_tensors; i++) {
        const struct mien_tensor *tensor = &layout->tensor[i];
        const struct average_name name = average_name(tensor);
        enum mien_status status =
            mien_safetensors_read(file, averaged ? name.text : tensor->name, &tensor->shape,
                                  average + (tensor->offset - layout->n_d), err);

        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}
