// SPDX-License-Identifier: Apache-2.0
#include "server/tools/faces_source.h"

#include "common/base/mem.h"
#include "common/data/folder.h"
#include "common/data/image.h"
#include "common/data/procedural.h"

#include <string.h>

/* Procedural faces that one training sees: enough not to be learnt by heart. */
#define N_PROCEDURAL 8192

/* Stream of the seed that faces are drawn from. */
#define STREAM_FACES 4

struct mien_faces_source {
    size_t n;
    size_t n_pixels;
    size_t n_code;
    uint8_t *pixels; /* [n, n_pixels] */
    float *codes;    /* [n, n_code]; NULL without attributes */
};

static enum mien_status allocate(struct mien_faces_source *source, const struct mien_plan *plan,
                                 size_t n)
{
    source->n = n;
    source->n_pixels = (size_t)plan->size * plan->size * plan->channels;
    source->n_code = mien_plan_code_size(plan);
    source->pixels = mien_calloc(n, source->n_pixels);
    if (source->n_code > 0)
        source->codes = mien_calloc(n, source->n_code * sizeof(float));
    return source->pixels == NULL || (source->n_code > 0 && source->codes == NULL) ? MIEN_ENOMEM
                                                                                   : MIEN_OK;
}

/* A drawn face as the values of its attributes. */
struct drawn {
    const struct mien_face *face;
    char text[MIEN_FACE_TEXT_BYTES];
};

static const char *drawn_value(void *self, const char *name)
{
    struct drawn *drawn = self;

    return mien_face_attribute(drawn->face, name, drawn->text) ? drawn->text : NULL;
}

static enum mien_status draw_all(struct mien_faces_source *source, const struct mien_plan *plan,
                                 bool plain, uint64_t seed)
{
    struct mien_face_mixture mixture = mien_face_mixture_default();
    struct mien_rng_seeded *rng = NULL;
    enum mien_status status = allocate(source, plan, N_PROCEDURAL);

    if (plain) {
        mixture.glasses = 0.0;
        mixture.hat = 0.0;
    }
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(seed, STREAM_FACES, &rng);
    for (size_t i = 0; i < source->n && status == MIEN_OK; i++) {
        const struct mien_face face = mien_face_draw(&mixture, rng);
        struct drawn drawn = {.face = &face};

        status = mien_face_paint(&face, plan->size, plan->channels,
                                 source->pixels + i * source->n_pixels);
        if (source->codes != NULL)
            mien_plan_code(plan, drawn_value, &drawn, source->codes + i * source->n_code);
    }
    mien_rng_seeded_free(rng);
    return status;
}

/* A face of a folder as the values of its attributes. */
struct filed {
    const struct mien_folder *folder;
    struct mien_folder_face face;
};

static const char *filed_value(void *self, const char *name)
{
    const struct filed *filed = self;

    return mien_folder_attribute(filed->folder, filed->face.device, filed->face.index, name);
}

static enum mien_status read_all(struct mien_faces_source *source, const struct mien_plan *plan,
                                 const struct mien_folder *folder, struct mien_err *err)
{
    struct filed filed = {folder, {.size = plan->size, .channels = plan->channels}};
    const size_t n_devices = mien_folder_n_devices(folder);
    size_t n = 0;

    for (size_t d = 0; d < n_devices; d++)
        n += mien_folder_n_faces(folder, d);
    enum mien_status status = allocate(source, plan, n);
    n = 0;
    for (size_t d = 0; d < n_devices; d++) {
        for (size_t i = 0; i < mien_folder_n_faces(folder, d) && status == MIEN_OK; i++, n++) {
            filed.face.device = d;
            filed.face.index = i;
            status =
                mien_folder_read(folder, &filed.face, source->pixels + n * source->n_pixels, err);
            if (source->codes != NULL)
                mien_plan_code(plan, filed_value, &filed, source->codes + n * source->n_code);
        }
    }
    return status;
}

enum mien_status mien_faces_source_open(const char *faces, const struct mien_plan *plan,
                                        uint64_t seed, struct mien_faces_source **out,
                                        struct mien_err *err)
{
    const bool plain = strcmp(faces, "procedural-plain") == 0;
    struct mien_faces_source *source = mien_calloc(1, sizeof(*source));
    struct mien_folder *folder = NULL;
    enum mien_status status;

    if (source == NULL)
        return MIEN_ENOMEM;
    if (plain || strcmp(faces, "procedural") == 0) {
        status = draw_all(source, plan, plain, seed);
    } else {
        status = mien_folder_open(faces, &folder, err);
        if (status == MIEN_OK)
            status = read_all(source, plan, folder, err);
    }
    mien_folder_free(folder);
    if (status != MIEN_OK) {
        mien_faces_source_free(source);
        return status;
    }
    *out = source;
    return MIEN_OK;
}

void mien_faces_source_free(struct mien_faces_source *source)
{
    if (source == NULL)
        return;
    mien_free(source->pixels);
    mien_free(source->codes);
    mien_free(source);
}

static enum mien_status picture(void *self, size_t index, float *pixels, float *code)
{
    const struct mien_faces_source *source = self;

    mien_pixels_to_floats(source->pixels + index * source->n_pixels, source->n_pixels, pixels);
    if (code != NULL)
        memcpy(code, source->codes + index * source->n_code, source->n_code * sizeof(*code));
    return MIEN_OK;
}

struct mien_examples mien_faces_source_examples(struct mien_faces_source *source)
{
    return (struct mien_examples){source, source->n, picture};
}
