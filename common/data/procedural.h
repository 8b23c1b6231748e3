/* Drawn faces: from attributes and a seed, nobody's picture.
 *
 * For demonstrations, tests and public start models. The same attributes and seed give the same
 * bytes at every run; one face looks alike at all sizes.
 *
 * Threads: any
 */
#ifndef MIEN_DATA_PROCEDURAL_H
#define MIEN_DATA_PROCEDURAL_H

#include "common/base/rng_seeded.h"

#include <stdbool.h>
#include <stdint.h>

enum mien_face_hair_length { MIEN_FACE_HAIR_NONE, MIEN_FACE_HAIR_SHORT, MIEN_FACE_HAIR_LONG };

enum mien_face_hair_color {
    MIEN_FACE_HAIR_BLACK,
    MIEN_FACE_HAIR_BROWN,
    MIEN_FACE_HAIR_BLOND,
    MIEN_FACE_HAIR_RED,
    MIEN_FACE_HAIR_GRAY,
};

/* What a face shows, exactly. All else (background, light, small shapes) comes from the seed. */
struct mien_face {
    double skin; /* 0 light to 1 dark */
    enum mien_face_hair_length hair_length;
    enum mien_face_hair_color hair_color;
    uint32_t age; /* years, 18 to 90: wrinkles, and grey hair from 55 on */
    bool beard;
    bool glasses;
    bool hat;
    bool smile;
    double yaw; /* -1 to 1: turned left to right */
    uint64_t seed;
};

/* Chances of attributes in a population, each in [0, 1]. */
struct mien_face_mixture {
    double glasses;
    double hat;
    double beard;
    double smile;
    double long_hair;
    double dark;  /* mean of skin */
    double young; /* share below 50 */
};

/* Everybody: moderate chances of all. */
struct mien_face_mixture mien_face_mixture_default(void);

/* A face drawn from a mixture. */
struct mien_face mien_face_draw(const struct mien_face_mixture *mixture,
                                struct mien_rng_seeded *rng);

/* Paints a face.
 *
 *   size      pixels a side, 16 to 128
 *   channels  1 grey or 3 RGB
 *   pixels    [size, size, channels] out
 *   errors    MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_face_paint(const struct mien_face *face, uint32_t size,
                                            uint32_t channels, uint8_t *pixels);

/* Longest text of an attribute, with its NUL. */
#define MIEN_FACE_TEXT_BYTES 64

/* The text of an attribute ("glasses": "0" or "1", "hair_color": "black", "age": "37", ...) as it
 * would stand in attributes.csv; false when there is no such attribute. "text" is a short sentence
 * about the face, for character models. */
bool mien_face_attribute(const struct mien_face *face, const char *name,
                         char text[MIEN_FACE_TEXT_BYTES]);

#endif
