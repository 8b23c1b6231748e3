// SPDX-License-Identifier: Apache-2.0
#include "common/wire/vector.h"

#include "common/plan/preset.h"
#include "common/wire/message.h"
#include "tests/support/test.h"

#include <math.h>

static void every_preset_has_a_vector_that_the_wire_carries(void **state)
{
    (void)state;
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        struct mien_plan plan;
        struct mien_secagg_params params;
        struct mien_err err = {0};

        assert_int_equal(mien_plan_preset(*name, &plan, &err), MIEN_OK);
        assert_int_equal(mien_secagg_params_of_plan(&plan, &params, &err), MIEN_OK);
        assert_int_equal(params.n_update, mien_plan_n_shared(&plan));
        assert_int_equal(params.dim, params.n_update + MIEN_N_METRICS);
        assert_int_equal(params.n_max, plan.group_max);
        assert_in_range(params.bits, 12, 32);
        assert_true(mien_secagg_packed_bytes(params.dim, params.bits) <= MIEN_MESSAGE_INPUT_BYTES);
    }
}

static void a_rotated_vector_has_fewer_bits_and_the_same_clip(void **state)
{
    (void)state;
    struct mien_plan plan;
    struct mien_secagg_params plain;
    struct mien_secagg_params rotated;

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    plan.bits = 0;
    assert_int_equal(mien_secagg_params_of_plan(&plan, &plain, NULL), MIEN_OK);
    plan.rotate = MIEN_PLAN_ROTATED;
    assert_int_equal(mien_secagg_params_of_plan(&plan, &rotated, NULL), MIEN_OK);
    const uint64_t bytes = mien_secagg_packed_bytes(rotated.dim, rotated.bits);
    assert_true(rotated.dim >= plain.dim && rotated.dim < 2 * plain.dim);
    assert_true(rotated.bits + 4 <= plain.bits);
    assert_true(rotated.scale * plan.clip >= 15.999 * sqrt(rotated.dim));
    /* As plans of before meant it. */
    plan.rotate = MIEN_PLAN_ROTATED_FILLED;
    assert_int_equal(mien_secagg_params_of_plan(&plan, &rotated, NULL), MIEN_OK);
    assert_true(mien_secagg_packed_bytes(rotated.dim, rotated.bits) >= bytes);
    assert_int_equal(rotated.dim & (rotated.dim - 1), 0);
    assert_true(rotated.dim >= plain.dim && rotated.dim < 2 * plain.dim);
    assert_true(rotated.bits + 4 <= plain.bits);
    /* N is at least 16 sqrt(d), d with what was filled in. */
    assert_true(rotated.scale * plan.clip >= 15.999 * sqrt(rotated.dim));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_has_a_vector_that_the_wire_carries),
        cmocka_unit_test(a_rotated_vector_has_fewer_bits_and_the_same_clip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
