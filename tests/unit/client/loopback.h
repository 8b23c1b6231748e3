/* A client of the public library and the coordinator's end of its connection, joined in memory:
 * real TLS, real frames, a scripted other side.
 */
#ifndef MIEN_TESTS_UNIT_CLIENT_LOOPBACK_H
#define MIEN_TESTS_UNIT_CLIENT_LOOPBACK_H

#include "client/client_internal.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/secagg/credential.h"
#include "common/wire/identity.h"
#include "common/wire/issue.h"
#include "common/wire/tls.h"
#include "common/wire/token.h"

#include <mien/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct loopback {
    /* The host of the client. */
    struct mien_client_config config;
    struct mien_client *client;
    uint64_t now_ms;
    uint8_t state[MIEN_CLIENT_STATE_BYTES];
    size_t state_len;
    size_t n_saves;
    enum mien_status on_save;
    char last_log[1024];

    /* The other side. */
    struct mien_rng rng;
    uint8_t ca_seed[32];
    uint8_t ca_key[32];
    uint8_t server_seed[32];
    uint8_t signing_key[32];
    struct mien_buf ca_cert;
    struct mien_buf server_cert;
    uint8_t ca_fingerprint[32];
    struct mien_tls_context *context;
    struct mien_tls *tls;
    struct mien_frame_reader reader;
    struct mien_buf plain; /* received, not yet read by the test */
    size_t step;           /* bytes handed over at a time */
};

static inline enum mien_status loopback_load(void *self, void *buf, size_t cap, size_t *len)
{
    const struct loopback *l = self;

    assert_true(l->state_len <= cap);
    memcpy(buf, l->state, l->state_len);
    *len = l->state_len;
    return MIEN_OK;
}

static inline enum mien_status loopback_save(void *self, const void *state, size_t len)
{
    struct loopback *l = self;

    if (l->on_save != MIEN_OK)
        return l->on_save;
    assert_true(len <= sizeof(l->state));
    memcpy(l->state, state, len);
    l->state_len = len;
    l->n_saves++;
    return MIEN_OK;
}

static inline size_t loopback_n_examples(void *self)
{
    (void)self;
    return 6;
}

static inline enum mien_status loopback_example(void *self, size_t index, unsigned size,
                                                unsigned channels, float *pixels)
{
    (void)self;
    for (size_t i = 0; i < (size_t)size * size * channels; i++)
        pixels[i] = (float)((index + i) % 5) / 4;
    return MIEN_OK;
}

static inline void loopback_log(void *self, enum mien_client_level level, const char *line)
{
    struct loopback *l = self;

    (void)level;
    (void)snprintf(l->last_log, sizeof(l->last_log), "%s", line);
}

static inline void loopback_init(struct loopback *l)
{
    struct mien_client_config config = MIEN_CLIENT_CONFIG_INIT;
    int64_t now_s = mien_clock_unix_s();
    struct mien_issue_request request = {.kind = MIEN_ISSUE_SERVER,
                                         .host = "localhost",
                                         .not_before_s = now_s - 60,
                                         .not_after_s = now_s + 86400};

    memset(l, 0, sizeof(*l));
    l->config = config;
    l->config.software = "loopback";
    l->config.host.self = l;
    l->config.host.load = loopback_load;
    l->config.host.save = loopback_save;
    l->config.host.n_examples = loopback_n_examples;
    l->config.host.example = loopback_example;
    l->config.host.log = loopback_log;
    l->now_ms = 5000;
    l->step = SIZE_MAX;
    l->rng = mien_rng_system();
    assert_int_equal(mien_identity_draw(&l->rng, l->ca_seed, l->ca_key), MIEN_OK);
    assert_int_equal(mien_identity_draw(&l->rng, l->server_seed, request.public_key), MIEN_OK);
    memset(l->signing_key, 9, sizeof(l->signing_key));
    assert_int_equal(
        mien_issue_ca(l->ca_seed, "test", now_s - 60, now_s + 86400, &l->rng, &l->ca_cert),
        MIEN_OK);
    assert_int_equal(
        mien_issue_cert(&request, l->ca_seed, mien_buf_span(&l->ca_cert), &l->rng, &l->server_cert),
        MIEN_OK);
    assert_int_equal(mien_digest(mien_buf_span(&l->ca_cert), l->ca_fingerprint), MIEN_OK);
}

/* The coordinator's end is closed. */
static inline void loopback_hang_up(struct loopback *l)
{
    mien_tls_free(l->tls);
    mien_tls_context_free(l->context);
    mien_frame_reader_fini(&l->reader);
    mien_buf_fini(&l->plain);
    l->tls = NULL;
    l->context = NULL;
}

static inline void loopback_fini(struct loopback *l)
{
    loopback_hang_up(l);
    mien_client_free(l->client);
    mien_buf_fini(&l->ca_cert);
    mien_buf_fini(&l->server_cert);
    l->client = NULL;
}

static inline void loopback_token(const struct loopback *l, char text[MIEN_TOKEN_TEXT_BYTES])
{
    struct mien_token token = {.host = "localhost", .port = 4434};

    memcpy(token.ca_fingerprint, l->ca_fingerprint, sizeof(token.ca_fingerprint));
    memset(token.secret, 5, sizeof(token.secret));
    assert_int_equal(mien_token_encode(&token, text), MIEN_OK);
}

static inline struct mien_client_wish loopback_wish(struct loopback *l)
{
    struct mien_client_wish wish;

    assert_int_equal(mien_client_poll(l->client, l->now_ms, &wish), MIEN_OK);
    return wish;
}

/* Waits until the client wants a connection, and accepts it. */
static inline void loopback_accept(struct loopback *l, enum mien_tls_role role)
{
    struct mien_tls_config config = {.role = role,
                                     .cert = mien_buf_span(&l->server_cert),
                                     .key = l->server_seed,
                                     .ca_cert = mien_buf_span(&l->ca_cert)};
    struct mien_client_wish wish = loopback_wish(l);

    if ((wish.flags & MIEN_CLIENT_CONNECT) == 0) {
        assert_true(wish.at_ms != MIEN_CLIENT_NEVER);
        l->now_ms = wish.at_ms;
        wish = loopback_wish(l);
    }
    assert_true((wish.flags & MIEN_CLIENT_CONNECT) != 0);
    assert_string_equal(wish.host, "localhost");
    assert_int_equal(wish.port, role == MIEN_TLS_ENROLMENT ? 4434 : 4433);
    assert_int_equal(mien_tls_context_new(&config, &l->context, NULL), MIEN_OK);
    assert_int_equal(mien_tls_new(l->context, &l->tls), MIEN_OK);
    mien_frame_reader_init(&l->reader, role == MIEN_TLS_ENROLMENT ? MIEN_FRAME_AT_ENROLMENT
                                                                  : MIEN_FRAME_AT_COORDINATOR);
    assert_int_equal(mien_client_connected(l->client, l->now_ms), MIEN_OK);
}

/* Device to coordinator; false when there was nothing. */
static inline bool loopback_up(struct loopback *l)
{
    const void *data;
    size_t n;
    uint8_t plain[4096];
    size_t n_plain = 1;

    assert_int_equal(mien_client_output(l->client, l->now_ms, &data, &n), MIEN_OK);
    if (n == 0)
        return false;
    n = n < l->step ? n : l->step;
    /* An error of the coordinator's side shows in what the client gets. */
    if (mien_tls_feed(l->tls, (struct mien_span){data, n}, NULL) != MIEN_OK)
        n_plain = 0;
    assert_int_equal(mien_client_sent(l->client, n), MIEN_OK);
    while (n_plain > 0) {
        if (mien_tls_read(l->tls, plain, sizeof(plain), &n_plain, NULL) != MIEN_OK)
            break;
        assert_int_equal(mien_buf_append(&l->plain, plain, n_plain), MIEN_OK);
    }
    return true;
}

/* Coordinator to device. */
static inline bool loopback_down(struct loopback *l, enum mien_status *status)
{
    struct mien_span out = mien_tls_pending_out(l->tls);
    size_t n = out.len < l->step ? out.len : l->step;

    if (n == 0)
        return false;
    *status = mien_client_input(l->client, l->now_ms, out.data, n);
    mien_tls_sent(l->tls, n);
    return *status == MIEN_OK;
}

/* Carries bytes both ways until both are silent; what the last input returned. */
static inline enum mien_status loopback_run(struct loopback *l)
{
    enum mien_status status = MIEN_OK;
    bool moved = true;

    while (moved) {
        moved = loopback_up(l);
        moved = loopback_down(l, &status) || moved;
    }
    return status;
}

/* The next message from the device; fails when there is none. No list types. */
static inline struct mien_message loopback_next(struct loopback *l, enum mien_frame_type type)
{
    struct mien_span in = mien_buf_span(&l->plain);
    struct mien_message message;
    struct mien_frame frame;
    struct mien_err err = {0};
    bool whole = false;

    assert_int_equal(mien_frame_next(&l->reader, &in, &frame, &whole, &err), MIEN_OK);
    if (!whole)
        fail_msg("the device sent no %s (last log: %s)", mien_frame_name(type), l->last_log);
    assert_int_equal(mien_message_decode(frame, &message, NULL), MIEN_OK);
    mien_buf_consume(&l->plain, l->plain.len - in.len);
    if (message.type != type)
        fail_msg("the device sent %s for %s", mien_frame_name(message.type), mien_frame_name(type));
    return message;
}

static inline void loopback_tell(struct loopback *l, const struct mien_message *message)
{
    struct mien_buf bytes = {0};
    size_t taken;

    assert_int_equal(mien_message_encode(message, &bytes), MIEN_OK);
    assert_int_equal(mien_tls_write(l->tls, mien_buf_span(&bytes), &taken), MIEN_OK);
    assert_int_equal(taken, bytes.len);
    mien_buf_fini(&bytes);
}

/* Ends the connection as the client wants it. */
static inline void loopback_close(struct loopback *l)
{
    assert_true((loopback_wish(l).flags & MIEN_CLIENT_CLOSE) != 0);
    loopback_hang_up(l);
    assert_int_equal(mien_client_closed(l->client, l->now_ms), MIEN_OK);
}

#endif
