// SPDX-License-Identifier: Apache-2.0
/* What is kept between releases beside the model: its bytes, and a restart on them. */
#include "tests/unit/core/fixture.h"

static struct fleet fleet;

static struct fleet *begin(void)
{
    memset(&fleet, 0, sizeof(fleet));
    fleet.plan = fleet_plan();
    fleet.plan.train_on_device = MIEN_TRAIN_DISCRIMINATOR;
    fleet.plan.server_optimiser = MIEN_SERVER_ADAM;
    fleet.plan.clip_quantile = 0.5;
    fleet_init(&fleet, 1);
    return &fleet;
}

static void fill(float *values, uint64_t n, float first)
{
    for (uint64_t i = 0; i < n; i++)
        values[i] = first + (float)i;
}

/* As if rounds had been released. */
static void move(struct mien_coordinator *c)
{
    const uint64_t n_d = c->layout.n_d;

    fill(c->model.server.first, c->params.n_update, 0.5f);
    fill(c->model.server.second, c->params.n_update, 1.5f);
    fill(c->model.moments.first + n_d, c->layout.n_values - n_d, 2.5f);
    fill(c->model.moments.second + n_d, c->layout.n_values - n_d, 3.5f);
    c->model.moments.t = 77;
    c->model.clip = 0.123456789;
}

static void a_restart_goes_on_with_moments_and_clip(void **state)
{
    (void)state;
    struct fleet *f = begin();
    struct mien_coordinator *c = f->core;
    struct mien_buf kept = {0};
    struct mien_buf again = {0};

    move(c);
    assert_int_equal(mien_round_state_encode(c, &c->model, &kept), MIEN_OK);
    const uint64_t n = c->params.n_update;
    const uint64_t n_g = c->layout.n_values - c->layout.n_d;
    assert_int_equal(kept.len, 4 + 9 + 8 + 8 * n_g + 2 * (9 + 4 * n) + 9 + 8);
    fleet_fini(f);

    f->kept = mien_buf_span(&kept);
    fleet_init(f, 2);
    c = f->core;
    assert_true(c->model.clip == 0.123456789);
    assert_true(c->params.clip == c->model.clip); /* averages are scaled by it */
    assert_int_equal(c->model.moments.t, 77);
    assert_true(c->model.server.first[1] == 1.5f && c->model.server.second[1] == 2.5f);
    assert_true(c->model.moments.second[c->layout.n_d + 2] == 5.5f);
    assert_int_equal(mien_round_state_encode(c, &c->model, &again), MIEN_OK);
    assert_int_equal(again.len, kept.len);
    assert_memory_equal(again.data, kept.data, kept.len);
    fleet_fini(f);

    /* Another optimiser and a fixed clip begin anew; what was kept is not read. */
    f->plan.server_optimiser = MIEN_SERVER_MOMENTUM;
    f->plan.clip_quantile = 0;
    fleet_init(f, 3);
    assert_true(f->core->model.clip == f->plan.clip);
    assert_null(f->core->model.server.second);
    fleet_fini(f);
    mien_buf_fini(&kept);
    mien_buf_fini(&again);
}

static void bytes_that_are_no_state_are_refused(void **state)
{
    (void)state;
    struct fleet *f = begin();
    struct mien_coordinator *c = f->core;
    struct mien_buf kept = {0};

    move(c);
    assert_int_equal(mien_round_state_encode(c, &c->model, &kept), MIEN_OK);
    for (size_t len = 1; len < kept.len; len += len < 40 ? 1 : 997) {
        const struct mien_span cut = {kept.data, len};

        if (len == 4)
            continue; /* a state without sections */
        assert_int_equal(mien_round_state_decode(c, cut, &c->next), MIEN_ECORRUPT);
    }
    for (size_t at = 0; at < 13; at++) {
        kept.data[at] ^= 0x40;
        assert_int_equal(mien_round_state_decode(c, mien_buf_span(&kept), &c->next), MIEN_ECORRUPT);
        kept.data[at] ^= 0x40;
    }
    memset(kept.data + kept.len - 8, 0xff, 8); /* a clip that is no number */
    assert_int_equal(mien_round_state_decode(c, mien_buf_span(&kept), &c->next), MIEN_ECORRUPT);
    mien_buf_fini(&kept);
    fleet_fini(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_goes_on_with_moments_and_clip),
        cmocka_unit_test(bytes_that_are_no_state_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
