// SPDX-License-Identifier: Apache-2.0
#include "server/tools/options.h"
#include "tests/support/test.h"

#include <string.h>

/* A command with one option of each kind, and what was given. */
struct given {
    bool flag;
    const char *text;
    uint64_t number;
    double real;
    uint64_t seconds;
    struct mien_option_list list;
    const char *operands[2];
    bool done;
    struct mien_err err;
};

static enum mien_status parse(struct given *g, int argc, const char *const *argv)
{
    const struct mien_option options[] = {
        {"--flag", MIEN_OPTION_FLAG, &g->flag, NULL, "a flag"},
        {"--text", MIEN_OPTION_TEXT, &g->text, "T", "a text"},
        {"--number", MIEN_OPTION_NUMBER, &g->number, "N", "a number"},
        {"--real", MIEN_OPTION_REAL, &g->real, "R", "a real"},
        {"--seconds", MIEN_OPTION_SECONDS, &g->seconds, "TIME", "a time"},
        {"--list", MIEN_OPTION_LIST, &g->list, "K=V", "many"},
    };
    const struct mien_command command = {
        .name = "mien test",
        .synopsis = "DIR [FILE]",
        .about = "Tests.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 2,
    };
    char *copy[80] = {NULL};

    for (int i = 0; i < argc; i++)
        copy[i] = (char *)(uintptr_t)argv[i];
    return mien_options_parse(&command, argc, copy, g->operands, &g->done, &g->err);
}

#define PARSE(g, ...)                                                                              \
    parse(g, (int)(sizeof((const char *const[]){"test", __VA_ARGS__}) / sizeof(char *)),           \
          (const char *const[]){"test", __VA_ARGS__})

static void every_kind_is_read_in_both_spellings(void **state)
{
    (void)state;
    struct given g = {.number = 3};

    assert_int_equal(PARSE(&g, "--text", "a", "dir", "--number=12", "--real", "-0.5", "--flag",
                           "--seconds=2h", "--list", "k=v", "--list=w=x", "--", "--file"),
                     MIEN_OK);
    assert_string_equal(g.text, "a");
    assert_int_equal(g.number, 12);
    assert_true(g.real == -0.5);
    assert_true(g.flag);
    assert_int_equal(g.seconds, 7200);
    assert_int_equal(g.list.n, 2);
    assert_string_equal(g.list.values[0], "k=v");
    assert_string_equal(g.list.values[1], "w=x");
    assert_string_equal(g.operands[0], "dir");
    assert_string_equal(g.operands[1], "--file");
    assert_false(g.done);
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    struct given g = {.number = 3, .text = "t", .operands = {"old", "old"}};

    assert_int_equal(PARSE(&g, "-"), MIEN_OK); /* a lone sign is an operand */
    assert_string_equal(g.operands[0], "-");
    assert_null(g.operands[1]);
    assert_int_equal(g.number, 3);
    assert_string_equal(g.text, "t");
    assert_false(g.flag);
}

static void expect_refused(enum mien_status status, const struct given *g, const char *word)
{
    assert_int_not_equal(status, MIEN_OK);
    if (strstr(g->err.text, word) == NULL)
        fail_msg("\"%s\" does not name %s", g->err.text, word);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    struct given g = {0};

    expect_refused(PARSE(&g, "dir", "--nubmer", "3"), &g, "did you mean --number");
    expect_refused(PARSE(&g, "dir", "--zzzzzzzzzzzzzz"), &g, "--zzzzzzzzzzzzzz");
    expect_refused(PARSE(&g, "dir", "--number", "3x"), &g, "\"3x\" is not a whole number");
    expect_refused(PARSE(&g, "dir", "--number", "-1"), &g, "\"-1\"");
    expect_refused(PARSE(&g, "dir", "--number", "18446744073709551616"), &g, "--number");
    expect_refused(PARSE(&g, "dir", "--real", "nan"), &g, "\"nan\" is not a number");
    expect_refused(PARSE(&g, "dir", "--seconds", "5y"), &g, "90s, 15m");
    expect_refused(PARSE(&g, "dir", "--text"), &g, "--text needs a value (T)");
    expect_refused(PARSE(&g, "dir", "--flag=1"), &g, "--flag takes no value");
    expect_refused(PARSE(&g, "a", "b", "c"), &g, "\"c\" is one argument too many");
    expect_refused(PARSE(&g, "--flag"), &g, "usage: mien test DIR");
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    struct given g = {0};
    const char *argv[MIEN_OPTION_LIST_MAX + 3] = {"test", "dir"};

    for (size_t i = 0; i <= MIEN_OPTION_LIST_MAX; i++)
        argv[2 + i] = "--list=k=v";
    expect_refused(parse(&g, MIEN_OPTION_LIST_MAX + 3, argv), &g, "more than 64 times");
    g = (struct given){0};
    assert_int_equal(parse(&g, MIEN_OPTION_LIST_MAX + 2, argv), MIEN_OK);
    assert_int_equal(g.list.n, MIEN_OPTION_LIST_MAX);
}

static void statuses_end_as_the_contract_says(void **state)
{
    (void)state;
    const struct mien_command command = {.name = "mien test"};
    const struct mien_err err = {.text = "a sentence of this test"};

    assert_int_equal(mien_command_end(&command, MIEN_OK, &err), 0);
    assert_int_equal(mien_command_end(&command, MIEN_EINVAL, &err), 2);
    assert_int_equal(mien_command_end(&command, MIEN_EPOLICY, &err), 3);
    assert_int_equal(mien_command_end(&command, MIEN_ENOSPC, &err), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_in_both_spellings),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(statuses_end_as_the_contract_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
