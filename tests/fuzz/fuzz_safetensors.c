// SPDX-License-Identifier: Apache-2.0
#include "common/nn/safetensors.h"
#include "tests/fuzz/fuzz.h"

/* Names that the seeds use: what opens can be asked for any of them. */
static const char *const names[] = {"a", "b", "d.0.weight", "g.0.bias", "average.g.0.bias", "n"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mien_safetensors *file = NULL;
    struct mien_err err = {0};
    size_t n_found = 0;

    if (mien_safetensors_open((struct mien_span){data, len}, &file, &err) != MIEN_OK) {
        fuzz_require(file == NULL);
        return 0;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct mien_shape shape;
        float *values;

        n_found += mien_safetensors_has(file, names[i]);
        if (mien_safetensors_shape(file, names[i], &shape, NULL) != MIEN_OK)
            continue;
        /* An accepted header never says more than the file holds. */
        fuzz_require(mien_shape_count(&shape) * sizeof(float) <= len);
        values = malloc(mien_shape_count(&shape) * sizeof(float));
        if (values != NULL &&
            mien_safetensors_read(file, names[i], &shape, values, &err) == MIEN_OK)
            fuzz_require(values[0] - values[0] == 0.0f); /* finite */
        free(values);
    }
    fuzz_require(n_found <= mien_safetensors_n_tensors(file));
    fuzz_require(mien_safetensors_metadata(file, "no such key") == NULL);
    mien_safetensors_free(file);
    return 0;
}
