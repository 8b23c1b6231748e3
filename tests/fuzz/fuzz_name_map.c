// SPDX-License-Identifier: Apache-2.0
#include "common/nn/name_map.h"
#include "tests/fuzz/fuzz.h"

/* The tensors that the seed maps: any shapes that the model wants. */
static const float zeros[2048];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct mien_layout layout;
    static float values[4096];
    static float average[4096];
    static struct mien_buf bytes;
    static struct mien_safetensors *file;
    const struct mien_name_map_model model = {&layout, values, average};
    struct mien_name_map_covered covered = {0};
    struct mien_name_map *map = NULL;

    if (file == NULL) { /* once: a generator of one dense layer and one convolution */
        const struct mien_safetensors_item items[] = {{"w", mien_shape2(32, 6), zeros},
                                                      {"b", mien_shape1(32), zeros},
                                                      {"c", mien_shape4(4, 2, 3, 3), zeros}};

        fuzz_require(mien_safetensors_encode(items, 3, NULL, 0, &bytes) == MIEN_OK);
        fuzz_require(mien_safetensors_open(mien_buf_span(&bytes), &file, NULL) == MIEN_OK);
        layout.n_tensors = 3;
        layout.tensor[0] = (struct mien_tensor){.name = "g.0.weight", .shape = mien_shape2(6, 32)};
        layout.tensor[1] =
            (struct mien_tensor){.name = "g.0.bias", .shape = mien_shape1(32), .offset = 192};
        layout.tensor[2] = (struct mien_tensor){
            .name = "g.2.weight", .shape = mien_shape4(3, 3, 2, 4), .offset = 224};
        layout.n_values = 296;
    }
    if (mien_name_map_parse((struct mien_span){data, len}, &map, NULL) != MIEN_OK)
        return 0;
    if (mien_name_map_apply(map, file, &model, &covered, NULL) == MIEN_OK)
        fuzz_require(covered.second || covered.average);
    mien_name_map_free(map);
    return 0;
}
