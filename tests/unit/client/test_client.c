// SPDX-License-Identifier: Apache-2.0
/* The public library over real TLS in memory: enrolment, connection, misuse. */
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

/* A certificate and credential for the key that a request names. */
static void issue(struct mien_span csr, struct mien_buf *cert,
                  uint8_t credential[MIEN_CREDENTIAL_BYTES])
{
    struct mien_issue_request request = {.kind = MIEN_ISSUE_DEVICE,
                                         .not_before_s = mien_clock_unix_s() - 60,
                                         .not_after_s = mien_clock_unix_s() + 3600};
    struct mien_credential statement = {.not_after = mien_clock_unix_s() + 3600};

    memset(request.device_id, 0xab, sizeof(request.device_id));
    assert_int_equal(mien_identity_csr_decode(csr, request.public_key, NULL), MIEN_OK);
    memcpy(statement.device_id, request.device_id, sizeof(statement.device_id));
    memcpy(statement.key, request.public_key, sizeof(statement.key));
    assert_int_equal(mien_issue_cert(&request, l.ca_seed, mien_buf_span(&l.ca_cert), &l.rng, cert),
                     MIEN_OK);
    assert_int_equal(mien_credential_issue(&statement, l.ca_seed, credential), MIEN_OK);
}

static struct mien_message enrolled_answer(const struct mien_message *enrol)
{
    struct mien_message message = {.type = MIEN_FRAME_ENROLLED};
    struct mien_message_enrolled *e = &message.enrolled;
    struct mien_buf cert = {0};

    issue((struct mien_span){enrol->enrol.csr, enrol->enrol.csr_len}, &cert, e->credential);
    memcpy(e->cert, cert.data, cert.len);
    e->cert_len = cert.len;
    e->credential_len = MIEN_CREDENTIAL_BYTES;
    memcpy(e->ca_cert, l.ca_cert.data, l.ca_cert.len);
    e->ca_cert_len = l.ca_cert.len;
    memset(e->run_id, 1, sizeof(e->run_id));
    memcpy(e->signing_key, l.signing_key, sizeof(e->signing_key));
    e->port = 4433;
    mien_buf_fini(&cert);
    return message;
}

static void make(void)
{
    assert_int_equal(mien_client_new(&l.config, &l.client), MIEN_OK);
}

static void begin_enrolment(void)
{
    char token[MIEN_TOKEN_TEXT_BYTES];

    make();
    loopback_token(&l, token);
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_OK);
}

static void enrol(void)
{
    begin_enrolment();
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    struct mien_message ask = loopback_next(&l, MIEN_FRAME_ENROL);
    struct mien_message answer = enrolled_answer(&ask);
    loopback_tell(&l, &answer);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    loopback_close(&l);
}

static struct mien_client_info info(void)
{
    struct mien_client_info now = {.struct_bytes = sizeof(now)};

    assert_int_equal(mien_client_info(l.client, &now), MIEN_OK);
    return now;
}

static struct mien_message welcome(uint32_t renew_after_s)
{
    struct mien_message message = {
        .type = MIEN_FRAME_WELCOME,
        .welcome = {.mark = {.epoch = 1, .seq = 1, .head = {1}}, .renew_after_s = renew_after_s}};

    memset(message.welcome.run_id, 1, sizeof(message.welcome.run_id));
    memcpy(message.welcome.signing_key, l.signing_key, 32);
    return message;
}

/* Connects an enrolled device and reads its HELLO. */
static void connect_device(void)
{
    loopback_accept(&l, MIEN_TLS_COORDINATOR);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    (void)loopback_next(&l, MIEN_FRAME_HELLO);
}

static void enrols_saves_and_checks_in_over_mutual_tls(void **state)
{
    (void)state;
    struct mien_message hi = welcome(100000);
    struct mien_identity_cert peer;

    enrol();
    assert_int_equal(info().enrolled, 1);
    assert_string_equal(info().device_id, "abababababababababababababababab");
    connect_device();
    assert_int_equal(mien_tls_peer(l.tls, &peer), MIEN_OK);
    assert_true(peer.is_device);
    loopback_tell(&l, &hi);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    (void)loopback_next(&l, MIEN_FRAME_CHECK_IN);
    assert_int_equal(info().connected, 1);
}

static void a_new_process_goes_on_from_the_saved_state(void **state)
{
    (void)state;
    enrol();
    mien_client_free(l.client);
    make();
    assert_int_equal(info().enrolled, 1);
    connect_device();
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    l.step = 1;
    enrol();
    connect_device();
}

static void a_lost_answer_is_asked_for_again_under_the_same_key(void **state)
{
    (void)state;
    char token[MIEN_TOKEN_TEXT_BYTES];

    begin_enrolment();
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    struct mien_message first = loopback_next(&l, MIEN_FRAME_ENROL);
    loopback_hang_up(&l);
    assert_int_equal(mien_client_closed(l.client, l.now_ms), MIEN_OK);
    mien_client_free(l.client); /* even over a restart */
    make();
    loopback_token(&l, token);
    assert_int_equal(mien_client_enrol(l.client, token), MIEN_OK);
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    struct mien_message second = loopback_next(&l, MIEN_FRAME_ENROL);
    assert_int_equal(first.enrol.csr_len, second.enrol.csr_len);
    assert_memory_equal(first.enrol.csr, second.enrol.csr, first.enrol.csr_len);
}

static void a_refused_token_ends_it_with_the_reason(void **state)
{
    (void)state;
    const struct {
        enum mien_message_error_code code;
        enum mien_status status;
    } cases[] = {{MIEN_MESSAGE_ERROR_AUTH, MIEN_EAUTH},
                 {MIEN_MESSAGE_ERROR_EXPIRED, MIEN_EEXPIRED},
                 {MIEN_MESSAGE_ERROR_POLICY, MIEN_EPOLICY}};

    for (size_t i = 0; i < 3; i++) {
        struct mien_message no = mien_message_make_error(cases[i].code, "no, because");

        begin_enrolment();
        loopback_accept(&l, MIEN_TLS_ENROLMENT);
        assert_int_equal(loopback_run(&l), MIEN_OK);
        loopback_tell(&l, &no);
        assert_int_equal(loopback_run(&l), MIEN_OK);
        loopback_close(&l);
        assert_int_equal(loopback_wish(&l).flags, MIEN_CLIENT_STOP);
        assert_int_equal(mien_client_result(l.client), cases[i].status);
        assert_string_equal(mien_client_explain(l.client), "no, because");
        mien_client_free(l.client);
        l.client = NULL;
    }
}

static void what_only_happened_now_is_tried_again(void **state)
{
    (void)state;
    struct mien_message no = mien_message_make_error(MIEN_MESSAGE_ERROR_INTERNAL, "disk full");

    begin_enrolment();
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    loopback_tell(&l, &no);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    loopback_close(&l);
    assert_in_range(loopback_wish(&l).at_ms, l.now_ms + 500, l.now_ms + 1000);
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
}

static void another_authority_than_the_tokens_is_refused(void **state)
{
    (void)state;
    l.ca_fingerprint[0] ^= 1;
    begin_enrolment();
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    assert_int_equal(l.plain.len, 0); /* the token's secret has not left */
    loopback_close(&l);
    assert_int_equal(loopback_wish(&l).flags, MIEN_CLIENT_STOP);
    assert_int_equal(mien_client_result(l.client), MIEN_EAUTH);
}

static void a_certificate_for_another_key_is_refused(void **state)
{
    (void)state;
    uint8_t seed[32];
    uint8_t key[32];
    struct mien_buf csr = {0};
    struct mien_message wrong = {.type = MIEN_FRAME_ENROL};

    begin_enrolment();
    loopback_accept(&l, MIEN_TLS_ENROLMENT);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    assert_int_equal(mien_identity_draw(&l.rng, seed, key), MIEN_OK);
    assert_int_equal(mien_identity_csr_encode(seed, &csr), MIEN_OK);
    memcpy(wrong.enrol.csr, csr.data, csr.len);
    wrong.enrol.csr_len = csr.len;
    mien_buf_fini(&csr);
    struct mien_message answer = enrolled_answer(&wrong);
    loopback_tell(&l, &answer);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    loopback_close(&l);
    assert_int_equal(mien_client_result(l.client), MIEN_EAUTH);
    assert_int_equal(info().enrolled, 0);
}

static void a_coordinator_of_another_authority_is_left_and_tried_again(void **state)
{
    (void)state;
    struct loopback other;

    enrol();
    loopback_init(&other);
    mien_buf_fini(&l.server_cert);
    l.server_cert = other.server_cert;
    other.server_cert = (struct mien_buf){0};
    memcpy(l.server_seed, other.server_seed, 32);
    struct mien_buf kept = l.ca_cert;
    l.ca_cert = other.ca_cert;
    loopback_accept(&l, MIEN_TLS_COORDINATOR);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    assert_int_equal(l.plain.len, 0);
    loopback_close(&l);
    assert_true(loopback_wish(&l).at_ms > l.now_ms);
    assert_int_equal(mien_client_result(l.client), MIEN_OK);
    other.ca_cert = kept;
    loopback_fini(&other);
}

static void a_due_certificate_is_renewed_with_a_fresh_key(void **state)
{
    (void)state;
    struct mien_message now = welcome(0);
    struct mien_message answer = {.type = MIEN_FRAME_RENEWED};
    struct mien_identity_cert before;
    struct mien_identity_cert after;
    struct mien_buf cert = {0};

    enrol();
    connect_device();
    assert_int_equal(mien_tls_peer(l.tls, &before), MIEN_OK);
    loopback_tell(&l, &now);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    (void)loopback_wish(&l); /* time passes in poll */
    assert_int_equal(loopback_run(&l), MIEN_OK);
    struct mien_message ask = loopback_next(&l, MIEN_FRAME_RENEW);
    issue((struct mien_span){ask.renew.csr, ask.renew.csr_len}, &cert, answer.renewed.credential);
    memcpy(answer.renewed.cert, cert.data, cert.len);
    answer.renewed.cert_len = cert.len;
    answer.renewed.credential_len = MIEN_CREDENTIAL_BYTES;
    mien_buf_fini(&cert);
    loopback_tell(&l, &answer);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    loopback_close(&l);
    connect_device();
    assert_int_equal(mien_tls_peer(l.tls, &after), MIEN_OK);
    assert_memory_not_equal(before.public_key, after.public_key, 32);
}

static void a_state_that_cannot_be_saved_ends_the_connection(void **state)
{
    (void)state;
    enrol();
    connect_device();
    struct mien_message hi = welcome(100000);
    loopback_tell(&l, &hi);
    l.on_save = MIEN_ENOSPC;
    assert_int_equal(loopback_run(&l), MIEN_ENOSPC);
    assert_true((loopback_wish(&l).flags & MIEN_CLIENT_CLOSE) != 0);
    assert_int_equal(l.plain.len, 0); /* no check-in */
}

static void garbage_for_tls_or_frames_ends_the_connection_only(void **state)
{
    (void)state;
    uint8_t garbage[100];
    size_t taken;

    enrol();
    memset(garbage, 0xff, sizeof(garbage));
    loopback_accept(&l, MIEN_TLS_COORDINATOR);
    assert_int_equal(mien_client_input(l.client, l.now_ms, garbage, sizeof(garbage)), MIEN_OK);
    loopback_close(&l);
    connect_device();
    assert_int_equal(mien_tls_write(l.tls, (struct mien_span){garbage, 100}, &taken), MIEN_OK);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    (void)loopback_next(&l, MIEN_FRAME_ERROR);
    loopback_close(&l);
    assert_true(loopback_wish(&l).at_ms > l.now_ms);
}

static void a_handshake_that_stands_still_is_given_up(void **state)
{
    (void)state;
    enrol();
    loopback_accept(&l, MIEN_TLS_COORDINATOR);
    struct mien_client_wish wish = loopback_wish(&l);
    assert_in_range(wish.at_ms, l.now_ms + 1, l.now_ms + 60000);
    l.now_ms = wish.at_ms;
    loopback_close(&l);
}

static void stop_says_goodbye_and_then_stops(void **state)
{
    (void)state;
    enrol();
    connect_device();
    assert_int_equal(mien_client_stop(l.client, l.now_ms), MIEN_OK);
    assert_true((loopback_wish(&l).flags & MIEN_CLIENT_SEND) != 0);
    assert_int_equal(loopback_run(&l), MIEN_OK);
    assert_true(mien_tls_peer_closed(l.tls));
    loopback_close(&l);
    assert_int_equal(loopback_wish(&l).flags, MIEN_CLIENT_STOP);
    assert_int_equal(mien_client_result(l.client), MIEN_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enrols_saves_and_checks_in_over_mutual_tls),
        TEST(a_new_process_goes_on_from_the_saved_state),
        TEST(bytes_may_come_one_by_one),
        TEST(a_lost_answer_is_asked_for_again_under_the_same_key),
        TEST(a_refused_token_ends_it_with_the_reason),
        TEST(what_only_happened_now_is_tried_again),
        TEST(another_authority_than_the_tokens_is_refused),
        TEST(a_certificate_for_another_key_is_refused),
        TEST(a_coordinator_of_another_authority_is_left_and_tried_again),
        TEST(a_due_certificate_is_renewed_with_a_fresh_key),
        TEST(a_state_that_cannot_be_saved_ends_the_connection),
        TEST(garbage_for_tls_or_frames_ends_the_connection_only),
        TEST(a_handshake_that_stands_still_is_given_up),
        TEST(stop_says_goodbye_and_then_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
