// SPDX-License-Identifier: Apache-2.0
/* The device's life: greeting, check-in, pauses, endings. */
#include "scripted.h"

static struct scripted s;

static int setup(void **state)
{
    (void)state;
    scripted_init(&s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scripted_fini(&s);
    assert_int_equal(mien_mem_live(), 0);
    return 0;
}

static struct mien_message come_back(uint32_t after_ms, enum mien_message_reason reason)
{
    return (struct mien_message){.type = MIEN_FRAME_COME_BACK, .come_back = {after_ms, reason}};
}

static void greets_with_what_it_remembers_and_checks_in(void **state)
{
    (void)state;
    s.config.record.epoch = 1;
    s.config.record.seq = 1;
    memcpy(s.config.record.head, scripted_mark(1).head, 32);
    scripted_start(&s);
    struct mien_message hello = scripted_next(&s, MIEN_FRAME_HELLO);
    assert_int_equal(hello.hello.protocol, MIEN_MESSAGE_PROTOCOL);
    assert_string_equal(hello.hello.software, "scripted");
    assert_int_equal(hello.hello.seen.seq, 1);
    assert_memory_equal(hello.hello.seen.head, scripted_mark(1).head, 32);
    struct mien_message welcome = scripted_welcome(&s, 1);
    scripted_tell(&s, &welcome);
    scripted_expect(&s, MIEN_FRAME_CHECK_IN);
    assert_int_equal(s.n_saves, 0); /* nothing new was seen */
    assert_true(mien_client_core_info(s.core).welcome);
}

static void a_new_head_is_saved_before_the_check_in(void **state)
{
    (void)state;
    scripted_start(&s);
    scripted_expect(&s, MIEN_FRAME_HELLO);
    struct mien_message welcome = scripted_welcome(&s, 9);
    s.on_save = MIEN_ENOSPC;
    assert_int_equal(mien_client_core_receive(s.core, s.now_ms, &welcome), MIEN_ENOSPC);
    scripted_expect_silence(&s);
    assert_true(mien_client_core_wish(s.core).close);
}

static void another_run_or_signing_key_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct mien_message welcome = scripted_welcome(&s, 1);

        (i == 0 ? welcome.welcome.run_id : welcome.welcome.signing_key)[5] ^= 1;
        scripted_start(&s);
        scripted_expect(&s, MIEN_FRAME_HELLO);
        scripted_tell(&s, &welcome);
        scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_AUTH);
        mien_client_core_free(s.core);
        s.core = NULL;
    }
}

static void a_ledger_that_went_back_or_forked_is_refused(void **state)
{
    (void)state;
    struct mien_message back = scripted_welcome(&s, 4);
    struct mien_message fork = scripted_welcome(&s, 5);
    const struct mien_message *bad[] = {&back, &fork};

    fork.welcome.mark.head[0] ^= 1;
    for (size_t i = 0; i < 2; i++) {
        s.config.record.epoch = 1;
        s.config.record.seq = 5;
        memcpy(s.config.record.head, scripted_mark(5).head, 32);
        scripted_start(&s);
        scripted_expect(&s, MIEN_FRAME_HELLO);
        scripted_tell(&s, bad[i]);
        scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_AUTH);
        assert_non_null(strstr(s.warned, "ledger"));
        assert_int_equal(s.n_saves, 0);
        mien_client_core_free(s.core);
        s.core = NULL;
    }
}

static void come_back_is_kept_to_the_millisecond(void **state)
{
    (void)state;
    struct mien_message pause = come_back(5000, MIEN_MESSAGE_NOT_DRAWN);

    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &pause);
    assert_int_equal(mien_client_core_wish(s.core).at_ms, s.now_ms + 5000);
    s.now_ms += 4999;
    assert_int_equal(mien_client_core_tick(s.core, s.now_ms), MIEN_OK);
    scripted_expect_silence(&s);
    s.now_ms += 1;
    assert_int_equal(mien_client_core_tick(s.core, s.now_ms), MIEN_OK);
    scripted_expect(&s, MIEN_FRAME_CHECK_IN);
}

static void a_lost_connection_keeps_the_pause_but_comes_back_to_be_counted(void **state)
{
    (void)state;
    struct mien_message pause = come_back(500000, MIEN_MESSAGE_WAITING);
    struct mien_message welcome = scripted_welcome(&s, 1);

    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &pause);
    mien_client_core_disconnected(s.core, s.now_ms);
    struct mien_client_core_wish wish = mien_client_core_wish(s.core);
    assert_true(wish.connect);
    assert_in_range(wish.at_ms, s.now_ms + 500, s.now_ms + 1000);
    assert_int_equal(mien_client_core_connected(s.core, wish.at_ms), MIEN_OK);
    scripted_expect(&s, MIEN_FRAME_HELLO);
    scripted_tell(&s, &welcome);
    scripted_expect_silence(&s);
    assert_int_equal(mien_client_core_wish(s.core).at_ms, s.now_ms + 500000);
}

static void a_draining_coordinator_is_left_alone(void **state)
{
    (void)state;
    struct mien_message pause = come_back(60000, MIEN_MESSAGE_DRAINING);

    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &pause);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_int_equal(mien_client_core_wish(s.core).at_ms, s.now_ms + 60000);
}

static void retries_grow_with_jitter_and_are_bounded(void **state)
{
    (void)state;
    uint64_t whole_ms = 1000;
    bool differ = false;
    uint64_t first = 0;

    assert_int_equal(mien_client_core_new(&s.config, &s.core), MIEN_OK);
    for (int i = 0; i < 40; i++) {
        mien_client_core_disconnected(s.core, s.now_ms);
        uint64_t pause_ms = mien_client_core_wish(s.core).at_ms - s.now_ms;

        assert_in_range(pause_ms, whole_ms / 2, whole_ms);
        differ = differ || (i == 30 && pause_ms != first);
        first = i == 29 ? pause_ms : first;
        s.now_ms += pause_ms;
        whole_ms = whole_ms * 2 > 300000 ? 300000 : whole_ms * 2;
    }
    assert_true(differ);
}

static void an_answered_check_in_resets_the_retries(void **state)
{
    (void)state;
    struct mien_message pause = come_back(1, MIEN_MESSAGE_WAITING);

    assert_int_equal(mien_client_core_new(&s.config, &s.core), MIEN_OK);
    for (int i = 0; i < 6; i++)
        mien_client_core_disconnected(s.core, s.now_ms);
    assert_int_equal(mien_client_core_connected(s.core, s.now_ms), MIEN_OK);
    scripted_check_in(&s);
    scripted_tell(&s, &pause);
    s.now_ms = mien_client_core_wish(s.core).at_ms + 1000000;
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_in_range(mien_client_core_wish(s.core).at_ms, s.now_ms + 500, s.now_ms + 1000);
}

static void a_silent_coordinator_is_left(void **state)
{
    (void)state;
    scripted_start(&s);
    scripted_expect(&s, MIEN_FRAME_HELLO);
    s.now_ms = mien_client_core_wish(s.core).at_ms;
    assert_int_equal(mien_client_core_tick(s.core, s.now_ms), MIEN_OK);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_TIMEOUT);
}

static void an_error_about_identity_ends_it_and_others_do_not(void **state)
{
    (void)state;
    struct mien_message revoked = mien_message_make_error(MIEN_MESSAGE_ERROR_AUTH, "revoked");
    struct mien_message busy = mien_message_make_error(MIEN_MESSAGE_ERROR_INTERNAL, "no disk");

    scripted_start(&s);
    scripted_tell(&s, &busy);
    assert_true(mien_client_core_wish(s.core).close);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).connect);
    assert_int_equal(mien_client_core_connected(s.core, s.now_ms), MIEN_OK);
    scripted_tell(&s, &revoked);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).stopped);
    assert_int_equal(mien_client_core_wish(s.core).why, MIEN_EAUTH);
    assert_string_equal(mien_client_core_explain(s.core), "revoked");
}

static void stops_when_asked_and_when_its_rounds_are_done(void **state)
{
    (void)state;
    scripted_start(&s);
    mien_client_core_stop(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).close);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).stopped);
    assert_int_equal(mien_client_core_wish(s.core).why, MIEN_OK);
    mien_client_core_free(s.core);
    s.n_read = s.n_sent;

    s.config.limits.max_rounds = 2;
    s.config.record.n_sent = 2;
    scripted_start(&s);
    struct mien_message welcome = scripted_welcome(&s, 1);
    scripted_expect(&s, MIEN_FRAME_HELLO);
    scripted_tell(&s, &welcome);
    scripted_expect_silence(&s);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).stopped);
}

static void a_due_certificate_goes_before_the_check_in(void **state)
{
    (void)state;
    struct mien_message welcome = scripted_welcome(&s, 1);
    struct mien_client_identity identity = s.config.identity;

    welcome.welcome.renew_after_s = 0;
    scripted_start(&s);
    scripted_expect(&s, MIEN_FRAME_HELLO);
    scripted_tell(&s, &welcome);
    scripted_expect_silence(&s);
    assert_true(mien_client_core_wish(s.core).renew);
    mien_client_core_renewed(s.core, &identity);
    assert_true(mien_client_core_wish(s.core).close);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_in_range(mien_client_core_wish(s.core).at_ms, s.now_ms + 500, s.now_ms + 1000);
}

static void what_is_not_for_a_device_or_now_is_refused(void **state)
{
    (void)state;
    const enum mien_frame_type types[] = {
        MIEN_FRAME_HELLO,  MIEN_FRAME_CHECK_IN, MIEN_FRAME_GET,       MIEN_FRAME_CHUNK,
        MIEN_FRAME_READY,  MIEN_FRAME_SESSION,  MIEN_FRAME_KEYS,      MIEN_FRAME_ROSTER,
        MIEN_FRAME_SHARES, MIEN_FRAME_DELIVER,  MIEN_FRAME_SLOT,      MIEN_FRAME_INPUT_CHUNK,
        MIEN_FRAME_REVEAL, MIEN_FRAME_INPUT_OK, MIEN_FRAME_SURVIVORS, MIEN_FRAME_RENEW,
        MIEN_FRAME_ENROL,  MIEN_FRAME_ENROLLED, MIEN_FRAME_ASSIGN,    MIEN_FRAME_WELCOME,
        MIEN_FRAME_ROLL,   MIEN_FRAME_CONFIRM,  MIEN_FRAME_CONFIRMED,
    };

    /* Once while it waits for WELCOME (which is in order then), once after its check-in (ASSIGN is
     * then, but this one's signature does not hold). */
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct mien_message message = {.type = types[i]};

        for (int checked_in = 0; checked_in < 2; checked_in++) {
            s.n_read = s.n_sent = 0;
            for (size_t k = 0; k < SCRIPTED_MAX_SENT; k++)
                mien_buf_fini(&s.sent[k]);
            scripted_start(&s);
            if (checked_in)
                scripted_check_in(&s);
            else
                scripted_expect(&s, MIEN_FRAME_HELLO);
            scripted_tell(&s, &message);
            scripted_expect(&s, MIEN_FRAME_ERROR);
            assert_true(mien_client_core_wish(s.core).close);
            mien_client_core_free(s.core);
            s.core = NULL;
        }
    }
}

static void calls_out_of_order_are_statuses(void **state)
{
    (void)state;
    struct mien_message welcome = scripted_welcome(&s, 1);
    struct mien_client_core *core = NULL;

    assert_int_equal(mien_client_core_new(&s.config, &s.core), MIEN_OK);
    assert_int_equal(mien_client_core_receive(s.core, 0, &welcome), MIEN_ESTATE);
    assert_int_equal(mien_client_core_work(s.core, 0, NULL), MIEN_ESTATE);
    assert_int_equal(mien_client_core_pump(s.core, 0), MIEN_ESTATE);
    assert_int_equal(mien_client_core_connected(s.core, 0), MIEN_OK);
    assert_int_equal(mien_client_core_connected(s.core, 0), MIEN_ESTATE);
    s.config.host.save = NULL;
    assert_int_equal(mien_client_core_new(&s.config, &core), MIEN_EINVAL);
}

static void what_send_returns_ends_the_connection(void **state)
{
    (void)state;
    struct mien_message welcome = scripted_welcome(&s, 1);

    scripted_start(&s);
    s.on_send = MIEN_ENOMEM;
    assert_int_equal(mien_client_core_receive(s.core, 0, &welcome), MIEN_ENOMEM);
    assert_true(mien_client_core_wish(s.core).close);
}

static void an_idle_core_is_small(void **state)
{
    (void)state;
    /* Thousands live in one simulator: a core, its record and identity, and no model. */
    scripted_start(&s);
    scripted_check_in(&s);
    assert_true(mien_mem_live() <= 2 + 2 + 3); /* the core; plan, model, sent frames of the test */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(greets_with_what_it_remembers_and_checks_in),
        TEST(a_new_head_is_saved_before_the_check_in),
        TEST(another_run_or_signing_key_is_refused),
        TEST(a_ledger_that_went_back_or_forked_is_refused),
        TEST(come_back_is_kept_to_the_millisecond),
        TEST(a_lost_connection_keeps_the_pause_but_comes_back_to_be_counted),
        TEST(a_draining_coordinator_is_left_alone),
        TEST(retries_grow_with_jitter_and_are_bounded),
        TEST(an_answered_check_in_resets_the_retries),
        TEST(a_silent_coordinator_is_left),
        TEST(an_error_about_identity_ends_it_and_others_do_not),
        TEST(stops_when_asked_and_when_its_rounds_are_done),
        TEST(a_due_certificate_goes_before_the_check_in),
        TEST(what_is_not_for_a_device_or_now_is_refused),
        TEST(calls_out_of_order_are_statuses),
        TEST(what_send_returns_ends_the_connection),
        TEST(an_idle_core_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
