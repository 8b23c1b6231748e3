// SPDX-License-Identifier: Apache-2.0
#include "common/dp/clip.h"

#include "common/base/rng_seeded.h"
#include "tests/support/test.h"

#include <math.h>

/* Norms spread over two powers of ten, 200 units a round, bits noised with sigma_b = 10 (seed 4):
 * after 60 rounds the clip stays within a tenth of the quantile asked for. */
static void the_clip_finds_the_quantile_under_noise(void **state)
{
    (void)state;
    static const double quantiles[] = {0.2, 0.5, 0.9};
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(4, 0, &seeded), MIEN_OK);
    for (size_t q = 0; q < 3; q++) {
        double clip = q == 1 ? 100.0 : 0.01;
        double log_sum = 0;

        for (int round = 0; round < 160; round++) {
            double within = 0;
            double noise = 0;

            for (int i = 0; i < 200; i++)
                within += pow(10, 2 * (double)mien_rng_seeded_uniform(seeded) - 1) <= clip;
            for (int i = 0; i < 12; i++) /* nearly normal, deviation 1 */
                noise += (double)mien_rng_seeded_uniform(seeded) - 0.5;
            clip = mien_clip_next(clip, (within + 10 * noise) / 200, quantiles[q], 0.2);
            if (round >= 60)
                log_sum += log10(clip);
        }
        /* The quantile of such norms is 10^(2 q - 1). */
        assert_true(fabs((log_sum / 100 + 1) / 2 - quantiles[q]) < 0.1);
    }
    mien_rng_seeded_free(seeded);
}

static void noise_alone_never_breaks_a_clip(void **state)
{
    (void)state;
    double clip = 1.0;

    assert_true(mien_clip_next(2.0, 0.5, 0.5, 0.2) == 2.0);
    assert_true(mien_clip_next(2.0, NAN, 0.5, 0.2) == 2.0);
    assert_true(mien_clip_next(2.0, 1e300, 0.5, 0.2) == mien_clip_next(2.0, 1.0, 0.5, 0.2));
    for (int i = 0; i < 1000; i++)
        clip = mien_clip_next(clip, INFINITY, 0.1, 1.0);
    assert_true(clip == 1e-9);
    for (int i = 0; i < 1000; i++)
        clip = mien_clip_next(clip, -INFINITY, 0.9, 1.0);
    assert_true(clip == 1e9);
}

/* Andrew et al. 2021, theorem 1, turned round: the pair costs z again. */
static void what_the_updates_feel_is_above_what_is_charged(void **state)
{
    (void)state;
    static const double sigma_b[] = {0.6, 1.0, 7.5, 1000.0};

    for (size_t i = 0; i < 4; i++) {
        const double z_delta = mien_clip_update_noise(1.0, sigma_b[i]);
        const double bits = 1 / (4 * sigma_b[i] * sigma_b[i]);

        assert_true(z_delta > 1.0);
        assert_true(fabs(1 / (z_delta * z_delta) + bits - 1) < 1e-12);
    }
    assert_true(mien_clip_update_noise(1.0, 0.5) == 0.0);
    assert_true(mien_clip_update_noise(1.0, 0.4) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clip_finds_the_quantile_under_noise),
        cmocka_unit_test(noise_alone_never_breaks_a_clip),
        cmocka_unit_test(what_the_updates_feel_is_above_what_is_charged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
