// SPDX-License-Identifier: Apache-2.0
#include "server/store/verify.h"

#include "tests/unit/store/state_fixture.h"

struct at {
    char dir[64];
    char copy[80];
};

/* One directory with two releases for all tests; each works on its own copy. */
static int setup_group(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));
    struct mien_statedir *opened;

    assert_non_null(at);
    fixture_path(at->dir);
    (void)snprintf(at->copy, sizeof(at->copy), "%s-copy", at->dir);
    fixture_state(at->dir);
    opened = fixture_state_open(at->dir);
    (void)fixture_start(opened->store);
    fixture_state_round(opened);
    fixture_state_round(opened);
    fixture_state_close(opened);
    *state = at;
    return 0;
}

static int teardown_group(void **state)
{
    struct at *at = *state;

    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static int setup(void **state)
{
    struct at *at = *state;

    fixture_copy(at->dir, at->copy);
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    fixture_remove(at->copy);
    return 0;
}

static struct mien_verify verify_copy(const struct at *at)
{
    struct mien_verify verify;
    struct mien_err err = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->copy);
    if (mien_verify_state(at->copy, path, NULL, &verify, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return verify;
}

/* There is a problem that says `text`. */
static void assert_found(const struct at *at, const char *text)
{
    struct mien_verify verify = verify_copy(at);
    bool found = false;

    for (size_t i = 0; i < verify.n_problems; i++)
        found = found || strstr(verify.problems[i], text) != NULL;
    if (!found)
        fail_msg("no problem says \"%s\"; the first of %zu: %s", text, verify.n_problems,
                 verify.n_problems > 0 ? verify.problems[0] : "none");
    mien_verify_fini(&verify);
}

static void a_true_directory_has_no_problem_and_its_cost(void **state)
{
    struct at *at = *state;
    struct mien_verify verify = verify_copy(at);
    const struct mien_card *card = &verify.card;
    struct mien_dp_event event = mien_mechanism_event(&card->plan, 2);
    struct mien_dp_cost cost;

    assert_int_equal(verify.n_problems, 0);
    assert_int_equal(verify.n_models, 3);
    assert_int_equal(card->n_events, 1);
    assert_int_equal(card->events[0].releases, 2);
    assert_int_equal(mien_dp_account(&event, 1, verify.delta, &cost, NULL), MIEN_OK);
    assert_true(verify.cost.epsilon == cost.epsilon);
    assert_true(cost.epsilon > 0.0);
    mien_verify_fini(&verify);
}

static void a_changed_entry_is_found(void **state)
{
    struct at *at = *state;

    /* Byte 30 of entry 5 lies in its fields, whatever its kind. */
    fixture_sql(at->copy, "UPDATE entry SET bytes=substr(bytes,1,30)||"
                          "CASE substr(bytes,31,1) WHEN x'00' THEN x'01' ELSE x'00' END||"
                          "substr(bytes,32) WHERE seq=5");
    assert_found(at, "ledger entry 5");
}

static void swapped_entries_are_found(void **state)
{
    struct at *at = *state;

    fixture_sql(at->copy, "UPDATE entry SET seq=100 WHERE seq=4;"
                          "UPDATE entry SET seq=4 WHERE seq=5;"
                          "UPDATE entry SET seq=5 WHERE seq=100");
    assert_found(at, "ledger entry 4");
}

static void a_missing_entry_is_found(void **state)
{
    struct at *at = *state;

    fixture_sql(at->copy, "DELETE FROM entry WHERE seq=5");
    assert_found(at, "entry 6 follows entry 4");
}

static void a_cut_ledger_is_found(void **state)
{
    struct at *at = *state;

    fixture_sql(at->copy, "DELETE FROM entry WHERE seq>=7");
    assert_found(at, "rolled back");
}

static void a_head_or_signature_of_somebody_else_is_found(void **state)
{
    struct at *at = *state;

    fixture_sql(at->copy, "UPDATE entry SET signature=zeroblob(64) WHERE seq=6");
    assert_found(at, "signature");
    fixture_sql(at->copy, "UPDATE entry SET head=zeroblob(32) WHERE seq=3");
    assert_found(at, "head does not match");
}

static void changed_private_rows_are_found(void **state)
{
    struct at *at = *state;

    fixture_sql(at->copy, "DELETE FROM survivor WHERE round=1");
    assert_found(at, "changed after the charge");
    fixture_sql(at->copy, "UPDATE round SET salt=NULL WHERE round=2");
    assert_found(at, "private list is missing");
}

static void a_changed_or_missing_model_is_found(void **state)
{
    struct at *at = *state;
    char command[256];

    (void)snprintf(command, sizeof(command), "for f in %s/models/*; do printf x >> $f; done",
                   at->copy);
    assert_int_equal(system(command), 0);
    assert_found(at, "model version 0: the file was changed");
    (void)snprintf(command, sizeof(command), "rm %s/models/*.safetensors", at->copy);
    assert_int_equal(system(command), 0);
    assert_found(at, "model version 0");
}

static void a_database_that_is_none_is_a_problem(void **state)
{
    struct at *at = *state;
    char path[128];
    const char *text = "this is no database at all, but long enough to be taken for one ........";

    (void)snprintf(path, sizeof(path), "%s/ledger.db", at->copy);
    assert_int_equal(mien_file_replace(
                         path, (struct mien_span){(const uint8_t *)text, strlen(text)}, 0600, NULL),
                     MIEN_OK);
    assert_found(at, "ledger");
}

static void every_flipped_byte_of_the_chain_is_found(void **state)
{
    struct at *at = *state;
    char sql[256];

    /* Each column of each entry, one byte in the middle. */
    for (int seq = 0; seq < 10; seq++) {
        static const char *const columns[] = {"bytes", "head", "signature"};
        for (size_t c = 0; c < 3; c++) {
            (void)snprintf(sql, sizeof(sql),
                           "UPDATE entry SET %s=substr(%s,1,20)||CASE substr(%s,21,1) WHEN "
                           "x'00' THEN x'01' ELSE x'00' END||substr(%s,22) WHERE seq=%d",
                           columns[c], columns[c], columns[c], columns[c], seq);
            fixture_sql(at->copy, sql);
            struct mien_verify verify = verify_copy(at);
            assert_true(verify.n_problems > 0);
            mien_verify_fini(&verify);
            fixture_remove(at->copy);
            fixture_copy(at->dir, at->copy);
        }
    }
}

static void opening_refuses_what_was_changed_too(void **state)
{
    struct at *at = *state;
    struct mien_statedir *opened = mien_calloc(1, sizeof(*opened));
    struct mien_err err = {0};

    assert_non_null(opened);
    fixture_sql(at->copy, "UPDATE entry SET head=zeroblob(32) WHERE seq=4");
    assert_int_equal(mien_statedir_open(at->copy, opened, &err), MIEN_ECORRUPT);
    assert_non_null(strstr(err.text, "ledger entry 4"));
    mien_free(opened);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_true_directory_has_no_problem_and_its_cost),
        TEST(a_changed_entry_is_found),
        TEST(swapped_entries_are_found),
        TEST(a_missing_entry_is_found),
        TEST(a_cut_ledger_is_found),
        TEST(a_head_or_signature_of_somebody_else_is_found),
        TEST(changed_private_rows_are_found),
        TEST(a_changed_or_missing_model_is_found),
        TEST(a_database_that_is_none_is_a_problem),
        TEST(every_flipped_byte_of_the_chain_is_found),
        TEST(opening_refuses_what_was_changed_too),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
