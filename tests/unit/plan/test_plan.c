// SPDX-License-Identifier: Apache-2.0
#include "common/plan/keys.h"
#include "common/plan/preset.h"
#include "common/plan/sampling.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static void presets_have_the_parameters_their_documents_say(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t n;
    } known[] = {
        {"faces32", 42865 + 236003},
        {"demo", 42865 + 236003},
        {"faces32-large", 662977 + 1187011},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct mien_plan plan;

        assert_int_equal(mien_plan_preset(known[i].name, &plan, NULL), MIEN_OK);
        assert_int_equal(mien_plan_n_parameters(&plan), known[i].n);
    }
}

static void every_preset_is_valid(void **state)
{
    (void)state;
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        struct mien_plan plan;
        struct mien_err err = {0};

        assert_int_equal(mien_plan_preset(*name, &plan, &err), MIEN_OK);
        if (mien_plan_validate(&plan, &err) != MIEN_OK)
            fail_msg("%s: %s", *name, err.text);
    }
}

static void every_key_comes_back_as_text(void **state)
{
    (void)state;
    struct mien_plan plan;
    struct mien_plan again;

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "glasses:0|1, age:0..100", NULL),
                     MIEN_OK);
    again = plan;
    for (size_t i = 0; i < mien_plan_n_keys(); i++) {
        struct mien_buf text = {0};
        const char *name = mien_plan_key(i).name;

        assert_non_null(mien_plan_key(i).help);
        assert_int_equal(mien_plan_get(&plan, name, &text), MIEN_OK);
        assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
        assert_int_equal(mien_plan_set(&again, name, (const char *)text.data, NULL), MIEN_OK);
        mien_buf_fini(&text);
    }
    assert_memory_equal(&plan, &again, sizeof(plan));
}

static void a_misspelt_key_is_told_the_nearest(void **state)
{
    (void)state;
    struct mien_plan plan;
    struct mien_err err = {0};

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "round.cohrt", "3", &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "round.cohort"));
    assert_int_equal(mien_plan_set(&plan, "round.cohort", "many", &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "round.cohort"));
    assert_int_equal(mien_plan_set(&plan, "plan.loss", "hing", &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "hinge"));
    assert_int_equal(mien_plan_preset("face32", &plan, &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "faces32"));
}

static void values_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        {"plan.local_steps", "0", "local_steps"},
        {"plan.batch", "1000", "batch"},
        {"round.rate", "0", "round.rate"},
        {"round.rate", "1.5", "round.rate"},
        {"round.cohort", "1", "round.cohort"},
        {"round.min_reports", "1000", "min_reports"},
        {"secure_sum.bits", "11", "bits"},
        {"secure_sum.group_max", "5", "group_m"},
        {"privacy.clip", "0", "privacy.clip"},
        {"privacy.noise_multiplier", "-1", "noise"},
        {"privacy.delta", "0.5", "delta"},
        {"privacy.sampling", "none", "round.rate"},
        {"privacy.sampling", "fixed", "round.population"},
        {"privacy.sampling", "poisson-capped", "round.cap"},
        {"round.cap", "200", "round.cap"},
        {"plan.ema", "1", "ema"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_plan plan;
        struct mien_err err = {0};

        assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
        assert_int_equal(mien_plan_set(&plan, bad[i][0], bad[i][1], NULL), MIEN_OK);
        assert_true(mien_plan_validate(&plan, &err) != MIEN_OK);
        if (strstr(err.text, bad[i][2]) == NULL)
            fail_msg("%s = %s: %s", bad[i][0], bad[i][1], err.text);
    }
}

/* A plan whose noise is correlated and that holds together. */
static struct mien_plan correlated_plan(const char *strategy)
{
    struct mien_plan plan;
    static const char *const keys[][2] = {{"round.rate", "1"},
                                          {"privacy.sampling", "none"},
                                          {"privacy.min_separation", "10"},
                                          {"privacy.max_participations", "5"}};

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(mien_plan_set(&plan, keys[i][0], keys[i][1], NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "privacy.strategy", strategy, NULL), MIEN_OK);
    return plan;
}

/* One sentence for each combination that has no proof. */
static void correlated_noise_is_refused_where_it_has_no_proof(void **state)
{
    (void)state;
    static const char *const strategies[] = {"independent", "tree", "banded", "blt"};
    static const char *const bad[][3] = {
        {"privacy.sampling", "poisson", "privacy.sampling = none"},
        {"privacy.mechanism", "discrete_gaussian", "rounded_gaussian"},
        {"privacy.min_separation", "0", "privacy.min_separation"},
        {"privacy.max_participations", "0", "privacy.max_participations"},
        {"privacy.noise_multiplier", "0", "no noise"},
        {"privacy.clip_quantile", "0.5", "privacy.clip_quantile"},
        {"round.rounds", "5000", "round.rounds"},
    };
    struct mien_err err = {0};

    for (size_t i = 0; i < 4; i++) {
        const struct mien_plan plan = correlated_plan(strategies[i]);

        assert_int_equal(mien_plan_validate(&plan, &err), MIEN_OK);
        assert_int_equal(mien_plan_fleet(&plan), 150 * 50);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_plan plan = correlated_plan("blt");

        assert_int_equal(mien_plan_set(&plan, bad[i][0], bad[i][1], NULL), MIEN_OK);
        assert_true(mien_plan_validate(&plan, &err) != MIEN_OK);
        if (strstr(err.text, bad[i][2]) == NULL)
            fail_msg("%s = %s: %s", bad[i][0], bad[i][1], err.text);
    }
    /* Limits of taking part alone: not beside coins. */
    struct mien_plan plan = correlated_plan("independent");
    plan.sampling = MIEN_PLAN_POISSON;
    assert_int_equal(mien_plan_validate(&plan, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "coins"));
}

static void networks_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct mien_plan good;
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces32", &good, NULL), MIEN_OK);
    plan = good;
    plan.n_d_layers--; /* no dense layer at the end */
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
    plan = good;
    plan.n_g_layers = 0;
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
    plan = good;
    plan.d_layers[0].kernel = 0;
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
    plan = good;
    plan.g_layers[1].height = 5;
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
    plan = good;
    plan.d_layers[0].kind = (enum mien_layer_kind)99;
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
    plan = good;
    plan.g_layers[0].channels = UINT32_MAX;
    assert_true(mien_plan_validate(&plan, NULL) != MIEN_OK);
}

static const char *glasses_and_age(void *self, const char *name)
{
    (void)self;
    if (strcmp(name, "glasses") == 0)
        return "1";
    return strcmp(name, "age") == 0 ? "75" : NULL;
}

static void a_code_is_one_hot_with_a_place_for_unknown(void **state)
{
    (void)state;
    struct mien_plan plan;
    float code[9];
    static const float want[9] = {0, 1, 0, 0.5f, 1, 0, 0, 0, 1};
    static const float unknown[9] = {0, 0, 1, 0, 0, 0, 0, 0, 1};

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "plan.attributes",
                                   "glasses:0|1, age:0..100, hair:black|blond|red", NULL),
                     MIEN_OK);
    assert_int_equal(mien_plan_code_size(&plan), 9);
    mien_plan_code(&plan, glasses_and_age, NULL, code);
    assert_memory_equal(code, want, sizeof(want));
    mien_plan_code(&plan, NULL, NULL, code);
    assert_memory_equal(code, unknown, sizeof(unknown));
    /* 9 numbers into 2048 units of G and 16 maps of D. */
    assert_int_equal(mien_plan_n_parameters(&plan), 42865 + 236003 + 9 * 2048 + 9 * 16);
}

static void a_vocabulary_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"glasses", "glasses:", ":a|b",     "a:b||c",
                                      "a:5..1",  "a:x..y",   "a:b|c,,d", "a:1..2..3"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_plan plan;
        struct mien_plan before;
        struct mien_err err = {0};

        assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
        before = plan;
        assert_int_equal(mien_plan_set(&plan, "plan.attributes", bad[i], &err), MIEN_EPARSE);
        assert_non_null(strstr(err.text, "plan.attributes"));
        assert_memory_equal(&plan, &before, sizeof(plan));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_have_the_parameters_their_documents_say),
        cmocka_unit_test(every_preset_is_valid),
        cmocka_unit_test(every_key_comes_back_as_text),
        cmocka_unit_test(a_misspelt_key_is_told_the_nearest),
        cmocka_unit_test(values_out_of_range_are_refused_by_name),
        cmocka_unit_test(correlated_noise_is_refused_where_it_has_no_proof),
        cmocka_unit_test(networks_that_do_not_fit_are_refused),
        cmocka_unit_test(a_code_is_one_hot_with_a_place_for_unknown),
        cmocka_unit_test(a_vocabulary_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
