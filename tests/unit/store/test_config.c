// SPDX-License-Identifier: Apache-2.0
#include "server/store/config.h"

#include "common/plan/keys.h"
#include "tests/unit/store/fixture.h"

static struct mien_config config; /* large */

/* Parses and checks status and sentence. */
static void assert_parse(const char *text, enum mien_status status, const char *sentence)
{
    struct mien_err err = {0};

    assert_int_equal(mien_config_parse("mien.conf", text, &config, &err), status);
    if (sentence != NULL && strstr(err.text, sentence) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
}

static void an_empty_file_is_the_demo(void **state)
{
    (void)state;
    assert_parse("", MIEN_OK, NULL);
    assert_string_equal(config.preset, "demo");
    assert_int_equal(config.port, 7443);
    assert_int_equal(config.enrol_port, 7444);
    assert_string_equal(config.bind, "127.0.0.1"); /* a demo is nobody else's business */
    assert_parse("[listen]\nhost = faces.example\n", MIEN_OK, NULL);
    assert_string_equal(config.bind, "0.0.0.0");
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct mien_buf text = {0};
    struct mien_config before;
    char vocabulary[] = "plan.attributes=glasses:no|yes, hair_color:black|blond|brown|gray|other, "
                        "age:0..100, beard:none|short|long, hat:none|cap|beanie|straw, smile:0|1, "
                        "skin:one|two|three|four|five|six, earrings:none|left|right|both";

    assert_int_equal(mien_config_init("faces32", &before, NULL), MIEN_OK);
    assert_int_equal(mien_config_set_pair(&before, vocabulary, NULL), MIEN_OK);
    assert_int_equal(mien_config_set_pair(&before, "listen.host=faces.example", NULL), MIEN_OK);
    assert_int_equal(mien_config_set_pair(&before, "round.cohort=77", NULL), MIEN_OK);
    assert_int_equal(mien_config_set_pair(&before, "limits.threads=3", NULL), MIEN_OK);
    assert_int_equal(mien_config_check(&before, NULL), MIEN_OK);
    assert_int_equal(mien_config_write(&before, &text), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    assert_parse((const char *)text.data, MIEN_OK, NULL);
    assert_memory_equal(&config, &before, sizeof(config));
    mien_buf_fini(&text);
}

static void a_misspelt_key_is_named_with_its_line_and_the_nearest(void **state)
{
    (void)state;
    assert_parse("[round]\nrate = 0.5\ncohrt = 10\n", MIEN_ENOTFOUND, "line 3");
    assert_parse("[round]\nrate = 0.5\ncohrt = 10\n", MIEN_ENOTFOUND, "round.cohort");
    assert_parse("[listn]\nport = 1\n", MIEN_ENOTFOUND, "listen.port");
    assert_parse("[zzz]\nqqqqqqqqqqqqqq = 1\n", MIEN_ENOTFOUND, "no key \"zzz.qqqqqqqqqqqqqq\"");
}

static void a_wrong_value_is_named_with_its_line(void **state)
{
    (void)state;
    assert_parse("[listen]\nport = 0\n", MIEN_EPARSE, "line 2");
    assert_parse("[listen]\nport = 99999\n", MIEN_EPARSE, "99999");
    assert_parse("[round]\ncohort = ten\n", MIEN_EPARSE, "line 2");
    assert_parse("[plan]\npreset = fases32\n", MIEN_ENOTFOUND, "faces32");
    assert_parse("[privacy]\nsampling = shuffled\n", MIEN_EPARSE, "poisson");
    assert_parse("[limits]\nthreads = -1\n", MIEN_EPARSE, "limits.threads");
}

static void what_is_no_ini_is_named_with_its_line(void **state)
{
    (void)state;
    char text[400] = "[plan]\nattributes = ";

    assert_parse("[round]\nrate 0.5\n", MIEN_EPARSE, "line 2");
    assert_parse("[round\n", MIEN_EPARSE, "line 1");
    memset(text + strlen(text), 'x', 250);
    assert_parse(text, MIEN_EPARSE, "line 2: longer than 199");
}

static void a_key_stands_once(void **state)
{
    (void)state;
    assert_parse("[round]\ncohort = 30\nrate = 1\ncohort = 31\n", MIEN_EEXIST, "line 4");
}

static void keys_do_not_depend_on_where_the_preset_stands(void **state)
{
    (void)state;
    assert_parse("[round]\ncohort = 33\nmin_reports = 20\n[plan]\npreset = faces16\n", MIEN_OK,
                 NULL);
    assert_int_equal(config.plan.cohort, 33);
    assert_int_equal(config.plan.size, 16);
}

static void ports_must_differ(void **state)
{
    (void)state;
    assert_parse("[listen]\nport = 9000\nenrol_port = 9000\n", MIEN_EINVAL, "must differ");
    assert_parse("[listen]\nport = 9000\nadmin_port = 9001\n", MIEN_EINVAL, "must differ");
}

static void pairs_of_the_command_line_are_judged_alike(void **state)
{
    (void)state;
    struct mien_err err = {0};

    assert_int_equal(mien_config_init("demo", &config, NULL), MIEN_OK);
    assert_int_equal(mien_config_set_pair(&config, "round.cohort", &err), MIEN_EINVAL);
    assert_int_equal(mien_config_set_pair(&config, "=3", &err), MIEN_EINVAL);
    assert_int_equal(mien_config_set_pair(&config, "round.cohrt=3", &err), MIEN_ENOTFOUND);
    assert_int_equal(mien_config_init("demos", &config, &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "demo"));
}

static void the_man_page_has_every_key(void **state)
{
    (void)state;
    struct mien_buf page = {0};
    char line[80];

    assert_int_equal(mien_file_read("docs/man/mien.conf.5", 1 << 20, &page, NULL), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&page, 0), MIEN_OK);
    for (size_t i = 0; i < mien_config_n_keys() + mien_plan_n_keys(); i++) {
        const char *name = i < mien_config_n_keys() ? mien_config_key(i).name
                                                    : mien_plan_key(i - mien_config_n_keys()).name;
        (void)snprintf(line, sizeof(line), "\n.B %s\n", name);
        if (strstr((const char *)page.data, line) == NULL)
            fail_msg("docs/man/mien.conf.5 lacks %s", name);
    }
    mien_buf_fini(&page);
}

static void reading_survives_each_failed_allocation(void **state)
{
    (void)state;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        assert_true(k < 1000);
        mien_mem_fail_at(k);
        status =
            mien_config_parse("mien.conf", "[plan]\nattributes = glasses:0|1\n", &config, NULL);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_the_demo),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_misspelt_key_is_named_with_its_line_and_the_nearest),
        cmocka_unit_test(a_wrong_value_is_named_with_its_line),
        cmocka_unit_test(what_is_no_ini_is_named_with_its_line),
        cmocka_unit_test(a_key_stands_once),
        cmocka_unit_test(keys_do_not_depend_on_where_the_preset_stands),
        cmocka_unit_test(ports_must_differ),
        cmocka_unit_test(pairs_of_the_command_line_are_judged_alike),
        cmocka_unit_test(the_man_page_has_every_key),
        cmocka_unit_test(reading_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
