// SPDX-License-Identifier: Apache-2.0
#include "common/wire/tls.h"

#include "authority.h"
#include "common/base/digest.h"
#include "common/base/mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Everything that the pairs below need, made once. */
static struct {
    struct authority ca;
    struct authority other_ca;
    struct leaf server;
    struct leaf device;
    struct leaf expired;
    struct leaf early;
    struct leaf stranger; /* a device under the other authority */
    struct leaf other_server;
} pki;

static int make_pki(void **state)
{
    (void)state;
    pki.ca = authority_new();
    pki.other_ca = authority_new();
    pki.server = leaf_new(&pki.ca, MIEN_ISSUE_SERVER, -60, 3600);
    pki.device = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, -60, 3600);
    pki.expired = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, -600, -60);
    pki.early = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, 600, 3600);
    pki.stranger = leaf_new(&pki.other_ca, MIEN_ISSUE_DEVICE, -60, 3600);
    pki.other_server = leaf_new(&pki.other_ca, MIEN_ISSUE_SERVER, -60, 3600);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    struct leaf *leaves[] = {&pki.server, &pki.device,   &pki.expired,
                             &pki.early,  &pki.stranger, &pki.other_server};

    for (size_t i = 0; i < sizeof(leaves) / sizeof(*leaves); i++)
        mien_buf_fini(&leaves[i]->cert);
    mien_buf_fini(&pki.ca.cert);
    mien_buf_fini(&pki.other_ca.cert);
    return mien_mem_live() == 0 ? 0 : -1;
}

static struct mien_tls_context *context_of(enum mien_tls_role role, const struct leaf *leaf,
                                           const struct authority *ca)
{
    struct mien_tls_context *context = NULL;
    struct mien_tls_config config = {.role = role};
    struct mien_err err = {0};

    if (leaf != NULL) {
        config.cert = mien_buf_span(&leaf->cert);
        config.key = leaf->seed;
        config.ca_cert = mien_buf_span(&ca->cert);
    } else {
        assert_int_equal(mien_digest(mien_buf_span(&ca->cert), config.ca_fingerprint), MIEN_OK);
    }
    assert_int_equal(mien_tls_context_new(&config, &context, &err), MIEN_OK);
    return context;
}

/* Two ends and the wire between them. */
struct pair {
    struct mien_tls_context *contexts[2];
    struct mien_tls *ends[2]; /* server, client */
    enum mien_status status[2];
    struct mien_err err[2];
};

enum { SERVER, CLIENT };

static struct pair pair_of(struct mien_tls_context *server, struct mien_tls_context *client)
{
    struct pair pair = {.contexts = {server, client}};

    for (int i = 0; i < 2; i++)
        assert_int_equal(mien_tls_new(pair.contexts[i], &pair.ends[i]), MIEN_OK);
    return pair;
}

static void pair_free(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        mien_tls_free(pair->ends[i]);
        mien_tls_context_free(pair->contexts[i]);
    }
}

/* Carries what one end has to the other, `step` bytes at a time; true when something moved. */
static bool carry(struct pair *pair, int from, size_t step)
{
    struct mien_tls *source = pair->ends[from];
    struct mien_tls *sink = pair->ends[!from];
    struct mien_span out = mien_tls_pending_out(source);
    size_t n = out.len < step ? out.len : step;
    uint8_t copy[4096];
    size_t got = 0;

    if (n == 0)
        return false;
    memcpy(copy, out.data, n);
    mien_tls_sent(source, n);
    if (pair->status[!from] == MIEN_OK)
        pair->status[!from] = mien_tls_feed(sink, (struct mien_span){copy, n}, &pair->err[!from]);
    if (pair->status[!from] == MIEN_OK)
        pair->status[!from] = mien_tls_read(sink, copy, sizeof(copy), &got, &pair->err[!from]);
    assert_int_equal(got, 0); /* no plain byte was sent */
    return true;
}

static void shake(struct pair *pair, size_t step)
{
    bool moved = true;

    while (moved) {
        moved = carry(pair, CLIENT, step);
        moved = carry(pair, SERVER, step) || moved;
    }
}

static struct pair good_pair(void)
{
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                               context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));

    shake(&pair, 4096);
    return pair;
}

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

/* Carries a megabyte both ways with a slow reader, and never more than the bound waits. */
static void bytes_arrive_whole_under_backpressure(void **state)
{
    (void)state;
    enum { TOTAL = 1 << 20 };
    struct pair pair = good_pair();

    for (int from = 0; from < 2; from++) {
        uint8_t piece[9000];
        uint8_t plain[5000];
        size_t n_written = 0;
        size_t n_read = 0;

        while (n_read < TOTAL) {
            size_t taken = 0;
            size_t n = 1;
            size_t want = TOTAL - n_written < sizeof(piece) ? TOTAL - n_written : sizeof(piece);

            for (size_t k = 0; k < want; k++)
                piece[k] = (uint8_t)((n_written + k) * 31 >> 3);
            assert_int_equal(
                mien_tls_write(pair.ends[from], (struct mien_span){piece, want}, &taken), MIEN_OK);
            n_written += taken;

            struct mien_span out = mien_tls_pending_out(pair.ends[from]);

            assert_true(out.len <= MIEN_TLS_OUT_BYTES + 16384 + 256);
            out.len = out.len < 3000 ? out.len : 3000;
            assert_int_equal(mien_tls_feed(pair.ends[!from], out, NULL), MIEN_OK);
            mien_tls_sent(pair.ends[from], out.len);
            while (n > 0) {
                assert_int_equal(mien_tls_read(pair.ends[!from], plain, sizeof(plain), &n, NULL),
                                 MIEN_OK);
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(plain[k], (uint8_t)((n_read + k) * 31 >> 3));
                n_read += n;
            }
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

/* A plain OpenSSL client with settings that ours cannot have. */
static void foreign_client(int version, const char *alpn, bool with_certificate,
                           enum mien_status why, const char *words)
{
    struct mien_tls_context *context = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca);
    struct mien_tls *server = NULL;
    struct mien_err err = {0};
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    const unsigned char *der = pki.device.cert.data;
    X509 *x509 = d2i_X509(NULL, &der, (long)pki.device.cert.len);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, pki.device.seed, 32);
    enum mien_status status = MIEN_OK;
    uint8_t bytes[8192];
    size_t n = 0;

    SSL_CTX_set_max_proto_version(ssl_ctx, version);
    if (with_certificate) {
        SSL_CTX_use_certificate(ssl_ctx, x509);
        SSL_CTX_use_PrivateKey(ssl_ctx, pkey);
    }

    SSL *ssl = SSL_new(ssl_ctx);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    if (alpn != NULL)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    assert_int_equal(mien_tls_new(context, &server), MIEN_OK);
    for (int turn = 0; turn < 6 && status == MIEN_OK; turn++) {
        SSL_do_handshake(ssl);
        int got = BIO_read(out, bytes, sizeof(bytes));
        if (got > 0)
            status = mien_tls_feed(server, (struct mien_span){bytes, (size_t)got}, &err);
        if (status == MIEN_OK)
            status = mien_tls_read(server, bytes, sizeof(bytes), &n, &err);
        struct mien_span pending = mien_tls_pending_out(server);
        BIO_write(in, pending.data, (int)pending.len);
        mien_tls_sent(server, pending.len);
    }
    assert_int_equal(status, why);
    assert_false(mien_tls_established(server) && why != MIEN_OK);
    if (words != NULL)
        assert_non_null(strstr(err.text, words));
    mien_tls_free(server);
    mien_tls_context_free(context);
    SSL_free(ssl);
    SSL_CTX_free(ssl_ctx);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
}

static void foreign_clients_are_refused(void **state)
{
    (void)state;
    foreign_client(TLS1_3_VERSION, "\x06mien/1", true, MIEN_OK, NULL);
    foreign_client(TLS1_2_VERSION, "\x06mien/1", true, MIEN_EPARSE, "TLS 1.3");
    foreign_client(TLS1_3_VERSION, "\x06mien/1", false, MIEN_EAUTH, "no certificate");
    foreign_client(TLS1_3_VERSION, "\x02h2\x08http/1.1", true, MIEN_EPARSE, "another protocol");
    foreign_client(TLS1_3_VERSION, NULL, true, MIEN_EPARSE, "no application protocol");
}

static void what_is_no_client_hello_costs_no_ssl_object(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t n;
        enum mien_status status;
    } starts[] = {
        {{0x16, 3, 1, 2, 0}, 5, MIEN_OK}, /* may become one */
        {{0x16, 3, 3, 0, 64, 1}, 6, MIEN_OK},
        {{0x16, 3, 1, 0, 63}, 5, MIEN_EPARSE},
        {{0x16, 3, 1, 0x10, 1}, 5, MIEN_EPARSE},
        {{0x16, 3, 2}, 3, MIEN_EPARSE},
        {{0x16, 2}, 2, MIEN_EPARSE},
        {{0x80}, 1, MIEN_EPARSE},
        {"GET / H", 7, MIEN_EPARSE},
    };
    struct mien_tls_context *context = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca);

    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        struct mien_tls *tls = NULL;

        assert_int_equal(mien_tls_new(context, &tls), MIEN_OK);
        assert_int_equal(mien_tls_feed(tls, (struct mien_span){starts[i].bytes, starts[i].n}, NULL),
                         starts[i].status);
        assert_int_equal(mien_tls_pending_out(tls).len, 0);
        mien_tls_free(tls);
    }
    mien_tls_context_free(context);
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
        cmocka_unit_test(foreign_clients_are_refused),
        cmocka_unit_test(what_is_no_client_hello_costs_no_ssl_object),
        cmocka_unit_test(a_broken_handshake_never_establishes_both_ends),
        cmocka_unit_test(too_much_unread_input_is_refused),
        cmocka_unit_test(contexts_refuse_what_does_not_belong_together),
        cmocka_unit_test(connections_survive_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
