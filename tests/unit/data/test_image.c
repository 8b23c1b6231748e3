// SPDX-License-Identifier: Apache-2.0
#include "common/data/image.h"

#include "common/base/mem.h"
#include "common/data/sheet.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static struct mien_image pattern(uint32_t width, uint32_t height, uint32_t channels)
{
    struct mien_image image = {width, height, channels,
                               mien_calloc((size_t)width * height, channels)};

    assert_non_null(image.pixels);
    for (size_t i = 0; i < (size_t)width * height * channels; i++)
        image.pixels[i] = (uint8_t)(i * 37 + i / 7);
    return image;
}

static void a_png_comes_back_as_it_went(void **state)
{
    (void)state;
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
        struct mien_image image = pattern(13, 9, channels);
        struct mien_image again = {0};
        struct mien_buf png = {0};

        assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
        assert_int_equal(mien_image_decode(mien_buf_span(&png), &again, NULL), MIEN_OK);
        assert_int_equal(again.width, 13);
        assert_int_equal(again.height, 9);
        assert_int_equal(again.channels, channels);
        assert_memory_equal(again.pixels, image.pixels, 13u * 9 * channels);
        mien_image_fini(&image);
        mien_image_fini(&again);
        mien_buf_fini(&png);
    }
}

static void a_png_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct mien_image image = pattern(16, 16, 3);
    struct mien_buf png = {0};

    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    /* The last 12 bytes are the end mark, which says nothing about the picture. */
    for (size_t n = 0; n + 12 < png.len; n++) {
        struct mien_image again = {0};
        struct mien_err err = {0};

        assert_int_equal(mien_image_decode((struct mien_span){png.data, n}, &again, &err),
                         MIEN_EPARSE);
        assert_true(strlen(err.text) > 0);
        assert_null(again.pixels);
    }
    mien_image_fini(&image);
    mien_buf_fini(&png);
}

static void a_flipped_byte_is_refused_or_changes_a_picture_of_the_same_kind(void **state)
{
    (void)state;
    struct mien_image image = pattern(8, 8, 3);
    struct mien_buf png = {0};

    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    for (size_t i = 0; i < png.len; i++) {
        struct mien_image again = {0};

        png.data[i] ^= 0x20;
        enum mien_status status = mien_image_decode(mien_buf_span(&png), &again, NULL);
        assert_true(status == MIEN_OK || status == MIEN_EPARSE || status == MIEN_ELIMIT);
        if (status == MIEN_OK)
            assert_non_null(again.pixels);
        mien_image_fini(&again);
        png.data[i] ^= 0x20;
    }
    mien_image_fini(&image);
    mien_buf_fini(&png);
}

static void texts_come_back_and_leave_the_pixels_alone(void **state)
{
    (void)state;
    const struct mien_image_text texts[] = {{"one", "first\nsecond {}"}, {"two", "2"}};
    struct mien_image image = pattern(13, 9, 3);
    struct mien_image again = {0};
    struct mien_buf png = {0};
    struct mien_buf text = {0};

    assert_int_equal(mien_image_encode_texts(&image, texts, 2, &png), MIEN_OK);
    assert_int_equal(mien_image_decode(mien_buf_span(&png), &again, NULL), MIEN_OK);
    assert_int_equal(again.channels, 3);
    assert_memory_equal(again.pixels, image.pixels, 13u * 9 * 3);
    assert_int_equal(mien_image_find_text(mien_buf_span(&png), "one", &text, NULL), MIEN_OK);
    assert_int_equal(text.len, strlen(texts[0].text));
    assert_memory_equal(text.data, texts[0].text, text.len);
    assert_int_equal(mien_image_find_text(mien_buf_span(&png), "three", &text, NULL),
                     MIEN_ENOTFOUND);
    for (size_t n = 0; n < 60; n++) /* up to the middle of the texts */
        assert_int_equal(mien_image_find_text((struct mien_span){png.data, n}, "one", &text, NULL),
                         MIEN_EPARSE);
    mien_image_fini(&image);
    mien_image_fini(&again);
    mien_buf_fini(&png);
    mien_buf_fini(&text);
}

static void texts_that_two_readers_could_read_differently_are_refused(void **state)
{
    (void)state;
    const struct mien_image_text twice[] = {{"one", "a"}, {"one", "b"}};
    const struct mien_image_text bad[] = {{"", "a"}, {"one", ""}, {"one", "\x01"}, {"\n", "a"}};
    struct mien_image image = pattern(4, 4, 1);
    struct mien_buf png = {0};
    struct mien_buf text = {0};

    assert_int_equal(mien_image_encode_texts(&image, twice, 2, &png), MIEN_OK);
    assert_int_equal(mien_image_find_text(mien_buf_span(&png), "one", &text, NULL), MIEN_EPARSE);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mien_image_encode_texts(&image, &bad[i], 1, &png), MIEN_EINVAL);
    assert_int_equal(text.len, 0);
    mien_image_fini(&image);
    mien_buf_fini(&png);
}

static void texts_survive_each_failed_allocation(void **state)
{
    (void)state;
    const struct mien_image_text one = {"one", "a"};
    struct mien_image image = pattern(4, 4, 1);
    struct mien_buf png = {0};
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_image_encode_texts(&image, &one, 1, &png);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        assert_true(status == MIEN_OK || png.len == 0);
    }
    mien_image_fini(&image);
    mien_buf_fini(&png);
}

static void a_picture_that_asks_for_gigabytes_is_refused(void **state)
{
    (void)state;
    struct mien_image image = pattern(4, 4, 1);
    struct mien_image again = {0};
    struct mien_buf png = {0};
    /* IHDR with 2^20 x 2^20 pixels; its checksum is not right either, but sizes come first. */
    static const uint8_t huge[] = {0, 16, 0, 0, 0, 16, 0, 0};

    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    memcpy(png.data + 16, huge, sizeof(huge));
    enum mien_status status = mien_image_decode(mien_buf_span(&png), &again, NULL);
    assert_true(status == MIEN_ELIMIT || status == MIEN_EPARSE);
    mien_image_fini(&image);
    mien_buf_fini(&png);
}

static void resizing_averages_areas_exactly(void **state)
{
    (void)state;
    /* 4 x 2: the square in the middle is columns 1 and 2. */
    uint8_t pixels[8] = {9, 10, 20, 9, 9, 30, 40, 9};
    const struct mien_image image = {4, 2, 1, pixels};
    uint8_t one = 0;
    uint8_t grey[4];
    uint8_t rgb[3];

    mien_image_fit(&image, 1, 1, &one);
    assert_int_equal(one, 25);
    mien_image_fit(&image, 2, 1, grey);
    assert_int_equal(grey[0], 10);
    assert_int_equal(grey[3], 40);
    mien_image_fit(&image, 1, 3, rgb);
    assert_int_equal(rgb[0], 25);
    assert_int_equal(rgb[2], 25);
}

static void bytes_and_floats_agree_both_ways(void **state)
{
    (void)state;
    uint8_t all[256];
    uint8_t back[256];
    float values[256];
    const float odd[3] = {NAN, 7.0f, -7.0f};
    uint8_t clamped[3];

    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    mien_pixels_to_floats(all, 256, values);
    assert_true(values[0] == -1.0f && values[255] == 1.0f);
    mien_pixels_from_floats(values, 256, back);
    assert_memory_equal(all, back, 256);
    mien_pixels_from_floats(odd, 3, clamped);
    assert_int_equal(clamped[1], 255);
    assert_int_equal(clamped[2], 0);
}

static void a_sheet_holds_every_picture(void **state)
{
    (void)state;
    const struct mien_sheet sheet = {16, 1, 3};
    float *pictures = mien_calloc(5 * 256, sizeof(float));
    struct mien_image image = {0};

    assert_non_null(pictures);
    assert_int_equal(mien_sheet_make(&sheet, pictures, 5, &image), MIEN_OK);
    assert_int_equal(image.channels, 1);
    /* Two rows of three, magnified alike. */
    assert_true(image.width > image.height);
    assert_true(image.width >= 3 * 16 && image.height >= 2 * 16);
    mien_image_fini(&image);
    mien_free(pictures);
}

static void decoding_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_image image = pattern(16, 16, 3);
    struct mien_image again = {0};
    struct mien_buf png = {0};

    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    const long before = mien_mem_live();
    for (long k = 0; again.pixels == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_image_decode(mien_buf_span(&png), &again, NULL);
        mien_mem_fail_at(-1);
        assert_int_equal(status, again.pixels == NULL ? MIEN_ENOMEM : MIEN_OK);
        assert_true(again.pixels != NULL || mien_mem_live() == before);
    }
    mien_image_fini(&again);
    mien_image_fini(&image);
    mien_buf_fini(&png);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_png_comes_back_as_it_went),
        cmocka_unit_test(a_png_cut_anywhere_is_refused),
        cmocka_unit_test(a_flipped_byte_is_refused_or_changes_a_picture_of_the_same_kind),
        cmocka_unit_test(texts_come_back_and_leave_the_pixels_alone),
        cmocka_unit_test(texts_that_two_readers_could_read_differently_are_refused),
        cmocka_unit_test(texts_survive_each_failed_allocation),
        cmocka_unit_test(a_picture_that_asks_for_gigabytes_is_refused),
        cmocka_unit_test(resizing_averages_areas_exactly),
        cmocka_unit_test(bytes_and_floats_agree_both_ways),
        cmocka_unit_test(a_sheet_holds_every_picture),
        cmocka_unit_test(decoding_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
