// SPDX-License-Identifier: Apache-2.0
/* Every misuse of the public library returns a status, and no memory is survived. */
#include "loopback.h"

static struct loopback l;

static int setup(void **state)
{
    (void)state;
    loopback_init(&l);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loopback_fini(&l);
    assert_int_equal(mien_mem_live(), 0);
    return 0;
}

static void null_is_a_status_everywhere(void **state)
{
    (void)state;
    struct mien_client_wish wish;
    struct mien_client_info info = {.struct_bytes = sizeof(info)};
    const void *data;
    size_t n;

    assert_int_equal(mien_client_new(NULL, &l.client), MIEN_EINVAL);
    assert_int_equal(mien_client_new(&l.config, NULL), MIEN_EINVAL);
    mien_client_free(NULL);
    assert_int_equal(mien_client_enrol(NULL, "x"), MIEN_EINVAL);
    assert_int_equal(mien_client_poll(NULL, 0, &wish), MIEN_EINVAL);
    assert_int_equal(mien_client_connected(NULL, 0), MIEN_EINVAL);
    assert_int_equal(mien_client_closed(NULL, 0), MIEN_EINVAL);
    assert_int_equal(mien_client_input(NULL, 0, "", 0), MIEN_EINVAL);
    assert_int_equal(mien_client_output(NULL, 0, &data, &n), MIEN_EINVAL);
    assert_int_equal(mien_client_sent(NULL, 0), MIEN_EINVAL);
    assert_int_equal(mien_client_work(NULL, 0), MIEN_EINVAL);
    assert_int_equal(mien_client_stop(NULL, 0), MIEN_EINVAL);
    assert_int_equal(mien_client_result(NULL), MIEN_EINVAL);
    assert_string_equal(mien_client_explain(NULL), "");
    assert_int_equal(mien_client_info(NULL, &info), MIEN_EINVAL);
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
    assert_int_equal(mien_client_enrol(l.client, NULL), MIEN_EINVAL);
    assert_int_equal(mien_client_poll(l.client, 0, NULL), MIEN_EINVAL);
    assert_int_equal(mien_client_output(l.client, 0, NULL, &n), MIEN_EINVAL);
    assert_int_equal(mien_client_output(l.client, 0, &data, NULL), MIEN_EINVAL);
    assert_int_equal(mien_client_info(l.client, NULL), MIEN_EINVAL);
    info.struct_bytes = 3;
    assert_int_equal(mien_client_info(l.client, &info), MIEN_EINVAL);
}

static void configurations_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    char long_text[200];

    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (int i = 0; i < 11; i++) {
        struct mien_client_config config = l.config;
        struct mien_client *client = NULL;

        if (i == 0)
            config.struct_bytes = 8;
        if (i == 1)
            config.host.load = NULL;
        if (i == 2)
            config.host.save = NULL;
        if (i == 3)
            config.host.n_examples = NULL;
        if (i == 4)
            config.host.example = NULL;
        if (i == 5)
            config.max_epsilon = -1;
        if (i == 10)
            config.min_device_noise = -0.5;
        if (i == 6)
            config.max_memory_bytes = 0;
        if (i == 7)
            config.software = long_text;
        if (i == 8)
            config.software = "two\nlines";
        if (i == 9)
            config.families = long_text;
        assert_int_equal(mien_client_new(&config, &client), MIEN_EINVAL);
        assert_null(client);
    }
}

static void a_state_that_was_damaged_is_said(void **state)
{
    (void)state;
    memset(l.state, 5, 500);
    l.state_len = 500;
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_ECORRUPT);
}

static void text_that_is_no_token_is_refused_with_a_reason(void **state)
{
    (void)state;
    char token[MIEN_TOKEN_TEXT_BYTES];

    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
    assert_int_equal(mien_client_enrol(l.client, "hello"), MIEN_EPARSE);
    assert_true(mien_client_explain(l.client)[0] != '\0');
    loopback_token(&l, token);
    token[20] = token[20] == 'A' ? 'B' : 'A';
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_EPARSE);
    assert_null(strstr(mien_client_explain(l.client), token));
    assert_int_equal(l.n_saves, 0);
}

static void calls_out_of_order_are_statuses(void **state)
{
    (void)state;
    struct mien_client_wish wish;
    char token[MIEN_TOKEN_TEXT_BYTES];

    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
    assert_int_equal(mien_client_poll(l.client, 0, &wish), MIEN_ESTATE); /* nobody yet */
    assert_int_equal(mien_client_connected(l.client, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_input(l.client, 0, "x", 1), MIEN_ESTATE);
    assert_int_equal(mien_client_work(l.client, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_sent(l.client, 1), MIEN_EINVAL);
    assert_int_equal(mien_client_closed(l.client, 0), MIEN_OK); /* harmless */
    loopback_token(&l, token);
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_OK);
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(mien_client_connected(l.client, l.now_ms), MIEN_ESTATE);
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_ESTATE);
    assert_int_equal(mien_client_input(l.client, l.now_ms, NULL, 1), MIEN_EINVAL);
    assert_int_equal(mien_client_sent(l.client, 1 << 20), MIEN_EINVAL);
    assert_int_equal(mien_client_stop(l.client, l.now_ms), MIEN_OK);
    assert_int_equal(mien_client_stop(l.client, l.now_ms), MIEN_OK);
}

static struct mien_client *within;

/* A callback that calls the client back. */
static enum mien_status save_and_call(void *self, const void *data, size_t len)
{
    struct mien_client_wish wish;
    const void *out;
    size_t n;

    assert_int_equal(mien_client_poll(within, 0, &wish), MIEN_ESTATE);
    assert_int_equal(mien_client_input(within, 0, "x", 1), MIEN_ESTATE);
    assert_int_equal(mien_client_output(within, 0, &out, &n), MIEN_ESTATE);
    assert_int_equal(mien_client_sent(within, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_closed(within, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_connected(within, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_work(within, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_stop(within, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_enrol(within, "x"), MIEN_ESTATE);
    mien_client_free(within); /* not while it is in use: nothing happens */
    return loopback_save(self, data, len);
}

static void a_callback_that_calls_back_gets_a_status(void **state)
{
    (void)state;
    char token[MIEN_TOKEN_TEXT_BYTES];

    l.config.host.save = save_and_call;
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
    within = l.client;
    loopback_token(&l, token);
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_OK);
    assert_int_equal(l.n_saves, 1);
}

static enum mien_status load_fails(void *self, void *buf, size_t cap, size_t *len)
{
    (void)self;
    (void)buf;
    (void)cap;
    *len = 0;
    return MIEN_EIO;
}

static void what_load_and_save_say_is_passed_on(void **state)
{
    (void)state;
    char token[MIEN_TOKEN_TEXT_BYTES];

    l.config.host.load = load_fails;
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_EIO);
    l.config.host.load = loopback_load;
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
    loopback_token(&l, token);
    l.on_save = MIEN_ENOSPC;
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_ENOSPC);
}

/* New, token, connection, handshake and request with the k-th allocation failing. OpenSSL's own
 * allocations are not counted. */
static enum mien_status enrol_up_to_the_request(const char *token)
{
    struct mien_client_wish wish;
    enum mien_status status = mien_client_new(&l.config, &l.client);

    if (status == MIEN_OK)
        status = mien_client_enrol(l.client, token);
    if (status == MIEN_OK)
        status = mien_client_poll(l.client, l.now_ms, &wish);
    if (status == MIEN_OK)
        status = mien_client_connected(l.client, l.now_ms);
    return status;
}

static void every_failed_allocation_is_a_status(void **state)
{
    (void)state;
    enum mien_status status = MIEN_ENOMEM;
    char token[MIEN_TOKEN_TEXT_BYTES];

    loopback_token(&l, token);
    for (long k = 0; status != MIEN_OK; k++) {
        mien_client_free(l.client);
        l.client = NULL;
        l.state_len = 0;
        mien_mem_fail_at(k);
        status = enrol_up_to_the_request(token);
        mien_mem_fail_at(-1);
        assert_true(status == MIEN_OK || status == MIEN_ENOMEM);
    }
}

static void version_and_status_texts_are_there(void **state)
{
    (void)state;
    assert_true(mien_client_version()[0] != '\0');
    assert_string_equal(mien_client_status_text(MIEN_ENOMEM), "out of memory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(null_is_a_status_everywhere),
        TEST(configurations_that_make_no_sense_are_refused),
        TEST(a_state_that_was_damaged_is_said),
        TEST(text_that_is_no_token_is_refused_with_a_reason),
        TEST(calls_out_of_order_are_statuses),
        TEST(a_callback_that_calls_back_gets_a_status),
        TEST(what_load_and_save_say_is_passed_on),
        TEST(every_failed_allocation_is_a_status),
        TEST(version_and_status_texts_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
