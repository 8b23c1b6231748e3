// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/nn/safetensors.h"
#include "common/nn/safetensors_json.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX_BYTES 8

static enum mien_status append_entry(const struct mien_safetensors_item *item, uint64_t begin,
                                     struct mien_buf *header)
{
    const uint64_t end = begin + mien_shape_count(&item->shape) * sizeof(float);
    enum mien_status status = mien_json_append_string(item->name, header);

    if (status == MIEN_OK)
        status = mien_buf_printf(header, ":{\"dtype\":\"F32\",\"shape\":[");
    for (uint32_t i = 0; i < item->shape.n_axes && status == MIEN_OK; i++)
        status = mien_buf_printf(header, "%s%" PRIu32, i == 0 ? "" : ",", item->shape.dim[i]);
    if (status == MIEN_OK)
        status =
            mien_buf_printf(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, end);
    return status;
}

static enum mien_status append_metadata(const struct mien_safetensors_pair *pairs, size_t n_pairs,
                                        struct mien_buf *header)
{
    enum mien_status status = mien_buf_printf(header, "\"__metadata__\":{");

    for (size_t i = 0; i < n_pairs && status == MIEN_OK; i++) {
        if (i > 0)
            status = mien_buf_printf(header, ",");
        if (status == MIEN_OK)
            status = mien_json_append_string(pairs[i].key, header);
        if (status == MIEN_OK)
            status = mien_buf_printf(header, ":");
        if (status == MIEN_OK)
            status = mien_json_append_string(pairs[i].value, header);
    }
    return status == MIEN_OK ? mien_buf_printf(header, "}") : status;
}

static enum mien_status make_header(const struct mien_safetensors_item *items, size_t n_items,
                                    const struct mien_safetensors_pair *pairs, size_t n_pairs,
                                    struct mien_buf *header)
{
    uint64_t at = 0;
    enum mien_status status = mien_buf_printf(header, "{");

    if (status == MIEN_OK && n_pairs > 0)
        status = append_metadata(pairs, n_pairs, header);
    for (size_t i = 0; i < n_items && status == MIEN_OK; i++) {
        if (i > 0 || n_pairs > 0)
            status = mien_buf_printf(header, ",");
        if (status == MIEN_OK)
            status = append_entry(&items[i], at, header);
        at += mien_shape_count(&items[i].shape) * sizeof(float);
    }
    if (status == MIEN_OK)
        status = mien_buf_printf(header, "}");
    while (status == MIEN_OK && header->len % 8 != 0)
        status = mien_buf_printf(header, " ");
    return status;
}

static enum mien_status append_values(const float *values, uint64_t n, struct mien_buf *out)
{
    enum mien_status status = mien_buf_reserve(out, n * sizeof(float));

    for (uint64_t i = 0; i < n && status == MIEN_OK; i++) {
        uint8_t bytes[4];
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        mien_store_le32(bytes, bits);
        status = mien_buf_append(out, bytes, sizeof(bytes));
    }
    return status;
}

enum mien_status mien_safetensors_encode(const struct mien_safetensors_item *items, size_t n_items,
                                         const struct mien_safetensors_pair *pairs, size_t n_pairs,
                                         struct mien_buf *out)
{
    struct mien_buf header = {0};
    uint8_t prefix[PREFIX_BYTES];
    enum mien_status status;

    if (n_items > MIEN_SAFETENSORS_MAX_TENSORS || n_pairs > MIEN_SAFETENSORS_MAX_METADATA)
        return MIEN_ELIMIT;
    status = make_header(items, n_items, pairs, n_pairs, &header);
    if (status == MIEN_OK && header.len > MIEN_SAFETENSORS_MAX_HEADER)
        status = MIEN_ELIMIT;
    mien_store_le64(prefix, header.len);
    if (status == MIEN_OK)
        status = mien_buf_append(out, prefix, sizeof(prefix));
    if (status == MIEN_OK)
        status = mien_buf_append(out, header.data, header.len);
    for (size_t i = 0; i < n_items && status == MIEN_OK; i++)
        status = append_values(items[i].values, mien_shape_count(&items[i].shape), out);
    mien_buf_fini(&header);
    return status;
}
