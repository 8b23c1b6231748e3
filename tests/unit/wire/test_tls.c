// SPDX-License-Identifier: Apache-2.0
#include "common/wire/tls.h"

#include "tests/unit/wire/tls_pair.h"

static void a_device_and_its_coordinator_meet(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 4096};

    for (size_t i = 0; i < 3; i++) {
        struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                                   context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));
        struct mien_identity_cert peer;
        static const uint8_t id[16] = {0xab, 0xcd, 0xef};

        assert_int_equal(mien_tls_peer(pair.ends[SERVER], &peer), MIEN_ESTATE);
        shake(&pair, steps[i]);
        assert_true(mien_tls_established(pair.ends[SERVER]));
        assert_true(mien_tls_established(pair.ends[CLIENT]));
        assert_int_equal(mien_tls_peer(pair.ends[SERVER], &peer), MIEN_OK);
        assert_true(peer.is_device);
        assert_memory_equal(peer.device_id, id, 16);
        assert_memory_equal(peer.public_key, pki.device.key, 32);
        assert_int_equal(mien_tls_peer(pair.ends[CLIENT], &peer), MIEN_OK);
        assert_true(peer.for_server);
        pair_free(&pair);
    }
}

/* Byte number i of what is carried. */
static uint8_t carried(size_t i)
{
    return (uint8_t)(i * 31 >> 3);
}

/* Encrypts the next bytes of `total`, as many as are taken. */
static void write_some(struct mien_tls *tls, size_t total, size_t *n_written)
{
    uint8_t piece[9000];
    size_t taken = 0;
    size_t n = total - *n_written < sizeof(piece) ? total - *n_written : sizeof(piece);

    for (size_t k = 0; k < n; k++)
        piece[k] = carried(*n_written + k);
    assert_int_equal(mien_tls_write(tls, (struct mien_span){piece, n}, &taken), MIEN_OK);
    *n_written += taken;
}

/* Reads all that has come and checks it. */
static void read_all(struct mien_tls *tls, size_t *n_read)
{
    uint8_t plain[5000];
    size_t n = 1;

    while (n > 0) {
        assert_int_equal(mien_tls_read(tls, plain, sizeof(plain), &n, NULL), MIEN_OK);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(plain[k], carried(*n_read + k));
        *n_read += n;
    }
}

/* A megabyte each way through a slow wire; never more than the bound waits. */
static void bytes_arrive_whole_under_backpressure(void **state)
{
    (void)state;
    enum { TOTAL = 1 << 20 };
    struct pair pair = good_pair();

    for (int from = 0; from < 2; from++) {
        size_t n_written = 0;
        size_t n_read = 0;

        while (n_read < TOTAL) {
            write_some(pair.ends[from], TOTAL, &n_written);

            struct mien_span out = mien_tls_pending_out(pair.ends[from]);

            assert_true(out.len <= MIEN_TLS_OUT_BYTES + 16384 + 256);
            out.len = out.len < 3000 ? out.len : 3000;
            assert_int_equal(mien_tls_feed(pair.ends[!from], out, NULL), MIEN_OK);
            mien_tls_sent(pair.ends[from], out.len);
            read_all(pair.ends[!from], &n_read);
        }
        assert_int_equal(n_written, TOTAL);
    }
    pair_free(&pair);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
    (void)state;
    long before = mien_mem_live();
    struct pair pair = good_pair();

    /* Two contexts and two connections; OpenSSL's own blocks are not counted here. */
    assert_int_equal(mien_mem_live() - before, 4);
    pair_free(&pair);
}

static void an_end_is_told_from_a_cut(void **state)
{
    (void)state;
    struct pair pair = good_pair();
    size_t taken = 0;

    assert_false(mien_tls_peer_closed(pair.ends[SERVER]));
    mien_tls_close(pair.ends[CLIENT]);
    assert_int_equal(
        mien_tls_write(pair.ends[CLIENT], (struct mien_span){(uint8_t[]){1}, 1}, &taken),
        MIEN_ESTATE);
    shake(&pair, 4096);
    assert_true(mien_tls_peer_closed(pair.ends[SERVER]));
    assert_int_equal(pair.status[SERVER], MIEN_OK);
    pair_free(&pair);
}

/* A pair in which the server must refuse the client's certificate; TLS 1.3 tells the client so
 * after its own side of the handshake. */
static void server_refuses(const struct leaf *device, const struct authority *device_ca,
                           enum mien_status why, const char *words)
{
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                               context_of(MIEN_TLS_DEVICE, device, device_ca));

    shake(&pair, 4096);
    assert_false(mien_tls_established(pair.ends[SERVER]));
    assert_int_equal(pair.status[SERVER], why);
    assert_non_null(strstr(pair.err[SERVER].text, words));
    assert_int_not_equal(pair.status[CLIENT], MIEN_OK);
    assert_int_equal(mien_tls_feed(pair.ends[SERVER], (struct mien_span){NULL, 0}, NULL),
                     MIEN_ESTATE);
    pair_free(&pair);
}

static void wrong_device_certificates_are_refused(void **state)
{
    (void)state;
    /* The client trusts the right server, so that the server's judgement is what is seen. */
    server_refuses(&pki.expired, &pki.ca, MIEN_EEXPIRED, "expired");
    server_refuses(&pki.early, &pki.ca, MIEN_EEXPIRED, "not valid yet");
    server_refuses(&pki.stranger, &pki.ca, MIEN_EAUTH, "another authority");
    server_refuses(&pki.server, &pki.ca, MIEN_EAUTH, "another use");
}

static void a_device_refuses_a_server_of_another_authority(void **state)
{
    (void)state;
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.other_server, &pki.other_ca),
                               context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));

    shake(&pair, 4096);
    assert_int_equal(pair.status[CLIENT], MIEN_EAUTH);
    assert_non_null(strstr(pair.err[CLIENT].text, "another authority"));
    assert_false(mien_tls_established(pair.ends[SERVER]));
    pair_free(&pair);
}

static void a_device_refuses_a_device_as_its_server(void **state)
{
    (void)state;
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.device, &pki.ca),
                               context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));

    shake(&pair, 4096);
    assert_int_equal(pair.status[CLIENT], MIEN_EAUTH);
    assert_non_null(strstr(pair.err[CLIENT].text, "another use"));
    pair_free(&pair);
}

static void enrolment_pins_the_authority_by_its_fingerprint(void **state)
{
    (void)state;
    struct pair pair = pair_of(context_of(MIEN_TLS_ENROLMENT, &pki.server, &pki.ca),
                               context_of(MIEN_TLS_ENROLLING, NULL, &pki.ca));
    struct mien_identity_cert peer;

    shake(&pair, 4096);
    assert_true(mien_tls_established(pair.ends[SERVER]));
    assert_true(mien_tls_established(pair.ends[CLIENT]));
    assert_int_equal(mien_tls_peer(pair.ends[SERVER], &peer), MIEN_ESTATE);
    assert_int_equal(mien_tls_peer(pair.ends[CLIENT], &peer), MIEN_OK);
    pair_free(&pair);

    pair = pair_of(context_of(MIEN_TLS_ENROLMENT, &pki.other_server, &pki.other_ca),
                   context_of(MIEN_TLS_ENROLLING, NULL, &pki.ca));
    shake(&pair, 4096);
    assert_int_equal(pair.status[CLIENT], MIEN_EAUTH);
    pair_free(&pair);

    /* The right authority sent along with a leaf of another one. */
    pair = pair_of(context_of(MIEN_TLS_ENROLMENT, &pki.other_server, &pki.ca),
                   context_of(MIEN_TLS_ENROLLING, NULL, &pki.ca));
    shake(&pair, 4096);
    assert_int_equal(pair.status[CLIENT], MIEN_EAUTH);
    pair_free(&pair);
}

static void the_two_listeners_do_not_mix(void **state)
{
    (void)state;
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                               context_of(MIEN_TLS_ENROLLING, NULL, &pki.ca));

    shake(&pair, 4096);
    assert_int_equal(pair.status[SERVER], MIEN_EPARSE);
    assert_non_null(strstr(pair.err[SERVER].text, "mien/1"));
    assert_int_equal(pair.status[CLIENT], MIEN_EPARSE);
    assert_non_null(strstr(pair.err[CLIENT].text, "does not speak our protocol"));
    pair_free(&pair);
}

/* Flips one bit in every byte of the handshake in turn, towards either side. */
static void a_broken_handshake_never_establishes_both_ends(void **state)
{
    (void)state;
    bool reached = true;

    for (size_t target = 0; reached; target += 5) {
        struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                                   context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));
        size_t at = 0;

        reached = false;
        for (int turn = 0; turn < 6; turn++) {
            int from = turn % 2 == 0 ? CLIENT : SERVER;
            struct mien_span out = mien_tls_pending_out(pair.ends[from]);
            uint8_t copy[4096];

            assert_true(out.len <= sizeof(copy));
            if (out.len > 0)
                memcpy(copy, out.data, out.len);
            if (target >= at && target < at + out.len) {
                copy[target - at] ^= 0x10;
                reached = true;
            }
            at += out.len;
            mien_tls_sent(pair.ends[from], out.len);
            if (pair.status[!from] == MIEN_OK)
                pair.status[!from] =
                    mien_tls_feed(pair.ends[!from], (struct mien_span){copy, out.len}, NULL);
        }
        if (reached)
            assert_false(mien_tls_established(pair.ends[SERVER]) &&
                         mien_tls_established(pair.ends[CLIENT]));
        pair_free(&pair);
    }
}

/* Lets only the first `limit` bytes through in each direction, then frees both ends. */
static void a_handshake_cut_anywhere_ends_cleanly(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 1500; limit += 3) {
        struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                                   context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));
        size_t left[2] = {limit, limit};

        for (int turn = 0; turn < 6; turn++) {
            int from = turn % 2 == 0 ? CLIENT : SERVER;
            struct mien_span out = mien_tls_pending_out(pair.ends[from]);

            out.len = out.len < left[from] ? out.len : left[from];
            left[from] -= out.len;
            assert_int_equal(mien_tls_feed(pair.ends[!from], out, NULL), MIEN_OK);
            mien_tls_sent(pair.ends[from], out.len);
        }
        if (left[SERVER] == 0 && left[CLIENT] == 0)
            assert_false(mien_tls_established(pair.ends[SERVER]));
        pair_free(&pair);
    }
}

static void too_much_unread_input_is_refused(void **state)
{
    (void)state;
    struct pair pair = good_pair();
    static uint8_t bytes[MIEN_TLS_IN_BYTES + 1];

    assert_int_equal(
        mien_tls_feed(pair.ends[SERVER], (struct mien_span){bytes, sizeof(bytes)}, NULL),
        MIEN_ELIMIT);
    pair_free(&pair);
}

static void contexts_refuse_what_does_not_belong_together(void **state)
{
    (void)state;
    struct mien_tls_context *context = NULL;
    struct mien_tls_config config = {.role = MIEN_TLS_COORDINATOR,
                                     .cert = mien_buf_span(&pki.server.cert),
                                     .key = pki.device.seed,
                                     .ca_cert = mien_buf_span(&pki.ca.cert)};
    struct mien_err err = {0};

    assert_int_equal(mien_tls_context_new(&config, &context, &err), MIEN_EINVAL);
    config.key = pki.server.seed;
    config.cert.len--;
    assert_int_equal(mien_tls_context_new(&config, &context, &err), MIEN_EPARSE);
    config.cert.len++;
    config.ca_cert.len--;
    assert_int_equal(mien_tls_context_new(&config, &context, &err), MIEN_EPARSE);
    assert_null(context);
}

static void connections_survive_each_failed_allocation(void **state)
{
    (void)state;
    bool done = false;

    for (long k = 0; !done; k++) {
        struct mien_tls_context *contexts[2] = {
            context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
            context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca)};
        struct pair pair = {.contexts = {contexts[0], contexts[1]}};
        long live = mien_mem_live();

        mien_mem_fail_at(k);
        for (int i = 0; i < 2; i++)
            if (mien_tls_new(contexts[i], &pair.ends[i]) != MIEN_OK)
                pair.ends[i] = NULL;
        if (pair.ends[0] != NULL && pair.ends[1] != NULL)
            shake(&pair, 4096);
        done = pair.ends[0] != NULL && pair.ends[1] != NULL && mien_tls_established(pair.ends[0]) &&
               mien_tls_established(pair.ends[1]);
        mien_mem_fail_at(-1);
        for (int i = 0; i < 2; i++) {
            mien_tls_free(pair.ends[i]);
            pair.ends[i] = NULL;
        }
        assert_int_equal(mien_mem_live(), live);
        pair_free(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_and_its_coordinator_meet),
        cmocka_unit_test(bytes_arrive_whole_under_backpressure),
        cmocka_unit_test(an_idle_connection_holds_no_buffer),
        cmocka_unit_test(an_end_is_told_from_a_cut),
        cmocka_unit_test(wrong_device_certificates_are_refused),
        cmocka_unit_test(a_device_refuses_a_server_of_another_authority),
        cmocka_unit_test(a_device_refuses_a_device_as_its_server),
        cmocka_unit_test(enrolment_pins_the_authority_by_its_fingerprint),
        cmocka_unit_test(the_two_listeners_do_not_mix),
        cmocka_unit_test(a_broken_handshake_never_establishes_both_ends),
        cmocka_unit_test(a_handshake_cut_anywhere_ends_cleanly),
        cmocka_unit_test(too_much_unread_input_is_refused),
        cmocka_unit_test(contexts_refuse_what_does_not_belong_together),
        cmocka_unit_test(connections_survive_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
