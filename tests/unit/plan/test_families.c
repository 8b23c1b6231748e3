// SPDX-License-Identifier: Apache-2.0
/* What the families ask of a plan, what of it travels, and texts as symbols. */
#include "common/plan/preset.h"
#include "common/plan/symbols.h"
#include "tests/support/tiny_plan.h"

#include <math.h>

/* docs/families.md has the same numbers. */
static const struct {
    const char *preset;
    uint64_t n_first;
    uint64_t n_second;
    uint64_t n_shared;
} table[] = {
    {"faces16", 35425, 95395, 130820},
    {"faces32", 42865, 236003, 278868},
    {"demo", 42865, 236003, 42865},
    {"faces32-large", 662977, 1187011, 1849988},
    {"faces64", 175089, 664675, 839764},
    {"digits28", 6556865, 13285217, 6556865},
    {"vae32", 173040, 236003, 409043},
    {"vae32-large", 1707712, 1187011, 2894723},
    {"autoencoder32", 107440, 236003, 343443},
    {"classifier32", 0, 43890, 43890},
    {"charlm", 0, 77825, 77825},
    {"moments32", 165600, 236003, 4096},
};

static void every_preset_has_the_parameters_of_the_table(void **state)
{
    (void)state;
    size_t n_presets = 0;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct mien_plan plan;
        struct mien_plan keeps;

        assert_int_equal(mien_plan_preset(table[i].preset, &plan, NULL), MIEN_OK);
        if (mien_plan_n_parameters(&plan) != table[i].n_first + table[i].n_second ||
            mien_plan_n_shared(&plan) != table[i].n_shared)
            fail_msg("%s: %llu parameters, %llu shared", table[i].preset,
                     (unsigned long long)mien_plan_n_parameters(&plan),
                     (unsigned long long)mien_plan_n_shared(&plan));
        keeps = plan;
        keeps.family = MIEN_FAMILY_VAE;
        keeps.share = MIEN_PLAN_SHARE_DECODER;
        if (mien_plan_validate(&keeps, NULL) == MIEN_OK)
            assert_int_equal(mien_plan_n_private(&keeps), table[i].n_first);
    }
    for (const char *const *name = mien_preset_names(); *name != NULL; name++)
        n_presets++;
    assert_int_equal(n_presets, sizeof(table) / sizeof(table[0]));
}

static void what_has_latents_to_draw_draws(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        const struct mien_plan plan = tiny_plan((enum mien_family)family);
        const bool draws =
            family == MIEN_FAMILY_GAN || family == MIEN_FAMILY_VAE || family == MIEN_FAMILY_MOMENTS;

        assert_true(mien_plan_draws(&plan) == draws);
    }
}

static void the_batch_norm_of_the_papers_networks_counts_the_same(void **state)
{
    (void)state;
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("digits28", &plan, NULL), MIEN_OK);
    assert_null(mien_plan_warning(&plan));
    assert_int_equal(mien_plan_set(&plan, "plan.norm", "batch", NULL), MIEN_OK);
    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_n_shared(&plan), 6556865);
    assert_int_equal(mien_plan_n_parameters(&plan), 6556865 + 13285217);
    assert_non_null(strstr(mien_plan_warning(&plan), "plan.norm = batch"));
    plan.batch = 1;
    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_EINVAL);
}

static void a_decoder_alone_is_shared_from_where_the_encoder_ends(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_VAE);
    const uint64_t n_all = mien_plan_n_shared(&plan);

    assert_int_equal(mien_plan_n_private(&plan), 0);
    assert_int_equal(mien_plan_first_shared(&plan), 0);
    assert_int_equal(mien_plan_set(&plan, "plan.share", "decoder", NULL), MIEN_OK);
    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_first_shared(&plan), mien_plan_n_private(&plan));
    assert_int_equal(mien_plan_n_private(&plan), 3 * 17 + 48 * 4 + 4);
    assert_int_equal(mien_plan_n_shared(&plan) + mien_plan_n_private(&plan), n_all);
    assert_int_equal(mien_plan_n_parameters(&plan), n_all);
}

static void a_mean_embedding_has_each_feature_and_its_square(void **state)
{
    (void)state;
    const struct mien_plan plan = tiny_plan(MIEN_FAMILY_MOMENTS);

    assert_int_equal(mien_plan_n_features(&plan), 2);
    assert_int_equal(mien_plan_n_shared(&plan), 4);
    assert_true(mien_plan_trains_at_coordinator(&plan));
}

static void projection_has_a_weight_for_each_last_feature(void **state)
{
    (void)state;
    struct mien_plan plan = tiny_plan(MIEN_FAMILY_GAN);

    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hat:0|1", NULL), MIEN_OK);
    assert_int_equal(mien_plan_code_width(&plan), 3);
    assert_int_equal(mien_plan_set(&plan, "plan.conditioning", "projection", NULL), MIEN_OK);
    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_code_width(&plan), 48);
}

/* A change of a good plan, and what the refusal must say. */
struct bad {
    enum mien_family family;
    void (*spoil)(struct mien_plan *plan);
    const char *says;
};

static void other_family(struct mien_plan *plan)
{
    plan->family = (enum mien_family)7;
}

static void decoder_of_a_gan(struct mien_plan *plan)
{
    plan->share = MIEN_PLAN_SHARE_DECODER;
}

static void no_share(struct mien_plan *plan)
{
    plan->share = (enum mien_plan_share)0;
}

static void projection_without_a_score(struct mien_plan *plan)
{
    plan->conditioning = MIEN_CONDITIONING_PROJECTION;
}

static void no_norm(struct mien_plan *plan)
{
    plan->norm = (enum mien_norm)3;
}

static void two_labels(struct mien_plan *plan)
{
    assert_int_equal(mien_plan_set(plan, "plan.attributes", "hat:0|1, glasses:0|1", NULL), MIEN_OK);
}

static void a_label_that_is_a_number(struct mien_plan *plan)
{
    assert_int_equal(mien_plan_set(plan, "plan.attributes", "age:0..9", NULL), MIEN_OK);
}

static void a_first_network(struct mien_plan *plan)
{
    plan->n_d_layers = 1;
    plan->d_layers[0] = plan->g_layers[0];
}

static void an_encoder_that_is_too_narrow(struct mien_plan *plan)
{
    plan->latent = 7;
}

static void scores_that_are_too_few(struct mien_plan *plan)
{
    plan->g_layers[5].channels = 3;
}

static void a_pool_that_is_too_large(struct mien_plan *plan)
{
    plan->g_layers[2].kernel = 17;
}

static void a_pool_that_does_not_divide(struct mien_plan *plan)
{
    plan->g_layers[3].kernel = 3;
}

static void no_text(struct mien_plan *plan)
{
    plan->text_length = 1;
}

static void a_text_without_end(struct mien_plan *plan)
{
    plan->text_length = UINT32_MAX;
}

static void symbols_that_are_too_few(struct mien_plan *plan)
{
    plan->g_layers[2].channels = 96;
}

static void a_second_embedding(struct mien_plan *plan)
{
    plan->g_layers[1].kind = MIEN_LAYER_EMBED;
}

static void a_recurrent_layer_on_pictures(struct mien_plan *plan)
{
    plan->g_layers[0] = (struct mien_layer){.kind = MIEN_LAYER_GRU, .channels = 4};
}

static void a_recurrent_layer_without_end(struct mien_plan *plan)
{
    plan->g_layers[1].channels = UINT32_MAX;
}

static void pictures_in_the_mean(struct mien_plan *plan)
{
    plan->n_d_layers = 2;
}

static void attributes_in_the_mean(struct mien_plan *plan)
{
    assert_int_equal(mien_plan_set(plan, "plan.attributes", "hat:0|1", NULL), MIEN_OK);
}

static void a_divergence_of_nan(struct mien_plan *plan)
{
    plan->kl_weight = NAN;
}

static const struct bad bad[] = {
    {MIEN_FAMILY_GAN, other_family, "plan.family"},
    {MIEN_FAMILY_GAN, decoder_of_a_gan, "plan.share"},
    {MIEN_FAMILY_VAE, no_share, "plan.share"},
    {MIEN_FAMILY_VAE, projection_without_a_score, "plan.conditioning"},
    {MIEN_FAMILY_VAE, no_norm, "plan.norm"},
    {MIEN_FAMILY_VAE, an_encoder_that_is_too_narrow, "encoder ends at 4 numbers, not 14"},
    {MIEN_FAMILY_AUTOENCODER, an_encoder_that_is_too_narrow, "encoder ends at 2 numbers, not 7"},
    {MIEN_FAMILY_VAE, a_divergence_of_nan, "plan.kl_weight"},
    {MIEN_FAMILY_CLASSIFIER, two_labels, "plan.attributes"},
    {MIEN_FAMILY_CLASSIFIER, a_label_that_is_a_number, "plan.attributes"},
    {MIEN_FAMILY_CLASSIFIER, a_first_network, "one network, not two"},
    {MIEN_FAMILY_CLASSIFIER, scores_that_are_too_few, "classifier ends at 0 x 0 x 3"},
    {MIEN_FAMILY_CLASSIFIER, a_pool_that_is_too_large, "layer 2: a pool of kernel 17"},
    {MIEN_FAMILY_CLASSIFIER, a_pool_that_does_not_divide, "layer 3: a pool of kernel 3"},
    {MIEN_FAMILY_CLASSIFIER, a_recurrent_layer_on_pictures, "layer 0: a recurrent layer"},
    {MIEN_FAMILY_CHARLM, no_text, "plan.text_length"},
    {MIEN_FAMILY_CHARLM, a_text_without_end, "plan.text_length"},
    {MIEN_FAMILY_CHARLM, symbols_that_are_too_few, "language model ends at 6 x 1 x 96"},
    {MIEN_FAMILY_CHARLM, a_second_embedding, "layer 1: an embedding"},
    {MIEN_FAMILY_CHARLM, a_recurrent_layer_without_end, "layer 1: a recurrent layer of 4294967295"},
    {MIEN_FAMILY_MOMENTS, pictures_in_the_mean, "encoder ends at 4 x 4 x 3, which is not flat"},
    {MIEN_FAMILY_MOMENTS, attributes_in_the_mean, "plan.attributes"},
};

static void a_plan_that_does_not_fit_its_family_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mien_plan plan = tiny_plan(bad[i].family);
        struct mien_err err = {0};

        bad[i].spoil(&plan);
        assert_true(mien_plan_validate(&plan, &err) != MIEN_OK);
        if (strstr(err.text, bad[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].says);
    }
}

static void a_classifier_is_as_wide_as_its_label(void **state)
{
    (void)state;
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("classifier32", &plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_set(&plan, "plan.attributes", "hair:black|brown|gray", NULL),
                     MIEN_OK);
    assert_int_equal(mien_plan_validate(&plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_condition_size(&plan), 0);
    assert_int_equal(mien_plan_code_size(&plan), 4);
}

static void a_text_is_begun_ended_and_cut(void **state)
{
    (void)state;
    const float short_text[6] = {0, 34, 35, 0, -1, -1};
    const float long_text[6] = {0, 34, 35, 36, 37, 38};
    const float foreign[6] = {0, 96, 1, 96, 95, 0};
    float symbols[6];

    assert_true(mien_symbols_of("AB", 5, symbols));
    assert_memory_equal(symbols, short_text, sizeof(symbols));
    assert_true(mien_symbols_of("ABCDEFGHI", 5, symbols));
    assert_memory_equal(symbols, long_text, sizeof(symbols));
    assert_true(mien_symbols_of("\xc3\xa4 \n~", 5, symbols));
    assert_memory_equal(symbols, foreign, sizeof(symbols));
    assert_false(mien_symbols_of("", 5, symbols));
}

static void symbols_are_the_characters_they_came_from(void **state)
{
    (void)state;
    char text[2] = {0};
    float symbols[3];

    for (int c = ' '; c <= '~'; c++) {
        text[0] = (char)c;
        assert_true(mien_symbols_of(text, 2, symbols));
        assert_int_equal(mien_symbol_char((uint32_t)symbols[1]), c);
    }
    assert_int_equal(mien_symbol_char(MIEN_SYMBOL_END), '\0');
    assert_int_equal(mien_symbol_char(MIEN_SYMBOL_OTHER), '?');
    assert_int_equal(mien_symbol_char(MIEN_PLAN_N_SYMBOLS), '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_has_the_parameters_of_the_table),
        cmocka_unit_test(what_has_latents_to_draw_draws),
        cmocka_unit_test(the_batch_norm_of_the_papers_networks_counts_the_same),
        cmocka_unit_test(a_decoder_alone_is_shared_from_where_the_encoder_ends),
        cmocka_unit_test(a_mean_embedding_has_each_feature_and_its_square),
        cmocka_unit_test(projection_has_a_weight_for_each_last_feature),
        cmocka_unit_test(a_plan_that_does_not_fit_its_family_is_refused_by_name),
        cmocka_unit_test(a_classifier_is_as_wide_as_its_label),
        cmocka_unit_test(a_text_is_begun_ended_and_cut),
        cmocka_unit_test(symbols_are_the_characters_they_came_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
