// SPDX-License-Identifier: Apache-2.0
/* Noise by devices in the ledger: its bytes, its charge, and what a card says of it. */
#include "common/dp/distributed.h"
#include "common/secagg/agree.h"
#include "server/store/card.h"
#include "server/store/mechanism.h"

#include "common/plan/preset.h"
#include "tests/unit/store/fixture.h"

static struct mien_entry_plan by_devices(void)
{
    struct mien_entry_plan plan = fixture_plan();

    plan.mechanism.kind = MIEN_MECHANISM_DISTRIBUTED;
    plan.mechanism.noise_by = MIEN_NOISE_BY_DEVICES;
    plan.mechanism.sigma2_num = 400001; /* no square */
    plan.mechanism.shares = 9;
    return plan;
}

static struct mien_entry plan_entry(void)
{
    return (struct mien_entry){
        .kind = MIEN_ENTRY_PLAN, .epoch = 3, .seq = 17, .software = "0.1.0", .plan = by_devices()};
}

static void its_bytes_end_with_the_shares(void **state)
{
    (void)state;
    struct mien_entry entry = plan_entry();
    struct mien_entry back;
    struct mien_buf bytes = {0};
    struct mien_buf again = {0};
    const size_t at = 27 + 4 + 32; /* docs/file-formats.md: head, run, H(plan) */

    assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_OK);
    assert_int_equal(bytes.len, at + 117 + 4 + 8 + 8);
    assert_int_equal(bytes.data[at], 3);
    assert_int_equal(bytes.data[at + 3], 2);
    assert_int_equal(bytes.data[at + 116], 9);
    assert_int_equal(mien_entry_decode(mien_buf_span(&bytes), &back, NULL), MIEN_OK);
    assert_true(mien_mechanism_same(&back.plan.mechanism, &entry.plan.mechanism));
    assert_int_equal(mien_entry_encode(&back, &again), MIEN_OK);
    assert_memory_equal(bytes.data, again.data, bytes.len);
    for (size_t n = 0; n < bytes.len; n++)
        assert_int_equal(mien_entry_decode((struct mien_span){bytes.data, n}, &back, NULL),
                         MIEN_EPARSE);
    mien_buf_fini(&bytes);
    mien_buf_fini(&again);
}

static void what_cannot_be_accounted_for_has_no_bytes(void **state)
{
    (void)state;
    struct mien_buf bytes = {0};

    for (int lie = 0; lie < 7; lie++) {
        struct mien_entry entry = plan_entry();
        struct mien_mechanism *m = &entry.plan.mechanism;

        m->shares = lie == 0 ? 0 : m->shares;
        m->shares = lie == 1 ? MIEN_ENTRY_MAX_SHARES + 1 : m->shares;
        m->sigma2_num = lie == 2 ? 0 : m->sigma2_num;
        m->sigma2_den = lie == 3 ? 2 : m->sigma2_den;
        m->noise_by = lie == 4 ? MIEN_NOISE_BY_COORDINATOR : m->noise_by;
        m->strategy[0] = lie == 5;
        if (lie == 6) { /* shares that a coordinator's noise does not have */
            m->kind = MIEN_MECHANISM_DISCRETE_GAUSSIAN;
            m->noise_by = MIEN_NOISE_BY_COORDINATOR;
            m->sigma2_num = 4000000;
        }
        assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_EINVAL);
    }
    assert_int_equal(bytes.len, 0);
}

/* The plan draws every tenth unit: nothing is taken off for it, and a narrow share pays for what
 * its law is off. */
static void a_release_is_charged_as_if_everybody_took_part(void **state)
{
    (void)state;
    struct mien_mechanism m = by_devices().mechanism;
    struct mien_dp_event event = mien_mechanism_event(&m, 5);
    struct mien_dp_cost cost;
    struct mien_dp_cost narrow;

    assert_int_equal(event.sampling, MIEN_SAMPLING_NONE);
    assert_true(event.rate == 1.0 && event.apart == 0.0 && event.off == 0.0);
    assert_true((long double)event.noise * (long double)event.noise * (long double)m.bound *
                    (long double)m.bound <=
                (long double)m.sigma2_num * m.shares);
    assert_true(fabs(event.noise * 1000.0 - sqrt(400001.0 * 9.0)) < 1e-9 * 2000.0);
    assert_int_equal(mien_dp_account(&event, 1, 1e-5, &cost, NULL), MIEN_OK);
    assert_true(cost.epsilon == cost.epsilon_witness);
    assert_true(cost.epsilon == mien_dp_zcdp_epsilon(2.5 / (event.noise * event.noise), 1e-5));
    m.sigma2_num = 1;
    m.bound = 2;
    event = mien_mechanism_event(&m, 5);
    assert_true(event.off == mien_distributed_tau(1.0, 9) * 10.0 && event.off > 1e-3);
    assert_int_equal(mien_dp_account(&event, 1, 1e-5, &narrow, NULL), MIEN_OK);
    assert_true(narrow.epsilon > mien_dp_zcdp_epsilon(2.5 / (event.noise * event.noise), 1e-5));
}

static void take(struct mien_chain *chain, struct mien_entry entry)
{
    static const uint8_t some_head[32] = {1};

    entry.seq = chain->begun ? chain->mark.seq + 1 : 0;
    assert_int_equal(mien_chain_judge(chain, &entry, NULL), MIEN_OK);
    mien_chain_apply(chain, &entry, some_head);
}

/* A chain with one release of these constants. */
static void make_chain(struct mien_chain *chain)
{
    struct mien_entry entry = {.kind = MIEN_ENTRY_GENESIS};

    *chain = (struct mien_chain){0};
    assert_int_equal(mien_ed25519_public(fixture_seed, entry.genesis.signing_key), MIEN_OK);
    take(chain, entry);
    take(chain, (struct mien_entry){.kind = MIEN_ENTRY_PLAN, .plan = by_devices()});
    take(chain, (struct mien_entry){.kind = MIEN_ENTRY_MODEL});
    entry = (struct mien_entry){.kind = MIEN_ENTRY_ROUND_OPEN};
    entry.round_open.round = 1;
    entry.round_open.attempt = 1;
    memcpy(entry.round_open.plan_hash, chain->plan.plan_hash, 32);
    take(chain, entry);
    entry = (struct mien_entry){.kind = MIEN_ENTRY_RESERVE};
    entry.reserve.round = 1;
    entry.reserve.attempt = 1;
    entry.reserve.mechanism = chain->plan.mechanism;
    take(chain, entry);
}

static void a_card_holds_what_its_cost_is_computed_from(void **state)
{
    (void)state;
    struct mien_chain chain;
    struct mien_store_model model = {0};
    struct mien_card card;
    struct mien_card back;
    struct mien_buf text = {0};
    struct mien_dp_cost cost;
    struct mien_err err = {0};
    double delta;

    make_chain(&chain);
    assert_int_equal(mien_card_of_chain(&chain, &model, &card, &err), MIEN_OK);
    assert_int_equal(mien_card_seal(&card, fixture_seed, &text), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    if (mien_card_read((const char *)text.data, &back, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    assert_non_null(strstr((const char *)text.data, "distributed_discrete_gaussian"));
    assert_non_null(strstr((const char *)text.data, "as if every unit took part"));
    assert_int_equal(back.events[0].mechanism.shares, 9);
    assert_int_equal(mien_card_cost(&back, &cost, &delta, NULL), MIEN_OK);
    assert_true(cost.epsilon == card.epsilon && cost.epsilon == cost.epsilon_witness);

    /* More shares than the chain has would be less epsilon: the card's own figure tells. */
    back.events[0].mechanism.shares = 10;
    assert_int_equal(mien_card_cost(&back, &cost, &delta, NULL), MIEN_OK);
    assert_true(cost.epsilon < card.epsilon);
    mien_buf_fini(&text);
}

static void the_plan_says_all_of_it(void **state)
{
    (void)state;
    struct mien_plan plan;
    struct mien_entry_plan entry;

    assert_int_equal(mien_plan_preset("faces32", &plan, NULL), MIEN_OK);
    plan.mechanism = MIEN_PLAN_DISCRETE_GAUSSIAN;
    plan.noise_by = MIEN_PLAN_NOISE_BY_DEVICES;
    plan.group_min = 100;
    assert_int_equal(mien_mechanism_of_plan(&plan, &entry, NULL), MIEN_OK);
    const struct mien_mechanism *m = &entry.mechanism;

    assert_int_equal(m->kind, MIEN_MECHANISM_DISTRIBUTED);
    assert_int_equal(m->noise_by, MIEN_NOISE_BY_DEVICES);
    assert_int_equal(m->shares, 95);
    const double z = mien_mechanism_event(m, 1).noise;
    assert_true(z >= plan.noise_multiplier * (1.0 - 1e-13));
    assert_true(z < plan.noise_multiplier * (1.0 + 1e-5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_bytes_end_with_the_shares),
        cmocka_unit_test(what_cannot_be_accounted_for_has_no_bytes),
        cmocka_unit_test(a_release_is_charged_as_if_everybody_took_part),
        cmocka_unit_test(a_card_holds_what_its_cost_is_computed_from),
        cmocka_unit_test(the_plan_says_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
