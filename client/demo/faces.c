// SPDX-License-Identifier: Apache-2.0
#include "client/demo/faces.h"

#include "common/base/mem.h"
#include "common/data/folder.h"

struct mien_faces {
    struct mien_folder *folder;
    uint8_t *pixels; /* of one picture, as large as the last plan asked for */
    size_t n_pixels;
};

/* Every picture once, as small as can be: a damaged one is named before the device takes part. */
static enum mien_status read_all(struct mien_faces *faces, struct mien_err *err)
{
    uint8_t pixels[8 * 8 * 3];

    for (size_t i = 0; i < mien_folder_n_faces(faces->folder, 0); i++) {
        const struct mien_folder_face face = {.index = i, .size = 8, .channels = 3};
        enum mien_status status = mien_folder_read(faces->folder, &face, pixels, err);

        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

enum mien_status mien_faces_open(const char *dir, struct mien_faces **out, struct mien_err *err)
{
    struct mien_faces *faces = mien_calloc(1, sizeof(*faces));

    if (faces == NULL)
        return MIEN_ENOMEM;
    enum mien_status status = mien_folder_open(dir, &faces->folder, err);
    if (status == MIEN_OK && !mien_folder_flat(faces->folder))
        status = mien_err_set(
            err, MIEN_EINVAL,
            "%s has a folder for each device: give one of them, or all to mien-sim", dir);
    if (status == MIEN_OK)
        status = read_all(faces, err);
    if (status != MIEN_OK) {
        mien_faces_free(faces);
        return status;
    }
    *out = faces;
    return MIEN_OK;
}

void mien_faces_free(struct mien_faces *faces)
{
    if (faces == NULL)
        return;
    mien_folder_free(faces->folder);
    mien_free(faces->pixels);
    mien_free(faces);
}

size_t mien_faces_count(void *self)
{
    const struct mien_faces *faces = self;

    return mien_folder_n_faces(faces->folder, 0);
}

enum mien_status mien_faces_example(void *self, size_t index, unsigned size, unsigned channels,
                                    float *pixels)
{
    struct mien_faces *faces = self;
    const struct mien_folder_face face = {.index = index, .size = size, .channels = channels};
    const size_t n = (size_t)size * size * channels;

    if (n > faces->n_pixels) {
        uint8_t *grown = mien_reallocarray(faces->pixels, n, 1);

        if (grown == NULL)
            return MIEN_ENOMEM;
        faces->pixels = grown;
        faces->n_pixels = n;
    }
    enum mien_status status = mien_folder_read(faces->folder, &face, faces->pixels, NULL);
    for (size_t i = 0; i < n && status == MIEN_OK; i++)
        pixels[i] = (float)faces->pixels[i] / 127.5f - 1.0f;
    return status;
}

const char *mien_faces_attribute(void *self, size_t index, const char *name)
{
    const struct mien_faces *faces = self;

    return mien_folder_attribute(faces->folder, 0, index, name);
}
