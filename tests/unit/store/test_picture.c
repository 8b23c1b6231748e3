// SPDX-License-Identifier: Apache-2.0
/* Generated pictures: what they say, and that nothing can be changed. */
#include "server/store/picture.h"

#include "tests/unit/store/release_fixture.h"

static void a_picture_says_what_it_costs_and_who_says_so(void **state)
{
    struct at *at = *state;
    struct mien_release release = begin(at, 1);
    struct mien_buf png = {0};
    struct mien_verify verify;
    char path[128];
    char words[160];
    char hex[65];

    encode(&release, 7, &png);
    write_file(at->set, "0.png", &png);
    (void)snprintf(path, sizeof(path), "%s/0.png", at->set);
    assert_int_equal(mien_verify_picture(path, &verify, NULL), MIEN_OK);
    assert_int_equal(verify.n_problems, 0);
    assert_true(verify.cost.epsilon > 0.0 && verify.cost.epsilon == verify.card.epsilon);
    assert_memory_equal(verify.card.model_hash, mien_store_latest(at->state->store).model_hash, 32);
    mien_verify_fini(&verify);
    mien_hex(mien_store_mark(at->state->store).head, 32, hex);
    (void)snprintf(words, sizeof(words),
                   "\"all releases of this population up to ledger head %s, reader\"", hex);
    assert_non_null(strstr(card_text(&release), words));
    mien_buf_fini(&png);
    mien_release_fini(&release);
}

static void a_picture_changed_by_one_pixel_is_refused(void **state)
{
    struct at *at = *state;
    struct mien_release release = begin(at, 1);
    struct mien_buf png = {0};
    struct mien_buf card = {0};
    struct mien_buf signature = {0};
    struct mien_image image = {0};
    struct mien_card read;

    encode(&release, 7, &png);
    assert_int_equal(mien_picture_check(mien_buf_span(&png), &read, NULL), MIEN_OK);
    assert_int_equal(mien_image_decode(mien_buf_span(&png), &image, NULL), MIEN_OK);
    assert_int_equal(mien_image_find_text(mien_buf_span(&png), "mien-release", &card, NULL),
                     MIEN_OK);
    assert_int_equal(mien_image_find_text(mien_buf_span(&png), "mien-signature", &signature, NULL),
                     MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&card, 0), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&signature, 0), MIEN_OK);
    const struct mien_image_text texts[] = {{"mien-release", (const char *)card.data},
                                            {"mien-signature", (const char *)signature.data}};
    for (size_t i = 0; i <= 48; i++) {
        struct mien_buf forged = {0};
        struct mien_err err = {0};

        if (i < 48)
            image.pixels[i] ^= 1;
        assert_int_equal(mien_image_encode_texts(&image, texts, 2, &forged), MIEN_OK);
        assert_int_equal(mien_picture_check(mien_buf_span(&forged), &read, &err),
                         i < 48 ? MIEN_EAUTH : MIEN_OK);
        if (i < 48)
            image.pixels[i] ^= 1;
        mien_buf_fini(&forged);
    }
    mien_image_fini(&image);
    mien_buf_fini(&png);
    mien_buf_fini(&card);
    mien_buf_fini(&signature);
    mien_release_fini(&release);
}

static void a_picture_with_the_card_of_another_release_is_refused(void **state)
{
    struct at *at = *state;
    struct mien_release mine = begin(at, 1);
    struct mien_release other = begin(at, 2);
    struct mien_buf png = {0};
    struct mien_card card;
    uint8_t pixels[48] = {0};
    const struct mien_image image = image_of(pixels);

    /* Signed with the key of one, under the card of the other. */
    assert_int_equal(mien_picture_encode(&image, card_text(&other), mine.set_seed, &png), MIEN_OK);
    assert_int_equal(mien_picture_check(mien_buf_span(&png), &card, NULL), MIEN_EAUTH);
    /* A true picture of one in the set of the other. */
    png.len = 0;
    encode(&other, 3, &png);
    write_set(at, &mine, &png);
    assert_found(at, "is of another release");
    /* Without its texts it is not ours at all. */
    png.len = 0;
    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    assert_int_equal(mien_picture_check(mien_buf_span(&png), &card, NULL), MIEN_ENOTFOUND);
    mien_buf_fini(&png);
    mien_release_fini(&mine);
    mien_release_fini(&other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_picture_says_what_it_costs_and_who_says_so),
        TEST(a_picture_changed_by_one_pixel_is_refused),
        TEST(a_picture_with_the_card_of_another_release_is_refused),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
