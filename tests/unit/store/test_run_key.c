// SPDX-License-Identifier: Apache-2.0
/* The key of correlated noise: used once a step, and never from a copy. */
#include "server/store/run_key.h"

#include "tests/unit/store/state_fixture.h"

static const struct mien_run_key_id id = {.run_id = {5}, .run = 1};

struct place {
    char dir[64];
    char file[80];
};

static void set_up(struct place *p)
{
    struct mien_rng rng = mien_rng_system();

    fixture_path(p->dir);
    (void)snprintf(p->file, sizeof(p->file), "%s/key", p->dir);
    assert_int_equal(mien_run_key_begin(p->file, &id, &rng, NULL), MIEN_OK);
}

static enum mien_status open_at(const struct place *p, uint64_t n_charged, struct mien_run_key *out,
                                const char *says)
{
    struct mien_err err = {0};
    enum mien_status status = mien_run_key_open(p->file, &id, n_charged, out, &err);

    if (status != MIEN_OK && strstr(err.text, says) == NULL)
        fail_msg("%s", err.text);
    return status;
}

/* Uses the steps from..to - 1 in one opening. */
static void use(const struct place *p, uint64_t from, uint64_t to)
{
    struct mien_run_key key;

    assert_int_equal(open_at(p, from, &key, ""), MIEN_OK);
    for (uint64_t step = from; step < to; step++)
        assert_int_equal(mien_run_key_use(&key, step, NULL), MIEN_OK);
    mien_run_key_close(&key);
}

static void a_key_is_there_for_nobody_else_and_stays_the_same(void **state)
{
    (void)state;
    struct place p;
    struct stat about;
    struct mien_run_key key;
    uint8_t first[32];
    static const uint8_t zeros[32];

    set_up(&p);
    assert_int_equal(stat(p.file, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(open_at(&p, 0, &key, ""), MIEN_OK);
    memcpy(first, key.key, 32);
    assert_memory_not_equal(first, zeros, 32);
    mien_run_key_close(&key);
    assert_memory_equal(key.key, zeros, 32);
    assert_int_equal(open_at(&p, 0, &key, ""), MIEN_OK);
    assert_memory_equal(key.key, first, 32);
    mien_run_key_close(&key);
    mien_run_key_close(&key); /* again is fine */
    assert_int_equal(chmod(p.file, 0640), 0);
    assert_int_equal(open_at(&p, 0, &key, "read by others"), MIEN_EPOLICY);
    fixture_remove(p.dir);
}

static void a_step_is_used_once_and_in_order(void **state)
{
    (void)state;
    struct place p;
    struct mien_run_key key;

    set_up(&p);
    assert_int_equal(open_at(&p, 0, &key, ""), MIEN_OK);
    assert_int_equal(mien_run_key_use(&key, 1, NULL), MIEN_ESTATE);
    assert_int_equal(mien_run_key_use(&key, 0, NULL), MIEN_OK);
    assert_int_equal(mien_run_key_use(&key, 0, NULL), MIEN_ESTATE);
    assert_int_equal(mien_run_key_use(&key, 1, NULL), MIEN_OK);
    mien_run_key_close(&key);
    assert_int_equal(open_at(&p, 2, &key, ""), MIEN_OK);
    assert_int_equal(key.n_used, 2);
    mien_run_key_close(&key);
    fixture_remove(p.dir);
}

/* Killed after RESERVE and before the step was used: the step is gone, its noise is never drawn.
 * Killed in mid-write: nobody knows, so it is gone as well. */
static void a_crash_between_reserve_and_use_loses_the_step(void **state)
{
    (void)state;
    struct place p;
    struct mien_run_key key;

    set_up(&p);
    use(&p, 0, 3);
    assert_int_equal(open_at(&p, 4, &key, ""), MIEN_OK);
    assert_int_equal(key.n_used, 4);
    assert_int_equal(mien_run_key_use(&key, 3, NULL), MIEN_ESTATE);
    mien_run_key_close(&key);
    for (int n = 1; n < 16; n++) { /* a record cut after n bytes, the fifth step charged */
        assert_int_equal(truncate(p.file, 100 + 4 * 16 + n), 0);
        assert_int_equal(open_at(&p, 5, &key, ""), MIEN_OK);
        assert_int_equal(key.n_used, 5);
        mien_run_key_close(&key);
    }
    fixture_remove(p.dir);
}

static void a_ledger_or_key_that_was_put_back_ends_the_run(void **state)
{
    (void)state;
    struct place p;
    char copy[96];
    struct mien_run_key key;
    struct mien_buf bytes = {0};

    set_up(&p);
    use(&p, 0, 3);
    assert_int_equal(open_at(&p, 2, &key, "ledger was put back"), MIEN_EPOLICY);
    assert_int_equal(open_at(&p, 0, &key, "ledger was put back"), MIEN_EPOLICY);
    assert_int_equal(open_at(&p, 5, &key, "was put back"), MIEN_EPOLICY);
    /* A copy of the file, byte for byte, in its place. */
    (void)snprintf(copy, sizeof(copy), "%s.copy", p.file);
    assert_int_equal(mien_file_read(p.file, 1000, &bytes, NULL), MIEN_OK);
    assert_int_equal(mien_file_replace(copy, mien_buf_span(&bytes), 0600, NULL), MIEN_OK);
    assert_int_equal(rename(copy, p.file), 0);
    assert_int_equal(open_at(&p, 3, &key, "copied or put back"), MIEN_EPOLICY);
    assert_int_equal(unlink(p.file), 0);
    assert_int_equal(open_at(&p, 3, &key, "is lost"), MIEN_EPOLICY);
    mien_buf_fini(&bytes);
    fixture_remove(p.dir);
}

/* Two coordinators with one key would draw the same noise for two sums. */
/* ---- with the ledger ---- */

enum moment { AFTER_RESERVE, AFTER_USE, AFTER_MODEL, AFTER_COMMIT, N_MOMENTS };

/* A round up to a moment, as the coordinator's core does it; the step whose noise was drawn, or
 * UINT64_MAX for none. */
static uint64_t round_until(struct mien_store *store, struct mien_run_key *key, uint8_t first_unit,
                            enum moment moment)
{
    const struct mien_store_round round = mien_store_next_round(store);
    uint8_t units[3 * 32] = {0};

    assert_int_equal(mien_store_round_open(store, round, fixture_coins, NULL), MIEN_OK);
    for (uint8_t i = 0; i < 3; i++) {
        const struct mien_store_input input = fixture_input((uint8_t)(first_unit + i));

        memcpy(units + 32 * i, input.unit, 32);
        assert_int_equal(mien_store_put_inputs(store, round, 0, &input, 1, NULL), MIEN_OK);
    }
    assert_int_equal(mien_store_put_survivors(store, round, 0, units, 3, NULL), MIEN_OK);
    assert_int_equal(fixture_reserve(store, round), MIEN_OK);
    if (moment == AFTER_RESERVE)
        return UINT64_MAX;
    const uint64_t step = mien_store_n_steps(store) - 1;
    assert_int_equal(mien_run_key_use(key, step, NULL), MIEN_OK);
    if (moment == AFTER_MODEL) {
        uint8_t digest[32];
        const struct mien_span file = {(const uint8_t *)"a model", 7};

        assert_int_equal(mien_store_model_write(store, round, file, digest, NULL), MIEN_OK);
    }
    if (moment == AFTER_COMMIT)
        (void)fixture_release(store, round);
    return step;
}

/* The coordinator dies at each moment from RESERVE on and starts again: the next round has another
 * step, in step with the ledger, and no step can be used a second time. */
static void no_step_is_drawn_twice_whenever_a_coordinator_dies(void **state)
{
    (void)state;
    const struct mien_entry_plan plan = fixture_correlated();

    for (int moment = AFTER_RESERVE; moment < N_MOMENTS; moment++) {
        struct place p;
        char dir[64];
        struct mien_run_key key;

        set_up(&p); /* the fixture's ledger has run id 5, too */
        fixture_path(dir);
        fixture_create(dir, &plan);
        uint64_t last = UINT64_MAX;
        for (uint64_t round = 0; round < 3; round++) {
            struct mien_store *store = fixture_open(dir);

            (void)fixture_start(store);
            assert_int_equal(mien_store_n_steps(store), round);
            assert_int_equal(open_at(&p, mien_store_n_steps(store), &key, ""), MIEN_OK);
            assert_int_equal(key.n_used, round); /* a step that was charged and not used is gone */
            const uint64_t step =
                round_until(store, &key, (uint8_t)(1 + 3 * round), (enum moment)moment);
            assert_true(step == UINT64_MAX || step == round);
            assert_true(step == UINT64_MAX || last == UINT64_MAX || step > last);
            if (step != UINT64_MAX)
                assert_int_equal(mien_run_key_use(&key, step, NULL), MIEN_ESTATE);
            last = step;
            mien_store_close(store); /* as a kill leaves both: nothing is written at the end */
            mien_run_key_close(&key);
        }
        fixture_remove(dir);
        fixture_remove(p.dir);
    }
}

static void one_coordinator_has_the_key(void **state)
{
    (void)state;
    struct place p;
    struct mien_run_key first;
    struct mien_run_key second;

    set_up(&p);
    assert_int_equal(open_at(&p, 0, &first, ""), MIEN_OK);
    assert_int_equal(open_at(&p, 0, &second, "in use"), MIEN_EBUSY);
    mien_run_key_close(&first);
    assert_int_equal(open_at(&p, 0, &second, ""), MIEN_OK);
    mien_run_key_close(&second);
    fixture_remove(p.dir);
}

static void another_run_has_another_key(void **state)
{
    (void)state;
    struct place p;
    struct mien_rng rng = mien_rng_system();
    struct mien_run_key_id second = {.run_id = {5}, .run = 2};
    const struct mien_run_key_id stranger = {.run_id = {6}, .run = 9};
    struct mien_run_key key;
    uint8_t first[32];
    struct mien_err err = {0};

    set_up(&p);
    use(&p, 0, 7);
    assert_int_equal(open_at(&p, 7, &key, ""), MIEN_OK);
    memcpy(first, key.key, 32);
    mien_run_key_close(&key);
    assert_int_equal(mien_run_key_open(p.file, &second, 0, &key, &err), MIEN_EPOLICY);
    assert_int_equal(mien_run_key_begin(p.file, &id, &rng, &err), MIEN_EEXIST); /* the same again */
    assert_int_equal(mien_run_key_begin(p.file, &stranger, &rng, &err), MIEN_EEXIST);
    assert_int_equal(mien_run_key_begin(p.file, &second, &rng, &err), MIEN_OK);
    assert_int_equal(mien_run_key_open(p.file, &second, 0, &key, &err), MIEN_OK);
    assert_memory_not_equal(key.key, first, 32);
    mien_run_key_close(&key);
    fixture_remove(p.dir);
}

static void any_changed_byte_of_the_key_is_found(void **state)
{
    (void)state;
    struct place p;
    struct mien_run_key key;

    set_up(&p);
    for (long at = 0; at < 100; at++) {
        FILE *file = fopen(p.file, "r+b");

        assert_non_null(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        const int was = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(was ^ 4, file), was ^ 4);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(open_at(&p, 0, &key, "damaged"), MIEN_ECORRUPT);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(was, file), was);
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(open_at(&p, 0, &key, ""), MIEN_OK);
    mien_run_key_close(&key);
    fixture_remove(p.dir);
}

static void a_key_inside_of_the_state_directory_is_refused(void **state)
{
    (void)state;
    char dir[64];
    char inside[128];
    char link_to[100];
    char out[4096];
    char shorter[8];

    fixture_path(dir);
    assert_int_equal(mien_run_key_path(dir, "", out, sizeof(out), NULL), MIEN_OK);
    (void)snprintf(inside, sizeof(inside), "%s.run-key", dir);
    assert_string_equal(out, inside);
    (void)snprintf(inside, sizeof(inside), "%s/models", dir);
    assert_int_equal(mkdir(inside, 0700), 0);
    (void)snprintf(link_to, sizeof(link_to), "%s.link", dir);
    assert_int_equal(symlink(inside, link_to), 0);
    (void)snprintf(inside, sizeof(inside), "%s/key", link_to); /* by way of a link */
    assert_int_equal(mien_run_key_path(dir, inside, out, sizeof(out), NULL), MIEN_EPOLICY);
    (void)snprintf(inside, sizeof(inside), "%s/key", dir);
    assert_int_equal(mien_run_key_path(dir, inside, out, sizeof(out), NULL), MIEN_EPOLICY);
    assert_int_equal(mien_run_key_path(dir, "/tmp/key", out, sizeof(out), NULL), MIEN_OK);
    assert_int_equal(mien_run_key_path(dir, "key", out, sizeof(out), NULL), MIEN_EINVAL);
    (void)snprintf(inside, sizeof(inside), "%s//", dir);
    assert_int_equal(mien_run_key_path(inside, "", out, sizeof(out), NULL), MIEN_OK);
    (void)snprintf(inside, sizeof(inside), "%s.run-key", dir);
    assert_string_equal(out, inside);
    assert_int_equal(mien_run_key_path(dir, "/tmp/key", shorter, sizeof(shorter), NULL),
                     MIEN_ELIMIT);
    assert_int_equal(unlink(link_to), 0);
    fixture_remove(dir);
}

/* A whole state directory: made with its key, opened with it, made again without. */
/* A run that could have no key does not begin: the ledger and mien.conf are as they were. */
static void a_run_without_a_place_for_its_key_does_not_begin(void **state)
{
    (void)state;
    static const char *const places[] = {"rel", "/nowhere/of/all/key", "/tmp", "/key"};
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct mien_rng rng = mien_rng_system();
    char dir[64];
    char file[80];

    assert_non_null(config);
    assert_int_equal(mien_config_init("demo", config, NULL), MIEN_OK);
    config->plan.strategy = MIEN_PLAN_BANDED;
    config->plan.min_separation = 2;
    config->plan.max_participations = 3;
    fixture_path(dir);
    (void)snprintf(file, sizeof(file), "%s.run-key", dir);
    assert_int_equal(mien_statedir_create(dir, config, &rng, NULL), MIEN_OK);
    struct mien_statedir *opened = fixture_state_open(dir);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char place[128];
        struct mien_err err = {0};

        (void)snprintf(place, sizeof(place), "%s%s", i == 3 ? dir : "", places[i]);
        (void)snprintf(opened->config.key_file, sizeof(opened->config.key_file), "%s", place);
        assert_int_not_equal(mien_statedir_begin_run(opened, true, &rng, &err), MIEN_OK);
        assert_non_null(strstr(err.text, place));
        assert_int_equal(mien_store_plan(opened->store)->run, 1);
    }
    fixture_state_close(opened);
    opened = fixture_state_open(dir);
    assert_string_equal(opened->config.key_file, "");
    assert_int_equal(mien_statedir_begin_run(opened, true, &rng, NULL), MIEN_OK);
    assert_int_equal(mien_store_plan(opened->store)->run, 2);
    fixture_state_close(opened);
    fixture_remove(dir);
    assert_int_equal(unlink(file), 0);
    mien_free(config);
}

static void a_link_or_a_directory_is_no_key(void **state)
{
    (void)state;
    struct place p;
    struct mien_run_key key;
    struct mien_rng rng = mien_rng_system();
    char kept[96];

    set_up(&p);
    (void)snprintf(kept, sizeof(kept), "%s/kept", p.dir);
    assert_int_equal(rename(p.file, kept), 0);
    assert_int_equal(symlink(kept, p.file), 0);
    assert_int_equal(open_at(&p, 0, &key, "a link or a directory"), MIEN_EINVAL);
    assert_int_equal(mien_run_key_begin(p.file, &id, &rng, NULL), MIEN_EINVAL);
    assert_int_equal(unlink(p.file), 0);
    assert_int_equal(mkdir(p.file, 0700), 0);
    assert_int_equal(open_at(&p, 0, &key, "a link or a directory"), MIEN_EINVAL);
    fixture_remove(p.dir);
}

/* Who has gone into the directory may call it ".": "..run-key" would be another file. */
static void a_directory_without_a_name_is_asked_for_one(void **state)
{
    (void)state;
    static const char *const nameless[] = {".", "..", "./", "a/.", "a/..", "/a/./"};
    static const char *const named[] = {"a", "a.", "...", "a/..b", "/a/.b/"};
    char out[64];
    struct mien_err err = {0};

    for (size_t i = 0; i < sizeof(nameless) / sizeof(nameless[0]); i++) {
        assert_int_equal(mien_run_key_path(nameless[i], "", out, sizeof(out), &err), MIEN_EINVAL);
        assert_non_null(strstr(err.text, "has no name"));
        assert_int_equal(mien_run_key_path(nameless[i], "/nowhere/k", out, sizeof(out), NULL),
                         MIEN_OK);
    }
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
        assert_int_equal(mien_run_key_path(named[i], "", out, sizeof(out), NULL), MIEN_OK);
}

static void a_state_directory_begins_with_its_key(void **state)
{
    (void)state;
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct mien_rng rng = mien_rng_system();
    struct mien_run_key key;
    struct mien_err err = {0};
    char dir[64];
    char file[80];

    assert_non_null(config);
    assert_int_equal(mien_config_init("faces16", config, NULL), MIEN_OK);
    config->plan.rate = 1.0;
    config->plan.sampling = MIEN_PLAN_UNSAMPLED;
    config->plan.strategy = MIEN_PLAN_TREE;
    config->plan.min_separation = 2;
    config->plan.max_participations = 3;
    fixture_path(dir);
    (void)snprintf(file, sizeof(file), "%s.run-key", dir);
    if (mien_statedir_create(dir, config, &rng, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    struct mien_statedir *opened = fixture_state_open(dir);
    assert_int_equal(mien_statedir_open_noise(opened, &key, NULL), MIEN_OK);
    assert_true(key.fd >= 0);
    mien_run_key_close(&key);
    fixture_state_close(opened);
    fixture_remove(dir);
    /* What is left of a directory that was removed is not overwritten, nor removed. */
    assert_int_equal(mien_statedir_create(dir, config, &rng, &err), MIEN_EEXIST);
    assert_non_null(strstr(err.text, "noise.key_file"));
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(unlink(file), 0);
    config->plan.strategy = MIEN_PLAN_INDEPENDENT;
    assert_int_equal(mien_statedir_create(dir, config, &rng, &err), MIEN_OK);
    assert_int_equal(access(file, F_OK), -1);
    fixture_remove(dir);
    mien_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_there_for_nobody_else_and_stays_the_same),
        cmocka_unit_test(a_step_is_used_once_and_in_order),
        cmocka_unit_test(a_crash_between_reserve_and_use_loses_the_step),
        cmocka_unit_test(a_ledger_or_key_that_was_put_back_ends_the_run),
        cmocka_unit_test(no_step_is_drawn_twice_whenever_a_coordinator_dies),
        cmocka_unit_test(one_coordinator_has_the_key),
        cmocka_unit_test(another_run_has_another_key),
        cmocka_unit_test(any_changed_byte_of_the_key_is_found),
        cmocka_unit_test(a_key_inside_of_the_state_directory_is_refused),
        cmocka_unit_test(a_run_without_a_place_for_its_key_does_not_begin),
        cmocka_unit_test(a_link_or_a_directory_is_no_key),
        cmocka_unit_test(a_directory_without_a_name_is_asked_for_one),
        cmocka_unit_test(a_state_directory_begins_with_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
