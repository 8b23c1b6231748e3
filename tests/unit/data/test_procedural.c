// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/data/procedural.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define SIZE 32
#define PIXELS (SIZE * SIZE * 3)
#define N_FACES 120

static struct mien_face draw(struct mien_rng_seeded *rng)
{
    const struct mien_face_mixture mixture = mien_face_mixture_default();

    return mien_face_draw(&mixture, rng);
}

static void the_same_face_is_the_same_picture(void **state)
{
    (void)state;
    struct mien_rng_seeded *rng = NULL;
    uint8_t a[PIXELS];
    uint8_t b[PIXELS];

    assert_int_equal(mien_rng_seeded_new(1, 0, &rng), MIEN_OK);
    struct mien_face face = draw(rng);
    assert_int_equal(mien_face_paint(&face, SIZE, 3, a), MIEN_OK);
    assert_int_equal(mien_face_paint(&face, SIZE, 3, b), MIEN_OK);
    assert_memory_equal(a, b, sizeof(a));
    face.seed++;
    assert_int_equal(mien_face_paint(&face, SIZE, 3, b), MIEN_OK);
    assert_true(memcmp(a, b, sizeof(a)) != 0);
    mien_rng_seeded_free(rng);
}

static void one_face_looks_alike_at_two_sizes(void **state)
{
    (void)state;
    struct mien_rng_seeded *rng = NULL;
    uint8_t small[16 * 16];
    uint8_t large[SIZE * SIZE];
    double off = 0;

    assert_int_equal(mien_rng_seeded_new(2, 0, &rng), MIEN_OK);
    const struct mien_face face = draw(rng);
    assert_int_equal(mien_face_paint(&face, 16, 1, small), MIEN_OK);
    assert_int_equal(mien_face_paint(&face, SIZE, 1, large), MIEN_OK);
    for (int i = 0; i < 256; i++) {
        const uint8_t *block = large + i / 16 * 2 * SIZE + i % 16 * 2;
        const double mean = (block[0] + block[1] + block[SIZE] + block[SIZE + 1]) / 4.0;

        off += fabs(mean - small[i]) / 256.0;
    }
    assert_true(off < 12.0);
    mien_rng_seeded_free(rng);
}

/* Sets one attribute on or off. */
static void set_glasses(struct mien_face *face, bool on)
{
    face->glasses = on;
}

static void set_hat(struct mien_face *face, bool on)
{
    face->hat = on;
}

static void set_beard(struct mien_face *face, bool on)
{
    face->beard = on;
}

static void set_smile(struct mien_face *face, bool on)
{
    face->smile = on;
}

static void set_long_hair(struct mien_face *face, bool on)
{
    face->hair_length = on ? MIEN_FACE_HAIR_LONG : MIEN_FACE_HAIR_SHORT;
}

static void paint(struct mien_rng_seeded *rng, void (*set)(struct mien_face *face, bool on),
                  bool on, uint8_t *pixels)
{
    struct mien_face face = draw(rng);

    set(&face, on);
    assert_int_equal(mien_face_paint(&face, SIZE, 3, pixels), MIEN_OK);
}

/* The classes' mean pictures, from faces that differ in all else. */
static void learn(struct mien_rng_seeded *rng, void (*set)(struct mien_face *face, bool on),
                  double weight[PIXELS], double *threshold)
{
    uint8_t pixels[PIXELS];
    double spread = 0;

    memset(weight, 0, PIXELS * sizeof(*weight));
    *threshold = 0;
    for (int i = 0; i < 8 * N_FACES; i++) {
        const double sign = i % 2 == 0 ? 1.0 : -1.0;

        paint(rng, set, i % 2 == 0, pixels);
        for (int k = 0; k < PIXELS; k++)
            weight[k] += sign * pixels[k];
    }
    for (int k = 0; k < PIXELS; k++)
        spread += fabs(weight[k]) / PIXELS;
    /* Only where the classes really differ: the rest is chance. */
    for (int k = 0; k < PIXELS; k++)
        weight[k] = fabs(weight[k]) > 2.0 * spread ? weight[k] : 0.0;
    for (int i = 0; i < 4 * N_FACES; i++) {
        double score = 0;

        paint(rng, set, i % 2 == 0, pixels);
        for (int k = 0; k < PIXELS; k++)
            score += weight[k] * pixels[k];
        *threshold += score / (4 * N_FACES);
    }
}

static double accuracy(struct mien_rng_seeded *rng, void (*set)(struct mien_face *face, bool on),
                       const double weight[PIXELS], double threshold)
{
    uint8_t pixels[PIXELS];
    int n_right = 0;

    for (int i = 0; i < N_FACES; i++) {
        double score = 0;

        paint(rng, set, i % 2 == 0, pixels);
        for (int k = 0; k < PIXELS; k++)
            score += weight[k] * pixels[k];
        n_right += (score > threshold) == (i % 2 == 0);
    }
    return (double)n_right / N_FACES;
}

/* A straight line through pixels, learned from other faces, is the weakest of judges: what it can
 * tell apart, a person can. */
static void attributes_can_be_told_apart_at_32_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*set)(struct mien_face *face, bool on);
        double at_least;
    } attributes[] = {
        {"glasses", set_glasses, 0.8},      {"hat", set_hat, 0.7},
        {"beard", set_beard, 0.65},         {"smile", set_smile, 0.65},
        {"long hair", set_long_hair, 0.65},
    };
    struct mien_rng_seeded *rng = NULL;
    double *weight = mien_calloc(PIXELS, sizeof(*weight));

    assert_non_null(weight);
    assert_int_equal(mien_rng_seeded_new(11, 0, &rng), MIEN_OK);
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        double threshold;

        learn(rng, attributes[i].set, weight, &threshold);
        const double right = accuracy(rng, attributes[i].set, weight, threshold);
        if (right < attributes[i].at_least)
            fail_msg("%s is told apart in %.0f %% only", attributes[i].name, 100 * right);
    }
    mien_rng_seeded_free(rng);
    mien_free(weight);
}

static void a_mixture_is_what_is_drawn(void **state)
{
    (void)state;
    struct mien_face_mixture mixture = mien_face_mixture_default();
    struct mien_rng_seeded *rng = NULL;
    char text[MIEN_FACE_TEXT_BYTES];
    int n_glasses = 0;

    mixture.glasses = 1.0;
    mixture.hat = 0.0;
    assert_int_equal(mien_rng_seeded_new(4, 0, &rng), MIEN_OK);
    for (int i = 0; i < N_FACES; i++) {
        const struct mien_face face = mien_face_draw(&mixture, rng);

        n_glasses += face.glasses;
        assert_false(face.hat);
        assert_true(mien_face_attribute(&face, "hat", text));
        assert_string_equal(text, "0");
        assert_false(mien_face_attribute(&face, "nose", text));
    }
    assert_int_equal(n_glasses, N_FACES);
    mien_rng_seeded_free(rng);
}

static void a_face_is_described_without_commas(void **state)
{
    (void)state;
    const struct mien_face old = {.hair_length = MIEN_FACE_HAIR_LONG, .age = 80, .glasses = true};
    const struct mien_face bald = {.age = 20, .hat = true, .beard = true, .smile = true};
    char text[MIEN_FACE_TEXT_BYTES];

    assert_true(mien_face_attribute(&old, "text", text));
    assert_string_equal(text, "old long gray hair glasses");
    assert_true(mien_face_attribute(&bald, "text", text));
    assert_string_equal(text, "young no hair beard hat smiles");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_face_is_the_same_picture),
        cmocka_unit_test(one_face_looks_alike_at_two_sizes),
        cmocka_unit_test(attributes_can_be_told_apart_at_32_pixels),
        cmocka_unit_test(a_mixture_is_what_is_drawn),
        cmocka_unit_test(a_face_is_described_without_commas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
