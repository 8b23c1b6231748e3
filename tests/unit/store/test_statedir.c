// SPDX-License-Identifier: Apache-2.0
#include "server/store/statedir.h"

#include "common/base/file.h"
#include "common/nn/model_file.h"
#include "server/store/version.h"
#include "tests/unit/store/state_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

struct at {
    char dir[64];
    struct mien_config config;
    struct mien_rng rng;
    struct mien_err err;
};

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));

    assert_non_null(at);
    at->rng = mien_rng_system();
    fixture_path(at->dir);
    assert_int_equal(mien_config_init("faces16", &at->config, NULL), MIEN_OK);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static enum mien_status create(struct at *at)
{
    return mien_statedir_create(at->dir, &at->config, &at->rng, &at->err);
}

/* The mode of a file of the directory. */
static unsigned mode_of(const struct at *at, const char *name)
{
    char path[128];
    struct stat about;

    (void)snprintf(path, sizeof(path), "%s/%s", at->dir, name);
    assert_int_equal(stat(path, &about), 0);
    return about.st_mode & 0777;
}

static size_t n_files(const char *dir)
{
    DIR *handle = opendir(dir);
    size_t n = 0;

    assert_non_null(handle);
    for (struct dirent *e = readdir(handle); e != NULL; e = readdir(handle))
        n += e->d_name[0] != '.';
    (void)closedir(handle);
    return n;
}

static void a_new_directory_opens_with_what_it_was_made_from(void **state)
{
    struct at *at = *state;
    struct mien_statedir *opened;

    at->config.plan.cohort = 99;
    assert_int_equal(create(at), MIEN_OK);
    assert_int_equal(mode_of(at, "ca.key"), 0600);
    assert_int_equal(mode_of(at, "signing.key"), 0600);
    assert_int_equal(mode_of(at, "server.key"), 0600);
    opened = fixture_state_open(at->dir);
    assert_int_equal(opened->config.plan.cohort, 99);
    assert_int_equal(mien_store_plan(opened->store)->mechanism.cohort, 99);
    assert_int_equal(mien_store_latest(opened->store).version, 0);
    assert_memory_equal(mien_store_genesis(opened->store)->ca_fingerprint,
                        opened->pki.ca_fingerprint, 32);
    fixture_state_close(opened);
}

static void what_is_there_is_never_overwritten(void **state)
{
    struct at *at = *state;

    assert_int_equal(create(at), MIEN_OK);
    assert_int_equal(create(at), MIEN_EEXIST);
    fixture_state_close(fixture_state_open(at->dir));
}

static void a_failure_leaves_nothing_behind(void **state)
{
    struct at *at = *state;

    (void)snprintf(at->config.init_from, sizeof(at->config.init_from), "/does/not/exist");
    assert_int_equal(create(at), MIEN_ENOTFOUND);
    assert_int_equal(n_files(at->dir), 0);
    at->config.init_from[0] = '\0';
    at->config.plan.cohort = 0;
    assert_int_not_equal(create(at), MIEN_OK);
    assert_int_equal(mien_config_set(&at->config, "plan.preset", "faces16", NULL), MIEN_OK);
    (void)snprintf(at->config.host, sizeof(at->config.host), "no host!");
    assert_int_equal(create(at), MIEN_EINVAL);
    assert_int_equal(n_files(at->dir), 0);
}

static void a_second_process_is_told_who_holds_it(void **state)
{
    struct at *at = *state;
    struct mien_statedir *opened;
    int status = -1;

    assert_int_equal(create(at), MIEN_OK);
    opened = fixture_state_open(at->dir);
    pid_t child = fork();
    if (child == 0) {
        char expected[64];
        struct mien_statedir *second = mien_calloc(1, sizeof(*second));
        bool busy = mien_statedir_open(at->dir, second, &at->err) == MIEN_EBUSY;
        (void)snprintf(expected, sizeof(expected), "process %ld", (long)getppid());
        _exit(busy && strstr(at->err.text, expected) != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_state_close(opened);
    fixture_state_close(fixture_state_open(at->dir));
}

static void what_is_no_state_directory_is_said(void **state)
{
    struct at *at = *state;
    struct mien_statedir *opened = mien_calloc(1, sizeof(*opened));

    assert_non_null(opened);
    assert_int_equal(mien_statedir_open(at->dir, opened, &at->err), MIEN_ENOTFOUND);
    assert_int_equal(n_files(at->dir), 0);
    mien_free(opened);
}

static void keys_of_another_directory_are_refused(void **state)
{
    struct at *at = *state;
    char other[64];
    char from[128];
    char to[128];
    static const char *const names[] = {"signing.key", "ca.key"};
    struct mien_statedir *opened = mien_calloc(1, sizeof(*opened));

    assert_non_null(opened);
    assert_int_equal(create(at), MIEN_OK);
    fixture_path(other);
    fixture_state(other);
    for (size_t i = 0; i < 2; i++) {
        struct mien_buf key = {0};
        (void)snprintf(from, sizeof(from), "%s/%s", other, names[i]);
        (void)snprintf(to, sizeof(to), "%s/%s", at->dir, names[i]);
        assert_int_equal(mien_file_read(from, 4096, &key, NULL), MIEN_OK);
        assert_int_equal(mien_file_replace(to, mien_buf_span(&key), 0600, NULL), MIEN_OK);
        mien_buf_fini(&key);
        assert_int_equal(mien_statedir_open(at->dir, opened, &at->err), MIEN_EAUTH);
    }
    fixture_remove(other);
    mien_free(opened);
}

static void a_run_starts_from_a_public_model_of_its_shape_only(void **state)
{
    struct at *at = *state;
    char from[64];
    struct mien_statedir *first;
    struct mien_statedir *second;
    struct mien_store_model model;
    char hex[65];

    fixture_path(from);
    fixture_state(from);
    first = fixture_state_open(from);
    model = mien_store_latest(first->store);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", model.file_digest[i]);
    (void)snprintf(at->config.init_from, sizeof(at->config.init_from), "%s/models/%s.safetensors",
                   from, hex);
    assert_int_equal(create(at), MIEN_OK);
    second = fixture_state_open(at->dir);
    assert_memory_equal(mien_store_latest(second->store).model_hash, model.model_hash, 32);
    fixture_state_close(second);
    fixture_remove(at->dir);

    assert_int_equal(mien_config_set(&at->config, "plan.preset", "faces32", NULL), MIEN_OK);
    assert_int_equal(create(at), MIEN_EINVAL);
    assert_non_null(strstr(at->err.text, "init_from"));
    fixture_state_close(first);
    fixture_remove(from);
}

static void making_survives_each_failed_allocation(void **state)
{
    struct at *at = *state;
    enum mien_status status = MIEN_ENOMEM;

    for (long k = 0; status != MIEN_OK; k++) {
        assert_true(k < 1000);
        mien_mem_fail_at(k);
        status = create(at);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
        if (status != MIEN_OK)
            assert_int_equal(n_files(at->dir), 0);
    }
    fixture_state_close(fixture_state_open(at->dir));
}

static void another_run_goes_on_with_the_ledger(void **state)
{
    struct at *at = *state;
    struct mien_statedir *opened;

    assert_int_equal(create(at), MIEN_OK);
    opened = fixture_state_open(at->dir);
    opened->config.plan.rounds = 7;
    opened->config.plan.noise_multiplier = 0.75;
    assert_int_equal(mien_statedir_begin_run(opened, true, &at->rng, &at->err), MIEN_OK);
    assert_int_equal(mien_store_plan(opened->store)->run, 2);
    assert_int_equal(mien_store_latest(opened->store).version, 1);
    fixture_state_close(opened);
    opened = fixture_state_open(at->dir);
    assert_int_equal(opened->config.plan.rounds, 7);
    assert_int_equal(mien_store_plan(opened->store)->run, 2);
    assert_int_equal(mien_store_plan(opened->store)->rounds, 7);
    fixture_state_close(opened);
}

/* Whatever fails: no entry, and mien.conf as it was. */
static void a_run_that_cannot_begin_changes_nothing(void **state)
{
    struct at *at = *state;
    struct mien_buf before = {0};
    struct mien_buf after = {0};
    char path[128];
    const uint32_t n_runs = 1;
    enum mien_status status = MIEN_ENOMEM;

    assert_int_equal(create(at), MIEN_OK);
    (void)snprintf(path, sizeof(path), "%s/mien.conf", at->dir);
    assert_int_equal(mien_file_read(path, 1 << 20, &before, NULL), MIEN_OK);
    for (long k = 0; status != MIEN_OK; k += k < 4 ? 1 : 1 + k / 4) {
        struct mien_statedir *opened = fixture_state_open(at->dir);

        opened->config.plan.rounds = 9;
        mien_mem_fail_at(k);
        status = mien_statedir_begin_run(opened, true, &at->rng, NULL);
        mien_mem_fail_at(-1);
        const uint32_t run = mien_store_plan(opened->store)->run;
        fixture_state_close(opened);
        after.len = 0;
        assert_int_equal(mien_file_read(path, 1 << 20, &after, NULL), MIEN_OK);
        const bool same =
            after.len == before.len && memcmp(after.data, before.data, before.len) == 0;
        assert_int_equal(same, run == n_runs);
        assert_true(run == n_runs + 1 || (run == n_runs && status != MIEN_OK));
        /* Where the anchor could not be written the run has begun: so has this plan. */
        if (run > n_runs)
            break;
    }
    mien_buf_fini(&before);
    mien_buf_fini(&after);
}

/* The commit is named where there is a history, and nothing else where there is none. */
static void the_ledger_says_which_code_wrote_it(void **state)
{
    struct at *at = *state;
    char software[MIEN_ENTRY_SOFTWARE_BYTES];
    struct mien_buf ledger = {0};
    char path[128];
    bool found = false;

    mien_version_text(software);
    assert_int_equal(strncmp(software, MIEN_VERSION, strlen(MIEN_VERSION)), 0);
    const char *rest = software + strlen(MIEN_VERSION);
    assert_true(*rest == '\0' || (*rest == '+' && strspn(rest + 1, "0123456789abcdef") >= 7));
    assert_int_equal(create(at), MIEN_OK);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->dir);
    assert_int_equal(mien_file_read(path, 1 << 24, &ledger, NULL), MIEN_OK);
    for (size_t i = 0; i + strlen(software) <= ledger.len && !found; i++)
        found = memcmp(ledger.data + i, software, strlen(software)) == 0;
    assert_true(found);
    mien_buf_fini(&ledger);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_directory_opens_with_what_it_was_made_from),
        TEST(what_is_there_is_never_overwritten),
        TEST(a_failure_leaves_nothing_behind),
        TEST(a_second_process_is_told_who_holds_it),
        TEST(what_is_no_state_directory_is_said),
        TEST(keys_of_another_directory_are_refused),
        TEST(a_run_starts_from_a_public_model_of_its_shape_only),
        TEST(making_survives_each_failed_allocation),
        TEST(another_run_goes_on_with_the_ledger),
        TEST(a_run_that_cannot_begin_changes_nothing),
        TEST(the_ledger_says_which_code_wrote_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
