// SPDX-License-Identifier: Apache-2.0
#include "server/store/enrol.h"

#include "server/store/pki.h"
#include "server/store/store_internal.h"
#include "server/store/verify.h"
#include "tests/unit/store/state_fixture.h"

#define NOW INT64_C(1700000000)

struct at {
    char dir[64];
    struct mien_statedir *state;
    struct mien_rng rng;
    uint8_t anna[32]; /* unit digests */
    uint8_t bert[32];
    size_t n_gone;
};

static void enrol(struct at *at, const char *unit, uint8_t digest[32])
{
    uint8_t secret[MIEN_TOKEN_SECRET_BYTES];
    uint8_t seed[32];
    uint8_t key[32];
    struct mien_buf csr = {0};
    struct mien_device device;

    assert_int_equal(
        mien_store_token_new(at->state->store, unit, NOW + 86400, &at->rng, secret, NULL), MIEN_OK);
    assert_int_equal(mien_identity_draw(&at->rng, seed, key), MIEN_OK);
    assert_int_equal(mien_identity_csr_encode(seed, &csr), MIEN_OK);
    const struct mien_pki_request request = {secret, mien_buf_span(&csr), NOW, 30, &at->rng};
    assert_int_equal(mien_pki_enrol(&at->state->pki, at->state->store, &request, &device, NULL),
                     MIEN_OK);
    memcpy(digest, device.unit, 32);
    mien_buf_fini(&csr);
}

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));

    assert_non_null(at);
    at->rng = mien_rng_system();
    fixture_path(at->dir);
    fixture_state(at->dir);
    at->state = fixture_state_open(at->dir);
    (void)fixture_start(at->state->store);
    enrol(at, "Anna of the tests", at->anna);
    enrol(at, "Anna of the tests", at->anna);
    enrol(at, "Bert", at->bert);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    if (at->state != NULL)
        fixture_state_close(at->state);
    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static void count_gone(void *self, const uint8_t id[16])
{
    struct at *at = self;
    struct mien_device device;

    /* Still there, so that its connections can be found. */
    assert_int_equal(mien_store_device(at->state->store, id, &device, NULL), MIEN_OK);
    at->n_gone++;
}

/* A round in which Anna and Bert survive, up to its RESERVE. */
static struct mien_store_round reserve(const struct at *at)
{
    struct mien_store *store = at->state->store;
    const struct mien_store_charge charge = {mien_store_plan(store)->mechanism.sampling};
    struct mien_store_round round = mien_store_next_round(store);
    struct mien_store_input inputs[2] = {{.digest = {1}}, {.digest = {2}}};
    struct mien_budget_answer answer;
    struct mien_rng rng = mien_rng_system();
    uint8_t units[64];

    memcpy(inputs[0].unit, at->anna, 32);
    memcpy(inputs[1].unit, at->bert, 32);
    memcpy(units, at->anna, 32);
    memcpy(units + 32, at->bert, 32);
    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_inputs(store, round, 0, inputs, 2, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_survivors(store, round, 0, units, 2, NULL), MIEN_OK);
    assert_int_equal(mien_store_reserve(store, round, &charge, &rng, &answer, NULL), MIEN_OK);
    return round;
}

static void release(const struct at *at)
{
    struct mien_store_round round = reserve(at);

    assert_int_equal(mien_store_abandon(at->state->store, round, "enough for this test", NULL),
                     MIEN_OK);
}

static struct mien_store_forgotten forget(struct at *at, const char *unit)
{
    struct mien_store_forgotten forgotten;
    struct mien_err err = {0};

    if (mien_store_forget(at->state->store, unit, count_gone, at, &forgotten, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return forgotten;
}

/* Whether bytes stand in any file of the directory. */
static bool is_anywhere(const struct at *at, const void *bytes, size_t n)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal"};
    bool found = false;

    for (size_t f = 0; f < 2; f++) {
        char path[128];
        struct mien_buf file = {0};

        (void)snprintf(path, sizeof(path), "%s/%s", at->dir, names[f]);
        if (mien_file_read(path, 1 << 26, &file, NULL) == MIEN_OK) {
            for (size_t i = 0; i + n <= file.len && !found; i++)
                found = memcmp(file.data + i, bytes, n) == 0;
        }
        mien_buf_fini(&file);
    }
    return found;
}

static void nothing_of_a_forgotten_unit_is_left_on_the_disk(void **state)
{
    struct at *at = *state;
    static const char name[] = "Anna of the tests";

    release(at);
    release(at);
    assert_true(is_anywhere(at, name, sizeof(name) - 1));
    assert_true(is_anywhere(at, at->anna, 32));
    const struct mien_store_forgotten forgotten = forget(at, name);
    assert_int_equal(forgotten.n_devices, 2);
    assert_int_equal(forgotten.n_tokens, 2);
    assert_int_equal(forgotten.n_rounds, 2);
    assert_false(forgotten.in_open_round);
    assert_int_equal(at->n_gone, 2);
    assert_false(is_anywhere(at, name, sizeof(name) - 1));
    assert_false(is_anywhere(at, at->anna, 32));
    assert_true(is_anywhere(at, at->bert, 32));
}

static void the_ledger_stays_sound_and_says_what_cannot_be_checked(void **state)
{
    struct at *at = *state;
    struct mien_verify verify;
    struct mien_dp_cost before;
    char path[128];
    double delta;

    release(at);
    assert_int_equal(mien_store_cost(at->state->store, &before, &delta, NULL), MIEN_OK);
    (void)forget(at, "Anna of the tests");
    fixture_state_close(at->state);
    at->state = NULL;
    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->dir);
    assert_int_equal(mien_verify_state(at->dir, path, NULL, &verify, NULL), MIEN_OK);
    assert_int_equal(verify.n_problems, 0);
    assert_int_equal(verify.n_forgotten, 1);
    assert_true(verify.cost.epsilon == before.epsilon); /* what was spent stays spent */
    mien_verify_fini(&verify);
    at->state = fixture_state_open(at->dir);
}

static void a_round_under_way_keeps_its_rows_until_it_has_ended(void **state)
{
    struct at *at = *state;
    struct mien_store_round round = reserve(at);
    struct mien_store_forgotten forgotten = forget(at, "Anna of the tests");

    assert_true(forgotten.in_open_round);
    assert_int_equal(forgotten.n_rounds, 0);
    assert_int_equal(mien_store_abandon(at->state->store, round, "ended", NULL), MIEN_OK);
    forgotten = forget(at, "Anna of the tests");
    assert_false(forgotten.in_open_round);
    assert_int_equal(forgotten.n_rounds, 1);
    assert_int_equal(forgotten.n_devices, 0);
}

static void who_is_not_known_cannot_be_forgotten(void **state)
{
    struct at *at = *state;
    struct mien_store_forgotten forgotten;
    struct mien_err err = {0};
    uint64_t devices = 0;
    uint64_t units = 0;

    assert_int_equal(mien_store_forget(at->state->store, "Carla", NULL, NULL, &forgotten, &err),
                     MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "Carla"));
    (void)forget(at, "Bert");
    assert_int_equal(mien_store_forget(at->state->store, "Bert", NULL, NULL, &forgotten, NULL),
                     MIEN_ENOTFOUND);
    assert_int_equal(mien_store_enrolled(at->state->store, &devices, &units), MIEN_OK);
    assert_int_equal(devices, 2);
    assert_int_equal(units, 1);
}

/* A round of one unit, released. */
static void round_of(struct mien_store *store, const struct mien_store_input *input)
{
    const struct mien_store_round round = mien_store_next_round(store);

    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_inputs(store, round, 0, input, 1, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_survivors(store, round, 0, input->unit, 1, NULL), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    (void)fixture_release(store, round);
}

/* Its name may enrol again, which must not begin the count anew, nor after a restart. */
static void what_a_forgotten_unit_gave_stays_counted(void **state)
{
    (void)state;
    const struct mien_entry_plan plan = fixture_correlated(); /* two rounds apart, three times */
    struct mien_store_input anna = {.digest = {1}};
    struct mien_store_forgotten forgotten;
    struct mien_err err = {0};
    char dir[64];

    fixture_path(dir);
    fixture_create(dir, &plan);
    struct mien_store *store = fixture_open(dir);
    (void)fixture_start(store);
    assert_int_equal(mien_store_unit_digest(store, "Anna", anna.unit), MIEN_OK);
    round_of(store, &anna);
    assert_int_equal(mien_store_forget(store, "Anna", NULL, NULL, &forgotten, NULL), MIEN_OK);
    assert_int_equal(forgotten.n_rounds, 1);
    assert_int_equal(forgotten.n_parts_kept, 1);
    assert_false(forgotten.in_open_round);
    assert_int_equal(mien_store_forget(store, "Anna", NULL, NULL, &forgotten, NULL),
                     MIEN_ENOTFOUND);
    mien_store_close(store);
    store = fixture_open(dir);
    (void)fixture_start(store);
    const struct mien_store_round round = mien_store_next_round(store);
    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    assert_int_equal(mien_store_put_inputs(store, round, 0, &anna, 1, &err), MIEN_EPOLICY);
    assert_non_null(strstr(err.text, "sits out until round 3"));
    mien_store_close(store);
    fixture_remove(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_of_a_forgotten_unit_is_left_on_the_disk),
        TEST(the_ledger_stays_sound_and_says_what_cannot_be_checked),
        TEST(a_round_under_way_keeps_its_rows_until_it_has_ended),
        TEST(who_is_not_known_cannot_be_forgotten),
        cmocka_unit_test(what_a_forgotten_unit_gave_stays_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
