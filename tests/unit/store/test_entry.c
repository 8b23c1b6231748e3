// SPDX-License-Identifier: Apache-2.0
#include "server/store/entry.h"

#include "tests/unit/store/entry_samples.h"

#include "common/dp/strategy.h"

static void encode(const struct mien_entry *entry, struct mien_buf *out)
{
    assert_int_equal(mien_entry_encode(entry, out), MIEN_OK);
}

static void every_kind_comes_back_in_the_same_bytes(void **state)
{
    (void)state;
    for (int kind = 1; kind < MIEN_ENTRY_KIND_END; kind++) {
        struct mien_entry entry = entry_of((enum mien_entry_kind)kind);
        struct mien_entry back;
        struct mien_buf bytes = {0};
        struct mien_buf again = {0};

        encode(&entry, &bytes);
        assert_int_equal(mien_entry_decode(mien_buf_span(&bytes), &back, NULL), MIEN_OK);
        encode(&back, &again);
        assert_int_equal(bytes.len, again.len);
        assert_memory_equal(bytes.data, again.data, bytes.len);
        assert_int_equal(back.kind, kind);
        assert_int_equal(back.seq, 17);
        mien_buf_fini(&bytes);
        mien_buf_fini(&again);
    }
}

static void the_bytes_are_those_of_the_document(void **state)
{
    (void)state;
    /* docs/file-formats.md, "An entry" */
    static const uint8_t abandon[] = {
        'M', 'L', 'E', '2',                  /* magic */
        8,                                   /* ABANDON */
        0,   0,   0,   0,   0,   0,   0, 3,  /* epoch */
        0,   0,   0,   0,   0,   0,   0, 17, /* seq */
        5,   '0', '.', '1', '.', '0',        /* software */
        0,   0,   0,   0,   0,   0,   0, 2,  /* round */
        0,   0,   0,   1,                    /* attempt */
        1,                                   /* charged */
    };
    static const uint8_t mechanism[] = {
        1,    1,    1,    1,    2, /* kind, relation, unit, noise by, sampling */
        0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a, /* rate 0.1 */
        0,    0,    0,    0,    0,    0,    0x03, 0xe8, /* B 1000 */
        0,    0,    0,    0,    0,    0x3d, 0x09, 0x00, /* sigma^2 4000000 */
        0,    0,    0,    0,    0,    0,    0,    1,    /* over 1 */
        0,    0,    0,    0,    0,    0,    0,    10,   /* coordinates */
        0,    0,    0,    0,    0,    0,    0,    0,    /* population: not stated */
        0,    0,    0,    20,                           /* cohort */
        0,    0,    0,    3,                            /* min_reports */
        0,    0,    0,    0,                            /* no cap */
        0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a, /* drop-out 0.1 */
        0,    0,    0,    1,                            /* separation */
        0,    0,    0,    0,                            /* participations: no limit */
        0,    0,    0,    0,    0,    0,    0,    0,    /* strategy: none */
        0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,
        0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,
    };
    struct mien_entry entry = entry_of(MIEN_ENTRY_ABANDON);
    struct mien_buf bytes = {0};

    encode(&entry, &bytes);
    assert_int_equal(bytes.len, sizeof(abandon));
    assert_memory_equal(bytes.data, abandon, sizeof(abandon));
    bytes.len = 0;
    entry = entry_of(MIEN_ENTRY_RESERVE);
    encode(&entry, &bytes);
    assert_int_equal(bytes.len, 27 + 12 + sizeof(mechanism) + 32);
    assert_memory_equal(bytes.data + 27 + 12, mechanism, sizeof(mechanism));
    mien_buf_fini(&bytes);
}

static void a_cut_or_longer_entry_is_refused(void **state)
{
    (void)state;
    struct mien_entry entry = entry_of(MIEN_ENTRY_RESERVE);
    struct mien_entry back;
    struct mien_buf bytes = {0};

    encode(&entry, &bytes);
    for (size_t n = 0; n < bytes.len; n++)
        assert_int_equal(mien_entry_decode((struct mien_span){bytes.data, n}, &back, NULL),
                         MIEN_EPARSE);
    assert_int_equal(mien_buf_append_u8(&bytes, 0), MIEN_OK);
    assert_int_equal(mien_entry_decode(mien_buf_span(&bytes), &back, NULL), MIEN_EPARSE);
    mien_buf_fini(&bytes);
}

static void fields_out_of_range_have_no_bytes(void **state)
{
    (void)state;
    struct mien_buf bytes = {0};
    struct mien_entry entry = entry_of(MIEN_ENTRY_PLAN);

    entry.plan.delta = 0.0;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_PLAN);
    entry.plan.mechanism.rate = NAN;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_PLAN);
    entry.plan.mechanism.sampling = MIEN_SAMPLING_NONE; /* with a rate of 0.1 */
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_RESERVE);
    entry.reserve.mechanism.bound = 0;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_RESERVE);
    entry.reserve.mechanism.sigma2_den = 2; /* not in lowest terms */
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_RESERVE);
    entry.reserve.mechanism.sigma2_num = 3999999; /* no square */
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_RESERVE);
    entry.reserve.mechanism.strategy[31] = 1;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_RESERVE);
    entry.reserve.mechanism.separation = 0;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    entry = entry_of(MIEN_ENTRY_ROUND_OPEN);
    entry.round_open.round = 0;
    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    assert_int_equal(bytes.len, 0);
}

static void an_entry_of_the_first_format_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct mien_entry entry = entry_of(MIEN_ENTRY_ABANDON);
    struct mien_entry back;
    struct mien_err err = {0};
    struct mien_buf bytes = {0};

    encode(&entry, &bytes);
    bytes.data[3] = '1';
    assert_int_equal(mien_entry_decode(mien_buf_span(&bytes), &back, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "this version of mien reads"));
    mien_buf_fini(&bytes);
}

static void noise_is_never_counted_as_more_than_it_is(void **state)
{
    (void)state;
    struct mien_mechanism m = fixture_plan().mechanism;

    for (uint64_t sigma = 1; sigma < 3000; sigma += 7) {
        m.sigma2_num = sigma * sigma;
        m.bound = 3000 - sigma;
        struct mien_dp_event event = mien_mechanism_event(&m, 5);
        assert_true((long double)event.noise * (long double)m.bound <= (long double)sigma);
        assert_true(event.noise * (1.0 + 1e-15) >= (double)sigma / (double)m.bound);
        assert_int_equal(event.count, 5);
    }
}

/* Losses of the discrete Gaussian are those of no continuous one: bounds count, and no PLD. */
static void the_discrete_gaussian_is_charged_by_bounds_that_hold_for_it(void **state)
{
    (void)state;
    struct mien_mechanism m = fixture_plan().mechanism;
    const struct mien_dp_event rounded = mien_mechanism_event(&m, 5);
    struct mien_dp_cost of_rounded;
    struct mien_dp_cost of_discrete;

    m.kind = MIEN_MECHANISM_DISCRETE_GAUSSIAN;
    const struct mien_dp_event discrete = mien_mechanism_event(&m, 5);
    assert_int_equal(discrete.kind, MIEN_DP_DISCRETE_GAUSSIAN);
    assert_int_equal(mien_dp_account(&rounded, 1, 1e-5, &of_rounded, NULL), MIEN_OK);
    assert_int_equal(mien_dp_account(&discrete, 1, 1e-5, &of_discrete, NULL), MIEN_OK);
    assert_true(of_discrete.pld == MIEN_DP_NOT_VALID);
    assert_true(of_discrete.gaussian == MIEN_DP_NOT_VALID);
    assert_true(of_discrete.epsilon >= of_rounded.epsilon);
    assert_true(of_discrete.epsilon_witness > of_rounded.epsilon_witness);
}

/* From the entry's fields alone: the table of the digest, its sensitivity after t releases. */
static void a_run_of_correlated_noise_is_charged_by_its_table(void **state)
{
    (void)state;
    const struct mien_mechanism m = fixture_correlated().mechanism;
    const struct mien_strategy_limits limits[] = {{1, 2, 3}, {2, 2, 3}, {3, 2, 3}, {10, 2, 3}};
    struct mien_strategy_table table;
    double last = INFINITY;

    assert_int_equal(mien_strategy_table_make(MIEN_STRATEGY_BANDED, 2, &table), MIEN_OK);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct mien_dp_event event = mien_mechanism_event(&m, limits[i].rounds);
        double squared = 0.0;

        assert_int_equal(mien_strategy_of_table(&limits[i], &table, &squared, NULL), MIEN_OK);
        assert_int_equal(event.count, 1);
        assert_int_equal(event.sampling, MIEN_SAMPLING_NONE);
        assert_true(event.noise <= 2.0 / sqrt(squared));
        assert_true(event.noise >= 2.0 / sqrt(squared) * (1.0 - 1e-14));
        assert_true(event.noise <= last); /* more rounds never cost less */
        last = event.noise;
    }
    assert_int_equal(mien_mechanism_event(&m, 0).count, 0);
}

static void limits_of_taking_part_count_for_independent_noise(void **state)
{
    (void)state;
    struct mien_mechanism m = fixture_correlated().mechanism;

    memset(m.strategy, 0, sizeof(m.strategy));
    assert_int_equal(mien_mechanism_event(&m, 3).count, 2); /* rounds 0 and 2 */
    assert_int_equal(mien_mechanism_event(&m, 100).count, 3);
    m.participations = 0;
    assert_int_equal(mien_mechanism_event(&m, 100).count, 50);
    m.separation = 1;
    assert_int_equal(mien_mechanism_event(&m, 100).count, 100);
}

/* What has no proof has no bytes, and a strategy that nobody can make again neither. */
static void a_strategy_without_proof_has_no_bytes(void **state)
{
    (void)state;
    struct mien_entry entry = {.kind = MIEN_ENTRY_PLAN, .plan = fixture_correlated()};
    struct mien_mechanism *m = &entry.plan.mechanism;
    const struct mien_mechanism good = *m;
    struct mien_buf out = {0};

    encode(&entry, &out);
    mien_buf_fini(&out);
    for (int i = 0; i < 7; i++) {
        *m = good;
        m->strategy[5] ^= i == 0;
        m->separation += i == 1; /* the table of another separation */
        m->participations = i == 2 ? 0 : m->participations;
        m->kind = i == 3 ? MIEN_MECHANISM_DISCRETE_GAUSSIAN : m->kind;
        m->sigma2_num = i == 4 ? 0 : m->sigma2_num;
        if (i >= 5) {
            m->sampling = MIEN_SAMPLING_POISSON;
            m->rate = 0.1;
        }
        if (i == 6) /* limits without a strategy beside coins */
            memset(m->strategy, 0, sizeof(m->strategy));
        assert_int_equal(mien_entry_encode(&entry, &out), MIEN_EINVAL);
    }
    mien_buf_fini(&out);
}

static void whatever_is_accepted_has_one_spelling(void **state)
{
    (void)state;
    /* Every value of every byte of one entry: refused, or the same bytes again. */
    struct mien_entry entry = entry_of(MIEN_ENTRY_RESERVE);
    struct mien_entry back;
    struct mien_buf bytes = {0};

    encode(&entry, &bytes);
    for (size_t at = 0; at < bytes.len; at++) {
        uint8_t was = bytes.data[at];
        for (int v = 0; v < 256; v++) {
            struct mien_buf again = {0};
            bytes.data[at] = (uint8_t)v;
            if (mien_entry_decode(mien_buf_span(&bytes), &back, NULL) != MIEN_OK)
                continue;
            encode(&back, &again);
            assert_int_equal(again.len, bytes.len);
            assert_memory_equal(again.data, bytes.data, bytes.len);
            mien_buf_fini(&again);
        }
        bytes.data[at] = was;
    }
    mien_buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_in_the_same_bytes),
        cmocka_unit_test(the_bytes_are_those_of_the_document),
        cmocka_unit_test(a_cut_or_longer_entry_is_refused),
        cmocka_unit_test(fields_out_of_range_have_no_bytes),
        cmocka_unit_test(an_entry_of_the_first_format_is_refused_with_a_sentence),
        cmocka_unit_test(noise_is_never_counted_as_more_than_it_is),
        cmocka_unit_test(the_discrete_gaussian_is_charged_by_bounds_that_hold_for_it),
        cmocka_unit_test(a_run_of_correlated_noise_is_charged_by_its_table),
        cmocka_unit_test(limits_of_taking_part_count_for_independent_noise),
        cmocka_unit_test(a_strategy_without_proof_has_no_bytes),
        cmocka_unit_test(whatever_is_accepted_has_one_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
