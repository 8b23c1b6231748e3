// SPDX-License-Identifier: Apache-2.0
/* Noise that devices add by themselves: in every vector before it leaves, enough in every sum, or
 * nothing is revealed. */
#include "client/noise.h"
#include "group.h"

static struct group g;
static char consent[512];

static void keep_consent(void *self, enum mien_log_level level, const char *line)
{
    (void)level;
    if (strncmp(line, "device.consent", 14) == 0)
        (void)snprintf(consent, sizeof(consent), "%s", line);
    scripted_log(self, level, line);
}

/* A group under this plan, the same from seed to seed: of three, one may collude, so that of four
 * all must survive. */
static void begin(enum mien_plan_noise_by noise_by, double z)
{
    group_init(&g);
    for (uint32_t i = 0; i < GROUP_N; i++) {
        struct scripted *d = &g.device[i];

        d->plan.group_min = 3;
        d->plan.corrupt = 0.33;
        d->plan.noise_multiplier = z;
        d->plan.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
        d->plan.noise_by = noise_by;
        d->config.host.log = keep_consent;
        scripted_use_plan(d);
    }
    assert_int_equal(mien_secagg_params_of_plan(&g.device[0].plan, &g.params, NULL), MIEN_OK);
    consent[0] = '\0';
}

static void end(void)
{
    group_fini(&g);
    assert_int_equal(mien_mem_live(), 0);
}

/* Four devices' vectors with noise less the same without: some 2,000 draws of each, whose variance
 * is right to 5 deviations of a chi-square (once in 10^6 seeds it is not). */
static void every_vector_has_its_share_before_it_is_masked(void **state)
{
    (void)state;
    int32_t *plain[GROUP_N];
    double square = 0.0;
    double mean = 0.0;
    uint32_t n = 0;

    begin(MIEN_PLAN_NOISE_BY_COORDINATOR, 1.0);
    group_ready(&g, 1);
    for (uint32_t i = 0; i < GROUP_N; i++)
        plain[i] = mien_memdup(g.device[i].core->round->vector, g.params.dim * sizeof(int32_t));
    assert_non_null(strstr(consent, "noise_by=coordinator"));
    group_fini(&g);
    begin(MIEN_PLAN_NOISE_BY_DEVICES, 1.0);
    assert_true(g.params.share > 0);
    group_ready(&g, 1);
    assert_non_null(strstr(consent, "noise_by=devices"));
    for (uint32_t i = 0; i < GROUP_N; i++) {
        const int32_t *vector = g.device[i].core->round->vector;

        for (uint32_t j = 0; j < g.params.dim; j++) {
            const double noise = (double)vector[j] - (double)plain[i][j];

            square += noise * noise;
            mean += noise;
            n++;
        }
        mien_free(plain[i]);
    }
    assert_true(n > 1000);
    square /= (double)g.params.share;
    assert_true(fabs(square / n - 1.0) < 5.0 * sqrt(2.0 / n));
    assert_true(fabs(mean) < 5.0 * sqrt((double)g.params.share * n));
    end();
}

static void a_device_with_nothing_to_give_adds_as_much(void **state)
{
    (void)state;
    double square = 0.0;

    begin(MIEN_PLAN_NOISE_BY_DEVICES, 1.0);
    struct scripted *d = &g.device[0];
    d->n_examples = 0;
    scripted_start(d);
    scripted_check_in(d);
    scripted_train(d, 1, 2);
    assert_int_equal(mien_client_core_info(d->core).note, MIEN_CLIENT_NOTE_FEW);
    for (uint32_t j = 0; j < g.params.dim; j++)
        square += (double)d->core->round->vector[j] * (double)d->core->round->vector[j];
    square /= (double)g.params.share * g.params.dim;
    assert_true(fabs(square - 1.0) < 5.0 * sqrt(2.0 / g.params.dim));
    end();
}

static enum mien_status no_bytes(void *self, void *out, size_t n)
{
    (void)self;
    (void)out;
    (void)n;
    return MIEN_ECRYPTO;
}

static void without_a_generator_there_is_no_vector(void **state)
{
    (void)state;
    struct mien_rng broken = {.fill = no_bytes};

    begin(MIEN_PLAN_NOISE_BY_DEVICES, 1.0);
    int32_t *vector = mien_calloc(g.params.dim, sizeof(*vector));
    assert_non_null(vector);
    memset(vector, 1, g.params.dim * sizeof(*vector));
    assert_int_equal(mien_client_add_noise(&g.params, &broken, vector), MIEN_ECRYPTO);
    for (uint32_t j = 0; j < g.params.dim; j++)
        assert_int_equal(vector[j], 0);
    mien_free(vector);
    end();
}

/* What is unmasked is the vectors with their noise, bit by bit: bits leave room for it. */
static void the_sum_is_that_of_the_vectors_with_their_noise(void **state)
{
    (void)state;
    for (int z = 1; z <= 64; z *= 8) {
        struct mien_secagg_blame blame;

        begin(MIEN_PLAN_NOISE_BY_DEVICES, (double)z);
        group_to_slot(&g, 1);
        for (uint32_t i = 0; i < GROUP_N; i++)
            group_upload(&g, i);
        group_close(&g, GROUP_N);
        for (uint32_t i = 0; i < GROUP_N; i++)
            group_reveal(&g, i);
        int64_t *total = mien_calloc(g.params.dim, sizeof(*total));
        assert_non_null(total);
        assert_int_equal(mien_secagg_sum_unmask(g.sum, NULL, total, &blame), MIEN_OK);
        assert_memory_equal(total, g.plain, g.params.dim * sizeof(*total));
        mien_free(total);
        end();
    }
}

/* Three of four are enough for the secure sum, and for noise by the coordinator; of devices' noise
 * one of the three may be known. */
static void survivors_with_too_little_noise_get_nothing(void **state)
{
    (void)state;
    for (int by = 1; by <= 2; by++) {
        begin((enum mien_plan_noise_by)by, 1.0);
        group_to_slot(&g, 1);
        for (uint32_t i = 0; i < GROUP_N - 1; i++)
            group_upload(&g, i);
        assert_int_equal(mien_secagg_sum_close_inputs(g.sum, g.bitmap, g.root), MIEN_OK);
        const struct mien_message survivors = group_survivors(&g);
        scripted_tell(&g.device[0], &survivors);
        if (by == MIEN_PLAN_NOISE_BY_COORDINATOR)
            scripted_expect(&g.device[0], MIEN_FRAME_CONFIRM);
        else
            scripted_expect_refusal(&g.device[0], MIEN_MESSAGE_ERROR_POLICY);
        scripted_expect_silence(&g.device[0]);
        end();
    }
}

static void a_drill_gets_zeros_without_noise(void **state)
{
    (void)state;
    begin(MIEN_PLAN_NOISE_BY_DEVICES, 1.0);
    struct scripted *d = &g.device[0];
    scripted_start(d);
    scripted_check_in(d);
    struct mien_message assign = scripted_assign_for(d, 1, 1, 2, MIEN_MESSAGE_PURPOSE_DRILL);
    scripted_tell(d, &assign);
    scripted_serve(d, 60000);
    scripted_expect(d, MIEN_FRAME_READY);
    for (uint32_t j = 0; j < g.params.dim; j++)
        assert_int_equal(d->core->round->vector[j], 0);
    end();
}

static void assert_floor(double floor, const char *word)
{
    const struct mien_client_limits limits = {.min_device_noise = floor};
    struct mien_err err = {0};
    const enum mien_status status =
        mien_client_guard_noise(&limits, &g.device[0].plan, &g.params, &err);

    assert_int_equal(status, word == NULL ? MIEN_OK : MIEN_EPOLICY);
    if (word != NULL && strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not say %s", err.text, word);
}

static void a_plan_under_the_devices_own_floor_is_refused(void **state)
{
    (void)state;
    begin(MIEN_PLAN_NOISE_BY_DEVICES, 2.0);
    assert_floor(0.0, NULL);
    assert_floor(1.999, NULL);
    assert_floor(2.1, "this device wants 2.1");
    /* A plan that holds everybody for honest is judged with one in twenty who is not: of group_max
     * 8 one, so that two of three shares count. */
    g.device[0].plan.corrupt = 0.0;
    assert_int_equal(mien_secagg_params_of_plan(&g.device[0].plan, &g.params, NULL), MIEN_OK);
    assert_floor(2.0 * sqrt(2.0 / 3.0) - 0.001, NULL);
    assert_floor(2.0 * sqrt(2.0 / 3.0) + 0.001, "this device wants");
    group_fini(&g);
    begin(MIEN_PLAN_NOISE_BY_COORDINATOR, 2.0);
    assert_floor(0.0, NULL);
    assert_floor(0.1, "leaves the noise to the coordinator");
    /* And the device acts on it. */
    struct scripted *d = &g.device[0];
    d->config.limits.min_device_noise = 0.1;
    scripted_start(d);
    scripted_check_in(d);
    struct mien_message assign = scripted_assign(d, 1, 1, 2);
    scripted_tell(d, &assign);
    scripted_serve(d, 60000);
    scripted_expect_refusal(d, MIEN_MESSAGE_ERROR_POLICY);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_has_its_share_before_it_is_masked),
        cmocka_unit_test(a_device_with_nothing_to_give_adds_as_much),
        cmocka_unit_test(without_a_generator_there_is_no_vector),
        cmocka_unit_test(the_sum_is_that_of_the_vectors_with_their_noise),
        cmocka_unit_test(survivors_with_too_little_noise_get_nothing),
        cmocka_unit_test(a_drill_gets_zeros_without_noise),
        cmocka_unit_test(a_plan_under_the_devices_own_floor_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
