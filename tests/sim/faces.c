// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/data/folder.h"
#include "common/data/image.h"
#include "common/data/procedural.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#define PROCEDURAL_EACH 12

struct sim_faces {
    struct mien_folder *folder; /* NULL for drawn ones */
    struct mien_face *drawn;    /* [n_faces] NULL for a folder */
    uint8_t *pixels;
    size_t *first; /* [n_devices + 1] */
    size_t n_pixels;
};

void sim_faces_free(struct sim_faces *faces)
{
    if (faces == NULL)
        return;
    mien_folder_free(faces->folder);
    mien_free(faces->drawn);
    mien_free(faces->pixels);
    mien_free(faces->first);
    mien_free(faces);
}

static enum mien_status draw_all(const struct sim_options *o, struct sim_faces *faces)
{
    enum mien_status status = MIEN_OK;

    for (uint64_t d = 0; d < o->n_devices && status == MIEN_OK; d++) {
        struct mien_rng_seeded *rng = NULL;
        struct mien_face_mixture mixture = mien_face_mixture_default();

        status = mien_rng_seeded_new(o->seed, 1000 + d, &rng);
        if (status != MIEN_OK)
            break;
        mixture.glasses = mien_rng_seeded_uniform(rng) < 0.5f ? 0.9 : 0.1;
        for (size_t i = faces->first[d]; i < faces->first[d + 1] && status == MIEN_OK; i++) {
            faces->drawn[i] = mien_face_draw(&mixture, rng);
            status = mien_face_paint(&faces->drawn[i], o->plan.size, o->plan.channels,
                                     faces->pixels + i * faces->n_pixels);
        }
        mien_rng_seeded_free(rng);
    }
    return status;
}

static enum mien_status read_all(const struct sim_options *o, struct sim_faces *faces,
                                 struct mien_err *err)
{
    for (uint64_t d = 0; d < o->n_devices; d++) {
        for (size_t i = faces->first[d]; i < faces->first[d + 1]; i++) {
            const struct mien_folder_face face = {d, i - faces->first[d], o->plan.size,
                                                  o->plan.channels};
            enum mien_status status =
                mien_folder_read(faces->folder, &face, faces->pixels + i * faces->n_pixels, err);

            if (status != MIEN_OK)
                return status;
        }
    }
    return MIEN_OK;
}

static enum mien_status open_folder(const struct sim_options *o, struct sim_faces *faces,
                                    struct mien_err *err)
{
    enum mien_status status = mien_folder_open(o->faces, &faces->folder, err);

    if (status == MIEN_OK && mien_folder_flat(faces->folder))
        status = mien_err_set(err, MIEN_EINVAL, "%s is one device: expected a folder a device",
                              o->faces);
    if (status == MIEN_OK && mien_folder_n_devices(faces->folder) < o->n_devices)
        status =
            mien_err_set(err, MIEN_EINVAL, "%s has %zu devices, --devices asks for %llu", o->faces,
                         mien_folder_n_devices(faces->folder), (unsigned long long)o->n_devices);
    return status;
}

enum mien_status sim_faces_open(const struct sim_options *o, struct sim_faces **out,
                                struct mien_err *err)
{
    struct sim_faces *faces = mien_calloc(1, sizeof(*faces));
    const bool drawn = strcmp(o->faces, "procedural") == 0;

    if (faces == NULL)
        return MIEN_ENOMEM;
    faces->n_pixels = (size_t)o->plan.size * o->plan.size * o->plan.channels;
    faces->first = mien_calloc(o->n_devices + 1, sizeof(*faces->first));
    enum mien_status status = faces->first == NULL ? MIEN_ENOMEM : MIEN_OK;
    if (status == MIEN_OK && !drawn)
        status = open_folder(o, faces, err);
    for (uint64_t d = 0; d < o->n_devices && status == MIEN_OK; d++)
        faces->first[d + 1] =
            faces->first[d] + (drawn ? PROCEDURAL_EACH : mien_folder_n_faces(faces->folder, d));
    if (status == MIEN_OK) {
        const size_t n = faces->first[o->n_devices];

        faces->pixels = mien_calloc(n, faces->n_pixels);
        faces->drawn = drawn ? mien_calloc(n, sizeof(*faces->drawn)) : NULL;
        if (faces->pixels == NULL || (drawn && faces->drawn == NULL))
            status = MIEN_ENOMEM;
    }
    if (status == MIEN_OK)
        status = drawn ? draw_all(o, faces) : read_all(o, faces, err);
    if (status != MIEN_OK) {
        sim_faces_free(faces);
        return status;
    }
    *out = faces;
    return MIEN_OK;
}

static size_t count(void *self)
{
    const struct sim_slot *slot = self;

    return slot->faces->first[slot->device + 1] - slot->faces->first[slot->device];
}

static enum mien_status pixels(void *self, size_t index, unsigned size, unsigned channels,
                               float *out)
{
    const struct sim_slot *slot = self;
    const size_t i = slot->faces->first[slot->device] + index;

    if ((size_t)size * size * channels != slot->faces->n_pixels)
        return MIEN_EINVAL;
    mien_pixels_to_floats(slot->faces->pixels + i * slot->faces->n_pixels, slot->faces->n_pixels,
                          out);
    return MIEN_OK;
}

static const char *attribute(void *self, size_t index, const char *name)
{
    struct sim_slot *slot = self;

    if (slot->faces->folder != NULL)
        return mien_folder_attribute(slot->faces->folder, slot->device, index, name);
    const struct mien_face *face = &slot->faces->drawn[slot->faces->first[slot->device] + index];
    return mien_face_attribute(face, name, slot->text) ? slot->text : NULL;
}

struct mien_client_examples sim_faces_examples(struct sim_slot *slot)
{
    return (struct mien_client_examples){
        .self = slot, .count = count, .pixels = pixels, .attribute = attribute};
}
