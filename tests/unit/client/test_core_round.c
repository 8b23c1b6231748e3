// SPDX-License-Identifier: Apache-2.0
/* A round up to READY: assignment, fetching, guard, training. */
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

/* Signs an assignment again after a change. */
static void sign(struct mien_message *message)
{
    uint8_t statement[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];

    mien_message_assign_statement(s.config.identity.run_id, &message->assign, statement);
    assert_int_equal(mien_identity_sign(s.signing_seed,
                                        (struct mien_span){statement, sizeof(statement)},
                                        message->assign.signature),
                     MIEN_OK);
}

static void fetches_in_chunks_trains_and_is_ready(void **state)
{
    (void)state;
    scripted_make_plan(&s, false); /* the preset's own networks: a model of many chunks */
    assert_true(s.model_bytes.len > 60000);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_train(&s, 3, 2);
    assert_int_equal(mien_client_core_info(s.core).round, 3);
    assert_int_equal(mien_client_core_info(s.core).note, MIEN_CLIENT_NOTE_NONE);
    assert_true(mien_client_core_info(s.core).memory_bytes > s.model_bytes.len);
    assert_int_equal(s.saved.seq, 2);
    scripted_expect_silence(&s);
}

static void what_examples_say_shows_in_the_local_log_only(void **state)
{
    (void)state;
    s.n_examples = 0;
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_train(&s, 1, 2); /* READY as usual */
    assert_int_equal(mien_client_core_info(s.core).note, MIEN_CLIENT_NOTE_FEW);
    assert_non_null(strstr(s.warned, "too few"));
    scripted_expect_silence(&s);
}

static void any_changed_field_breaks_the_signature(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct mien_message message = scripted_assign(&s, 1, 1, 2);
        struct mien_message_assign *a = &message.assign;

        a->round += i == 0;
        a->attempt += i == 1;
        a->plan_hash[31] ^= i == 2;
        a->model_hash[0] ^= i == 3;
        a->model_version += i == 4;
        a->mark.head[9] ^= i == 5;
        a->signature[63] ^= i == 6;
        scripted_start(&s);
        scripted_check_in(&s);
        scripted_tell(&s, &message);
        scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_AUTH);
        mien_client_core_free(s.core);
        s.core = NULL;
        assert_int_equal(s.saved.seq, 1); /* the forged place in the ledger was not kept */
    }
}

static void a_forked_ledger_in_an_assignment_is_refused(void **state)
{
    (void)state;
    struct mien_message message = scripted_assign(&s, 1, 1, 1);

    message.assign.mark.head[0] ^= 1;
    sign(&message);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &message);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_AUTH);
}

static void an_attempt_that_has_its_vector_gets_no_second(void **state)
{
    (void)state;
    s.config.record.n_sent = 1;
    s.config.record.sent_round = 4;
    s.config.record.sent_attempt = 1;
    for (int i = 0; i < 2; i++) {
        struct mien_message message = scripted_assign(&s, i == 0 ? 4 : 3, 1, 2);

        scripted_start(&s);
        scripted_check_in(&s);
        scripted_tell(&s, &message);
        scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
        mien_client_core_free(s.core);
        s.core = NULL;
    }
    struct mien_message message = scripted_assign(&s, 4, 2, 2);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &message);
    scripted_expect(&s, MIEN_FRAME_GET);
}

/* Under a plan with limits: this round and attempt, after so many vectors, the last for round 10.
 */
static void assign_after(uint64_t n_sent, uint64_t round, uint32_t attempt)
{
    struct mien_message message = scripted_assign(&s, round, attempt, 2);

    mien_client_core_free(s.core);
    s.core = NULL;
    s.config.record.n_sent = n_sent;
    s.config.record.sent_round = n_sent > 0 ? 10 : 0;
    s.config.record.sent_attempt = n_sent > 0 ? 1 : 0;
    s.n_read = s.n_sent;
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &message);
    scripted_serve(&s, 60000); /* the plan, whose limits it learns from there */
}

/* The coordinator lies about when this device took part, or has forgotten: the device has not. */
static void a_device_refuses_what_comes_too_early_or_too_often(void **state)
{
    (void)state;
    s.plan.rate = 1.0;
    s.plan.sampling = MIEN_PLAN_UNSAMPLED;
    s.plan.strategy = MIEN_PLAN_TREE;
    s.plan.min_separation = 5;
    s.plan.max_participations = 3;
    scripted_use_plan(&s);
    assign_after(0, 1, 1); /* the first time */
    scripted_expect(&s, MIEN_FRAME_GET);
    for (uint64_t round = 11; round < 15; round++) {
        assign_after(1, round, 1);
        scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
        assert_non_null(strstr(s.warned, "sits out until round 15"));
        mien_client_core_disconnected(s.core, s.now_ms);
        assert_false(mien_client_core_wish(s.core).stopped); /* it comes back later */
    }
    assign_after(2, 15, 1);
    scripted_expect(&s, MIEN_FRAME_GET);
    assign_after(2, 10, 2); /* another attempt at the same round is the same part */
    scripted_expect(&s, MIEN_FRAME_GET);
    assign_after(3, 100, 1);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
    assert_non_null(strstr(s.warned, "has given 3 vectors"));
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).stopped); /* for good */
}

/* What is asked of a drill are zeros: they are no part. */
static void a_drill_is_no_part(void **state)
{
    (void)state;
    s.plan.rate = 1.0;
    s.plan.sampling = MIEN_PLAN_UNSAMPLED;
    s.plan.min_separation = 5;
    s.plan.max_participations = 1;
    scripted_use_plan(&s);
    s.config.record = (struct mien_client_record){.n_sent = 1, .sent_round = 10, .sent_attempt = 1};
    const struct mien_message drill = scripted_assign_for(&s, 11, 1, 2, MIEN_MESSAGE_PURPOSE_DRILL);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &drill);
    scripted_serve(&s, 60000);
    scripted_expect(&s, MIEN_FRAME_READY);
}

static void chunks_that_do_not_continue_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct mien_message assign = scripted_assign(&s, 1, 1, 2);
        struct mien_message chunk = {
            .type = MIEN_FRAME_CHUNK,
            .chunk = {MIEN_MESSAGE_PLAN, 0, s.plan_bytes.len, mien_buf_span(&s.plan_bytes)}};

        chunk.chunk.what = i == 0 ? MIEN_MESSAGE_MODEL : MIEN_MESSAGE_PLAN;
        chunk.chunk.offset += i == 1;
        chunk.chunk.total += i == 2;
        chunk.chunk.data.len -= i == 3 ? chunk.chunk.data.len : 0;
        scripted_start(&s);
        scripted_check_in(&s);
        scripted_tell(&s, &assign);
        scripted_expect(&s, MIEN_FRAME_GET);
        if (i == 4) { /* the right length with another content */
            s.plan_bytes.data[3] ^= 1;
            scripted_tell(&s, &chunk);
            s.plan_bytes.data[3] ^= 1;
            scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_AUTH);
        } else {
            scripted_tell(&s, &chunk);
            scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_PROTOCOL);
        }
        mien_client_core_free(s.core);
        s.core = NULL;
    }
}

static void a_plan_over_a_limit_ends_it_before_the_model_is_fetched(void **state)
{
    (void)state;
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);

    s.config.limits.min_cohort = s.plan.cohort + 1;
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
    mien_client_core_disconnected(s.core, s.now_ms);
    assert_true(mien_client_core_wish(s.core).stopped);
    assert_int_equal(mien_client_core_wish(s.core).why, MIEN_EPOLICY);
    assert_non_null(strstr(mien_client_core_explain(s.core), "cohort"));
}

static void memory_is_judged_before_it_is_taken(void **state)
{
    (void)state;
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);
    long before;

    s.config.limits.max_memory_bytes = s.model_bytes.len;
    scripted_start(&s);
    scripted_check_in(&s);
    before = mien_mem_live();
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
    /* The plan's bytes stay; two messages were captured. */
    assert_true(mien_mem_live() <= before + 3);
}

static void a_model_of_another_length_is_refused(void **state)
{
    (void)state;
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);

    assign.assign.model_bytes -= 4;
    sign(&assign);
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_PROTOCOL);
}

static void come_back_in_the_middle_forgets_the_round(void **state)
{
    (void)state;
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);
    struct mien_message again = scripted_assign(&s, 2, 1, 3);
    struct mien_message pause = {.type = MIEN_FRAME_COME_BACK,
                                 .come_back = {10, MIEN_MESSAGE_ROUND_CLOSED}};

    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_serve(&s, 60000);
    assert_int_equal(mien_client_core_work(s.core, s.now_ms, NULL), MIEN_OK);
    scripted_tell(&s, &pause);
    assert_int_equal(mien_client_core_info(s.core).round, 0);
    assert_false(mien_client_core_wish(s.core).work);
    s.now_ms += 10;
    assert_int_equal(mien_client_core_tick(s.core, s.now_ms), MIEN_OK);
    scripted_expect(&s, MIEN_FRAME_CHECK_IN);
    /* Plan and model are the same: neither is fetched again. */
    scripted_tell(&s, &again);
    scripted_expect_silence(&s);
    assert_true(mien_client_core_wish(s.core).work);
}

static bool find(void *self, const uint8_t hash[32], struct mien_span *out)
{
    struct scripted *scripted = self;
    bool plan = memcmp(hash, scripted->plan_hash, 32) == 0;
    bool model = memcmp(hash, scripted->model_hash, 32) == 0;

    *out = mien_buf_span(plan ? &scripted->plan_bytes : &scripted->model_bytes);
    return plan || model;
}

static void what_the_surroundings_have_is_not_fetched(void **state)
{
    (void)state;
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);
    struct mien_client_train *train = NULL;

    s.config.host.find = find;
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &assign);
    scripted_expect_silence(&s);
    /* Training memory can be lent, too: the core then holds its vector only. */
    assert_int_equal(mien_client_train_new(&s.plan, &train), MIEN_OK);
    long live = mien_mem_live();
    while (mien_client_core_wish(s.core).work)
        assert_int_equal(mien_client_core_work(s.core, s.now_ms, train), MIEN_OK);
    scripted_expect(&s, MIEN_FRAME_READY);
    assert_true(mien_mem_live() <= live + 3);
    mien_client_train_free(train);
}

static void every_failed_allocation_ends_the_connection_only(void **state)
{
    (void)state;
    bool ready = false;

    for (long k = 0; !ready; k++) {
        struct mien_message assign = scripted_assign(&s, (uint64_t)k + 1, 1, 2);
        enum mien_status status;

        s.config.host.find = find;
        scripted_start(&s);
        scripted_check_in(&s);
        mien_mem_fail_at(k);
        status = mien_client_core_receive(s.core, s.now_ms, &assign);
        while (status == MIEN_OK && mien_client_core_wish(s.core).work)
            status = mien_client_core_work(s.core, s.now_ms, NULL);
        mien_mem_fail_at(-1);
        ready = status == MIEN_OK;
        if (!ready) {
            assert_int_equal(status, MIEN_ENOMEM);
            assert_true(mien_client_core_wish(s.core).close);
        }
        mien_client_core_free(s.core);
        s.core = NULL;
        for (size_t i = 0; i < s.n_sent; i++)
            mien_buf_fini(&s.sent[i]);
        s.n_sent = s.n_read = 0;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fetches_in_chunks_trains_and_is_ready),
        TEST(what_examples_say_shows_in_the_local_log_only),
        TEST(any_changed_field_breaks_the_signature),
        TEST(a_forked_ledger_in_an_assignment_is_refused),
        TEST(an_attempt_that_has_its_vector_gets_no_second),
        TEST(a_device_refuses_what_comes_too_early_or_too_often),
        TEST(a_drill_is_no_part),
        TEST(chunks_that_do_not_continue_are_refused),
        TEST(a_plan_over_a_limit_ends_it_before_the_model_is_fetched),
        TEST(memory_is_judged_before_it_is_taken),
        TEST(a_model_of_another_length_is_refused),
        TEST(come_back_in_the_middle_forgets_the_round),
        TEST(what_the_surroundings_have_is_not_fetched),
        TEST(every_failed_allocation_ends_the_connection_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
