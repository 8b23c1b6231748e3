// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void hexadecimal_comes_back_as_it_went(void **state)
{
    (void)state;
    const uint8_t bytes[4] = {0x00, 0x7f, 0x80, 0xff};
    char text[9];
    uint8_t again[4];

    mien_hex(bytes, sizeof(bytes), text);
    assert_string_equal(text, "007f80ff");
    assert_int_equal(mien_unhex("007F80fF", 4, again), MIEN_OK);
    assert_memory_equal(again, bytes, 4);
    assert_int_equal(mien_unhex("007f80f", 4, again), MIEN_EPARSE);
    assert_int_equal(mien_unhex("007f80fg", 4, again), MIEN_EPARSE);
}

static void base64url_follows_rfc_4648_section_10(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};

    for (size_t i = 0; i < 7; i++) {
        struct mien_buf text = {0};
        struct mien_buf back = {0};
        struct mien_span in = {(const uint8_t *)plain[i], strlen(plain[i])};

        assert_int_equal(mien_base64url(in, &text), MIEN_OK);
        assert_int_equal(text.len, strlen(coded[i]));
        if (text.len > 0)
            assert_memory_equal(text.data, coded[i], text.len);
        assert_int_equal(mien_unbase64url(coded[i], strlen(coded[i]), &back), MIEN_OK);
        assert_int_equal(back.len, in.len);
        if (back.len > 0)
            assert_memory_equal(back.data, in.data, in.len);
        mien_buf_fini(&text);
        mien_buf_fini(&back);
    }
}

static void base64url_has_one_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z", "Zh", "Zm9=", "Zm+v", "Zm9v\n", "Zm8!"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_buf back = {0};

        assert_int_equal(mien_unbase64url(bad[i], strlen(bad[i]), &back), MIEN_EPARSE);
        assert_int_equal(back.len, 0);
        mien_buf_fini(&back);
    }
}

static void numbers_are_strict(void **state)
{
    (void)state;
    uint64_t u = 7;
    double d = 7;

    assert_int_equal(mien_parse_u64("18446744073709551615", 0, UINT64_MAX, &u), MIEN_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(mien_parse_u64("18446744073709551616", 0, UINT64_MAX, &u), MIEN_ELIMIT);
    assert_int_equal(mien_parse_u64("11", 0, 10, &u), MIEN_ELIMIT);
    assert_int_equal(mien_parse_u64("", 0, 10, &u), MIEN_EPARSE);
    assert_int_equal(mien_parse_u64("-1", 0, 10, &u), MIEN_EPARSE);
    assert_int_equal(mien_parse_u64("1 ", 0, 10, &u), MIEN_EPARSE);
    assert_int_equal(mien_parse_double("1e-5", &d), MIEN_OK);
    assert_true(d == 1e-5);
    assert_int_equal(mien_parse_double("nan", &d), MIEN_EPARSE);
    assert_int_equal(mien_parse_double("0x10", &d), MIEN_EPARSE);
    assert_int_equal(mien_parse_double("1e999", &d), MIEN_EPARSE);
    assert_int_equal(mien_parse_double(" 1", &d), MIEN_EPARSE);
}

static void durations_take_a_unit(void **state)
{
    (void)state;
    uint64_t s = 0;

    assert_int_equal(mien_parse_seconds("90", &s), MIEN_OK);
    assert_int_equal(s, 90);
    assert_int_equal(mien_parse_seconds("24h", &s), MIEN_OK);
    assert_int_equal(s, 86400);
    assert_int_equal(mien_parse_seconds("h", &s), MIEN_EPARSE);
    assert_int_equal(mien_parse_seconds("1w", &s), MIEN_EPARSE);
}

static void the_nearest_name_is_said_only_when_near(void **state)
{
    (void)state;
    static const char *const names[] = {"round.cohort", "round.rate", "privacy.clip"};

    assert_string_equal(mien_nearest_name("round.cohrt", names, 3), "round.cohort");
    assert_null(mien_nearest_name("zzzzzzzz", names, 3));
}

static void utf8_refuses_controls_overlongs_and_surrogates(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static const char *const bad[] = {
        "\n",           "\x7f",         "\x80",     "\xc0\x80",
        "\xe0\x80\x80", "\xed\xa0\x80", "\xc2\x85", "\xf4\x90\x80\x80",
        "\xe2\x82"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(mien_utf8_printable(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mien_utf8_printable(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hexadecimal_comes_back_as_it_went),
        cmocka_unit_test(base64url_follows_rfc_4648_section_10),
        cmocka_unit_test(base64url_has_one_spelling),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(durations_take_a_unit),
        cmocka_unit_test(the_nearest_name_is_said_only_when_near),
        cmocka_unit_test(utf8_refuses_controls_overlongs_and_surrogates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
