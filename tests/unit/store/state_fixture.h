/* A whole state directory, for tests. */
#ifndef MIEN_TESTS_UNIT_STORE_STATE_FIXTURE_H
#define MIEN_TESTS_UNIT_STORE_STATE_FIXTURE_H

#include "tests/unit/store/fixture.h"

#include "common/base/digest.h"
#include "server/store/statedir.h"

/* A state directory of the smallest preset. */
static inline void fixture_state(const char *dir)
{
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct mien_rng rng = mien_rng_system();
    struct mien_err err = {0};

    assert_non_null(config);
    assert_int_equal(mien_config_init("faces16", config, NULL), MIEN_OK);
    if (mien_statedir_create(dir, config, &rng, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    mien_free(config);
}

/* Opens it.  given: fixture_state_close */
static inline struct mien_statedir *fixture_state_open(const char *dir)
{
    struct mien_statedir *state = mien_calloc(1, sizeof(*state));
    struct mien_err err = {0};

    assert_non_null(state);
    if (mien_statedir_open(dir, state, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return state;
}

static inline void fixture_state_close(struct mien_statedir *state)
{
    mien_statedir_close(state);
    mien_free(state);
}

/* A round that releases the model of version 0 once more, so that the file is a whole one. */
static inline void fixture_state_round(struct mien_statedir *state)
{
    struct mien_store *store = state->store;
    struct mien_store_model start;
    struct mien_store_release release = {0};
    struct mien_buf file = {0};
    uint64_t version;
    struct mien_store_round round = fixture_collect(store, 3);
    struct mien_rng rng = mien_rng_system();
    struct mien_budget_answer answer;
    const struct mien_store_charge charge = {mien_store_plan(store)->mechanism.sampling};

    assert_int_equal(mien_store_reserve(store, round, &charge, &rng, &answer, NULL), MIEN_OK);
    assert_int_equal(mien_store_model(store, 0, &start, NULL), MIEN_OK);
    assert_int_equal(mien_store_model_read(store, &start, &file, NULL), MIEN_OK);
    assert_int_equal(
        mien_store_model_write(store, round, mien_buf_span(&file), release.file_digest, NULL),
        MIEN_OK);
    memcpy(release.model_hash, start.model_hash, 32);
    assert_int_equal(mien_store_commit(store, round, &release, &version, NULL), MIEN_OK);
    mien_buf_fini(&file);
}

#endif
