// SPDX-License-Identifier: Apache-2.0
#include "common/plan/keys.h"
#include "server/tools/wanted.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static struct mien_plan plan_of(const char *vocabulary)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("demo", &plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_parse_attributes(&plan, vocabulary, NULL), MIEN_OK);
    return plan;
}

static void expect_refused(const struct mien_plan *plan, const char *attr, const char *balance,
                           const char *word)
{
    struct mien_option_list list = {.n = attr == NULL ? 0 : 1, .values = {attr}};
    struct mien_wanted wanted;
    struct mien_err err = {0};

    assert_int_not_equal(mien_wanted_init(&wanted, plan, &list, balance, &err), MIEN_OK);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, word);
}

static void what_cannot_be_asked_for_is_named(void **state)
{
    (void)state;
    const struct mien_plan plan = plan_of("glasses:0|1, hair:black|blond, age:0..100");
    const struct mien_plan bare = plan_of("");

    expect_refused(&plan, "glases=1", NULL, "did you mean \"glasses\"");
    expect_refused(&plan, "hair=blnd", NULL, "try \"blond\"");
    expect_refused(&plan, "age=101", NULL, "expected 0 to 100");
    expect_refused(&plan, "age=old", NULL, "expected 0 to 100");
    expect_refused(&plan, "glasses", NULL, "name=value");
    expect_refused(&plan, "=1", NULL, "name=value");
    expect_refused(&plan, NULL, "hiar", "did you mean \"hair\"");
    expect_refused(&bare, "glasses=1", NULL, "knows no attributes");
    const struct mien_option_list twice = {.n = 2, .values = {"glasses=1", "glasses=0"}};
    struct mien_wanted wanted;
    assert_int_equal(mien_wanted_init(&wanted, &plan, &twice, NULL, NULL), MIEN_EINVAL);
}

static void what_is_fixed_is_in_every_picture(void **state)
{
    (void)state;
    const struct mien_plan plan = plan_of("glasses:0|1, hair:black|blond, age:0..100");
    const struct mien_option_list attr = {.n = 3,
                                          .values = {"glasses=1", "hair=unknown", "age=25"}};
    struct mien_wanted wanted;
    struct mien_wanted_values values;
    struct mien_rng_seeded *rng = NULL;
    float code[8];

    assert_int_equal(mien_wanted_init(&wanted, &plan, &attr, NULL, NULL), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(1, 0, &rng), MIEN_OK);
    for (uint64_t i = 0; i < 20; i++) {
        static const float expected[8] = {0, 1, 0, 0, 0, 1, -0.5f, 1};

        mien_wanted_draw(&wanted, i, rng, &values);
        assert_string_equal(values.text[0], "1");
        assert_string_equal(values.text[1], "");
        assert_string_equal(values.text[2], "25");
        mien_wanted_code(&wanted, &values, code);
        assert_memory_equal(code, expected, sizeof(code));
    }
    mien_rng_seeded_free(rng);
}

/* Two attributes of 2 and 3 values: all six pairs come equally often, in any six in a row. */
static void balanced_values_come_in_every_combination(void **state)
{
    (void)state;
    const struct mien_plan plan = plan_of("glasses:0|1, hair:black|blond|brown, age:0..100");
    const struct mien_option_list none = {0};
    struct mien_wanted wanted;
    struct mien_wanted_values values;
    struct mien_rng_seeded *rng = NULL;
    int count[2][3] = {{0}};

    assert_int_equal(mien_wanted_init(&wanted, &plan, &none, "glasses,hair", NULL), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(2, 0, &rng), MIEN_OK);
    for (uint64_t i = 0; i < 18; i++) {
        mien_wanted_draw(&wanted, i, rng, &values);
        const int hair = strcmp(values.text[1], "black") == 0   ? 0
                         : strcmp(values.text[1], "blond") == 0 ? 1
                                                                : 2;

        count[values.text[0][0] - '0'][hair]++;
        const double age = strtod(values.text[2], NULL);
        assert_true(age >= 0.0 && age <= 100.0);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(count[i / 3][i % 3], 3);
    mien_rng_seeded_free(rng);
}

/* Fixing an attribute changes it and nothing else: the same randomness is consumed. */
static void asking_for_one_leaves_the_others_as_they_were(void **state)
{
    (void)state;
    const struct mien_plan plan = plan_of("glasses:0|1, hair:black|blond|brown, age:0..100");
    const struct mien_option_list none = {0};
    const struct mien_option_list attr = {.n = 1, .values = {"glasses=0"}};
    struct mien_wanted free_choice;
    struct mien_wanted fixed;
    struct mien_rng_seeded *a = NULL;
    struct mien_rng_seeded *b = NULL;

    assert_int_equal(mien_wanted_init(&free_choice, &plan, &none, NULL, NULL), MIEN_OK);
    assert_int_equal(mien_wanted_init(&fixed, &plan, &attr, NULL, NULL), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(3, 0, &a), MIEN_OK);
    assert_int_equal(mien_rng_seeded_new(3, 0, &b), MIEN_OK);
    for (uint64_t i = 0; i < 10; i++) {
        struct mien_wanted_values left;
        struct mien_wanted_values right;

        mien_wanted_draw(&free_choice, i, a, &left);
        mien_wanted_draw(&fixed, i, b, &right);
        assert_string_equal(right.text[0], "0");
        assert_string_equal(left.text[1], right.text[1]);
        assert_string_equal(left.text[2], right.text[2]);
    }
    mien_rng_seeded_free(a);
    mien_rng_seeded_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_asked_for_is_named),
        cmocka_unit_test(what_is_fixed_is_in_every_picture),
        cmocka_unit_test(balanced_values_come_in_every_combination),
        cmocka_unit_test(asking_for_one_leaves_the_others_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
