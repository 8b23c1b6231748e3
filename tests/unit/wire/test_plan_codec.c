// SPDX-License-Identifier: Apache-2.0
#include "common/wire/plan_codec.h"

#include "common/base/mem.h"
#include "common/plan/keys.h"
#include "common/plan/preset.h"
#include "common/wire/message.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct mien_plan preset(const char *name)
{
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset(name, &plan, NULL), MIEN_OK);
    return plan;
}

static struct mien_buf encoded(const struct mien_plan *plan)
{
    struct mien_buf out = {0};

    assert_int_equal(mien_plan_encode(plan, &out), MIEN_OK);
    return out;
}

static void every_preset_comes_back_the_same(void **state)
{
    (void)state;
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        struct mien_plan in = preset(*name);
        struct mien_plan out;
        struct mien_buf first = encoded(&in);
        struct mien_err err = {0};

        assert_int_equal(mien_plan_decode(mien_buf_span(&first), &out, &err), MIEN_OK);

        struct mien_buf second = encoded(&out);

        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        assert_int_equal(out.n_g_layers, in.n_g_layers);
        for (uint32_t k = 0; k < in.n_g_layers; k++)
            assert_int_equal(out.g_layers[k].kind, in.g_layers[k].kind);
        mien_buf_fini(&first);
        mien_buf_fini(&second);
    }
}

static void every_key_reaches_the_other_side(void **state)
{
    (void)state;
    struct mien_plan in = preset("demo");
    struct mien_plan out;
    struct mien_buf bytes = encoded(&in);

    assert_int_equal(mien_plan_decode(mien_buf_span(&bytes), &out, NULL), MIEN_OK);
    for (size_t i = 0; i < mien_plan_n_keys(); i++) {
        const char *key = mien_plan_key(i).name;
        struct mien_buf a = {0};
        struct mien_buf b = {0};

        assert_int_equal(mien_plan_get(&in, key, &a), MIEN_OK);
        assert_int_equal(mien_plan_get(&out, key, &b), MIEN_OK);
        assert_int_equal(a.len, b.len);
        if (a.len > 0)
            assert_memory_equal(a.data, b.data, a.len);
        mien_buf_fini(&a);
        mien_buf_fini(&b);
    }
    mien_buf_fini(&bytes);
}

/* Fields that plans did not always have: absent is what was so before. */
static void a_strategy_and_its_limits_reach_the_other_side(void **state)
{
    (void)state;
    struct mien_plan in = preset("demo");
    struct mien_plan out;
    struct mien_buf plain = encoded(&in);

    assert_int_equal(mien_plan_decode(mien_buf_span(&plain), &out, NULL), MIEN_OK);
    assert_int_equal(out.strategy, MIEN_PLAN_INDEPENDENT);
    in.strategy = MIEN_PLAN_BANDED;
    in.min_separation = 7;
    in.max_participations = 300;
    struct mien_buf bytes = encoded(&in);
    assert_int_equal(bytes.len, plain.len + 3 + 3 + 4); /* tags of two bytes, 2, 7, 300 */
    assert_int_equal(mien_plan_decode(mien_buf_span(&bytes), &out, NULL), MIEN_OK);
    assert_int_equal(out.strategy, MIEN_PLAN_BANDED);
    assert_int_equal(out.min_separation, 7);
    assert_int_equal(out.max_participations, 300);
    mien_buf_fini(&bytes);
    mien_buf_fini(&plain);
}

static void the_fullest_plan_fits(void **state)
{
    (void)state;
    struct mien_plan plan = preset("demo");
    struct mien_plan out;
    struct mien_err err = {0};

    plan.n_attributes = MIEN_PLAN_MAX_ATTRIBUTES;
    for (int a = 0; a < MIEN_PLAN_MAX_ATTRIBUTES; a++) {
        struct mien_attribute *attribute = &plan.attributes[a];

        memset(attribute, 0, sizeof(*attribute));
        snprintf(attribute->name, sizeof(attribute->name), "attribute_%021d", a);
        attribute->n_values = MIEN_PLAN_MAX_VALUES;
        for (int v = 0; v < MIEN_PLAN_MAX_VALUES; v++)
            snprintf(attribute->value[v], sizeof(attribute->value[v]), "value_%025d", v);
    }
    assert_int_equal(mien_plan_validate(&plan, &err), MIEN_OK);

    struct mien_buf bytes = encoded(&plan);

    assert_true(bytes.len <= MIEN_MESSAGE_PLAN_BYTES);
    assert_int_equal(mien_plan_decode(mien_buf_span(&bytes), &out, NULL), MIEN_OK);
    assert_string_equal(out.attributes[15].value[15], plan.attributes[15].value[15]);
    mien_buf_fini(&bytes);
}

static void a_change_of_any_number_changes_the_fingerprint(void **state)
{
    (void)state;
    struct mien_plan plan = preset("demo");
    uint8_t before[32];
    uint8_t after[32];

    assert_int_equal(mien_plan_fingerprint(&plan, before), MIEN_OK);
    assert_int_equal(mien_plan_fingerprint(&plan, after), MIEN_OK);
    assert_memory_equal(before, after, 32);
    plan.clip = nextafter(plan.clip, 100);
    assert_int_equal(mien_plan_fingerprint(&plan, after), MIEN_OK);
    assert_memory_not_equal(before, after, 32);
    plan = preset("demo");
    plan.noise_multiplier = nextafter(plan.noise_multiplier, 100);
    assert_int_equal(mien_plan_fingerprint(&plan, after), MIEN_OK);
    assert_memory_not_equal(before, after, 32);
}

static bool holds(const struct mien_buf *bytes, const uint8_t *part, size_t n)
{
    for (size_t at = 0; at + n <= bytes->len; at++) {
        if (memcmp(bytes->data + at, part, n) == 0)
            return true;
    }
    return false;
}

/* Field 80 was a yes or no: what was yes then is "filled" now, the bytes are the same. */
static void plans_that_rotated_before_keep_their_meaning(void **state)
{
    (void)state;
    static const uint8_t yes_then[] = {0x80, 0x05, 0x01};
    static const uint8_t yes_now[] = {0x80, 0x05, 0x02};
    struct mien_plan plan;
    struct mien_plan again;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    for (int rotate = MIEN_PLAN_UNROTATED; rotate <= MIEN_PLAN_ROTATED; rotate++) {
        struct mien_buf bytes = {0};

        plan.rotate = (enum mien_plan_rotate)rotate;
        assert_int_equal(mien_plan_encode(&plan, &bytes), MIEN_OK);
        assert_int_equal(holds(&bytes, yes_then, 3), rotate == MIEN_PLAN_ROTATED_FILLED);
        assert_int_equal(holds(&bytes, yes_now, 3), rotate == MIEN_PLAN_ROTATED);
        assert_int_equal(mien_plan_decode(mien_buf_span(&bytes), &again, NULL), MIEN_OK);
        assert_int_equal(again.rotate, rotate);
        mien_buf_fini(&bytes);
    }
}

static void what_has_no_spelling_is_not_encoded(void **state)
{
    (void)state;
    struct mien_plan plan = preset("demo");
    struct mien_buf out = {0};

    plan.clip = NAN;
    assert_int_equal(mien_plan_encode(&plan, &out), MIEN_EINVAL);
    plan = preset("demo");
    plan.r1_gamma = -0.0;
    enum mien_status status = mien_plan_encode(&plan, &out);

    /* Minus zero: protobuf either leaves it out like zero, or it is refused; never spelled. */
    if (status == MIEN_OK)
        assert_int_equal(mien_plan_decode(mien_buf_span(&out), &plan, NULL), MIEN_OK);
    mien_buf_fini(&out);
}

static void flips_and_cuts_are_refused_or_spelled_the_same(void **state)
{
    (void)state;
    struct mien_plan plan = preset("faces32");
    struct mien_buf bytes = encoded(&plan);
    struct mien_plan out;

    for (size_t n = 0; n < bytes.len; n++)
        (void)!mien_plan_decode((struct mien_span){bytes.data, n}, &out, NULL);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (mien_plan_decode(mien_buf_span(&bytes), &out, NULL) == MIEN_OK) {
            struct mien_buf again = encoded(&out);

            assert_int_equal(again.len, bytes.len);
            assert_memory_equal(again.data, bytes.data, bytes.len);
            mien_buf_fini(&again);
        }
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    mien_buf_fini(&bytes);
}

static void decoding_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_plan plan = preset("demo");
    struct mien_buf bytes = encoded(&plan);
    struct mien_plan out;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = mien_plan_decode(mien_buf_span(&bytes), &out, NULL);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
    mien_mem_fail_at(-1);
    mien_buf_fini(&bytes);
    assert_int_equal(mien_mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_comes_back_the_same),
        cmocka_unit_test(every_key_reaches_the_other_side),
        cmocka_unit_test(a_strategy_and_its_limits_reach_the_other_side),
        cmocka_unit_test(the_fullest_plan_fits),
        cmocka_unit_test(a_change_of_any_number_changes_the_fingerprint),
        cmocka_unit_test(plans_that_rotated_before_keep_their_meaning),
        cmocka_unit_test(what_has_no_spelling_is_not_encoded),
        cmocka_unit_test(flips_and_cuts_are_refused_or_spelled_the_same),
        cmocka_unit_test(decoding_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
