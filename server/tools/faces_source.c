// SPDX-License-Identifier: Apache-2.0
#include "server/tools/faces_source.h"

#include "common/base/mem.h"
#include "common/data/folder.h"
#include "common/data/image.h"
#include "common/data/procedural.h"
#include "common/plan/symbols.h"

#include <string.h>

/* Procedural faces that one training sees: enough not to be learnt by heart. */
#define N_PROCEDURAL 8192

/* Stream of the seed that faces are drawn from. */
#define STREAM_FACES 4

/* A part of the examples. */
struct part {
    const struct mien_faces_source *source;
    size_t first;
    size_t n;
};

struct mien_faces_source {
    size_t n;
    size_t n_pixels;
    size_t n_code;
    size_t n_symbols; /* of a text; 0 but for a charlm */
    uint8_t *pixels;  /* [n, n_pixels]; NULL for a charlm */
    float *codes;     /* [n, n_code]; NULL without attributes */
    float *texts;     /* [n, n_symbols]; NULL but for a charlm */
    struct part training;
    struct part held_out;
    struct part all;
};

static enum mien_status allocate(struct mien_faces_source *source, const struct mien_plan *plan,
                                 size_t n)
{
    const bool text = plan->family == MIEN_FAMILY_CHARLM;

    source->n = n;
    source->n_symbols = text ? mien_plan_example_size(plan) : 0;
    source->n_pixels = (size_t)plan->size * plan->size * plan->channels;
    source->n_code = mien_plan_code_size(plan);
    if (text)
        source->texts = mien_calloc(n, source->n_symbols * sizeof(float));
    else
        source->pixels = mien_calloc(n, source->n_pixels);
    if (source->n_code > 0)
        source->codes = mien_calloc(n, source->n_code * sizeof(float));
    if ((source->texts == NULL && source->pixels == NULL) ||
        (source->n_code > 0 && source->codes == NULL))
        return MIEN_ENOMEM;
    return MIEN_OK;
}

/* Adds a text at the end of those that are there; one that is none is left out. */
static void add_text(struct mien_faces_source *source, const struct mien_plan *plan,
                     const char *text, size_t *n)
{
    if (text != NULL &&
        mien_symbols_of(text, plan->text_length, source->texts + *n * source->n_symbols))
        (*n)++;
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
    for (size_t i = 0, n_texts = 0; i < source->n && status == MIEN_OK; i++) {
        const struct mien_face face = mien_face_draw(&mixture, rng);
        struct drawn drawn = {.face = &face};

        if (source->texts != NULL) {
            add_text(source, plan, drawn_value(&drawn, MIEN_SYMBOLS_ATTRIBUTE), &n_texts);
            continue;
        }
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

static enum mien_status read_texts(struct mien_faces_source *source, const struct mien_plan *plan,
                                   const struct mien_folder *folder, struct mien_err *err)
{
    size_t n = 0;

    for (size_t d = 0; d < mien_folder_n_devices(folder); d++) {
        for (size_t i = 0; i < mien_folder_n_faces(folder, d); i++)
            add_text(source, plan, mien_folder_attribute(folder, d, i, MIEN_SYMBOLS_ATTRIBUTE), &n);
    }
    source->n = n;
    return n > 0 ? MIEN_OK
                 : mien_err_set(err, MIEN_ENOTFOUND,
                                "attributes.csv has no column \"" MIEN_SYMBOLS_ATTRIBUTE
                                "\", or nothing in it");
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
    if (status == MIEN_OK && source->texts != NULL)
        return read_texts(source, plan, folder, err);
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

/* Which examples are trained on, and which are held out. */
static void divide(struct mien_faces_source *source, const struct mien_plan *plan)
{
    const bool all =
        plan->family == MIEN_FAMILY_GAN || plan->family == MIEN_FAMILY_MOMENTS || source->n < 16;
    const size_t n_held = all ? 0 : source->n / 8;

    source->training = (struct part){source, n_held, source->n - n_held};
    source->all = (struct part){source, 0, source->n};
    source->held_out = (struct part){source, 0, all ? source->n : n_held};
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
    divide(source, plan);
    *out = source;
    return MIEN_OK;
}

void mien_faces_source_free(struct mien_faces_source *source)
{
    if (source == NULL)
        return;
    mien_free(source->pixels);
    mien_free(source->codes);
    mien_free(source->texts);
    mien_free(source);
}

static enum mien_status picture(void *self, size_t index, float *numbers, float *code)
{
    const struct part *part = self;
    const struct mien_faces_source *source = part->source;
    const size_t at = part->first + index;

    if (source->texts != NULL)
        memcpy(numbers, source->texts + at * source->n_symbols,
               source->n_symbols * sizeof(*numbers));
    else
        mien_pixels_to_floats(source->pixels + at * source->n_pixels, source->n_pixels, numbers);
    if (code != NULL)
        memcpy(code, source->codes + at * source->n_code, source->n_code * sizeof(*code));
    return MIEN_OK;
}

struct mien_examples mien_faces_source_examples(struct mien_faces_source *source)
{
    return (struct mien_examples){&source->training, source->training.n, picture};
}

struct mien_examples mien_faces_source_held_out(struct mien_faces_source *source)
{
    return (struct mien_examples){&source->held_out, source->held_out.n, picture};
}

struct mien_examples mien_faces_source_all(struct mien_faces_source *source)
{
    return (struct mien_examples){&source->all, source->all.n, picture};
}
