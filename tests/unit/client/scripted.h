/* A scripted coordinator for tests of the device core: one device, a small plan, every message
 * that the device sends kept as its frame.
 */
#ifndef MIEN_TESTS_UNIT_CLIENT_SCRIPTED_H
#define MIEN_TESTS_UNIT_CLIENT_SCRIPTED_H

#include "client/core.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/nn/model.h"
#include "common/plan/plan.h"
#include "common/wire/identity.h"
#include "common/wire/message.h"
#include "common/wire/plan_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCRIPTED_MAX_SENT 256

struct scripted {
    struct mien_client_core *core;
    struct mien_client_core_config config;
    uint64_t now_ms;
    struct mien_rng_seeded *seeded;
    struct mien_rng rng;
    uint8_t signing_seed[32];
    uint8_t ca_seed[32];

    struct mien_plan plan;
    struct mien_buf plan_bytes;
    struct mien_buf model_bytes;
    uint8_t plan_hash[32];
    uint8_t model_hash[32];

    /* What the device did. */
    struct mien_buf sent[SCRIPTED_MAX_SENT];
    enum mien_frame_type sent_type[SCRIPTED_MAX_SENT];
    size_t n_sent;
    size_t n_read;
    size_t n_saves;
    struct mien_client_record saved;
    char last_log[512];
    char warned[512];

    /* What the host gives. */
    size_t n_examples;
    float pixel;              /* of every picture */
    enum mien_status on_save; /* what save returns */
    enum mien_status on_send; /* what send returns */
};

static inline enum mien_status scripted_send(void *self, const struct mien_message *message)
{
    struct scripted *s = self;

    if (s->on_send != MIEN_OK)
        return s->on_send;
    assert_true(s->n_sent < SCRIPTED_MAX_SENT);
    enum mien_status status = mien_message_encode(message, &s->sent[s->n_sent]);
    if (status == MIEN_OK)
        s->sent_type[s->n_sent++] = message->type;
    return status;
}

static inline enum mien_status scripted_save(void *self, const struct mien_client_record *record)
{
    struct scripted *s = self;

    if (s->on_save != MIEN_OK)
        return s->on_save;
    s->saved = *record;
    s->n_saves++;
    return MIEN_OK;
}

static inline void scripted_log(void *self, enum mien_log_level level, const char *line)
{
    struct scripted *s = self;

    (void)snprintf(s->last_log, sizeof(s->last_log), "%s", line);
    if (level <= MIEN_WARN)
        (void)snprintf(s->warned, sizeof(s->warned), "%s", line);
}

static inline size_t scripted_n_examples(void *self)
{
    return ((struct scripted *)self)->n_examples;
}

static inline enum mien_status scripted_example(void *self, size_t index, unsigned size,
                                                unsigned channels, float *out)
{
    const struct scripted *s = self;

    for (size_t i = 0; i < (size_t)size * size * channels; i++)
        out[i] = s->pixel * (float)((index + i) % 3) / 2;
    return MIEN_OK;
}

/* Networks of some hundred numbers, for tests that train often. */
static inline void scripted_shrink(struct mien_plan *plan)
{
    const struct mien_layer d[] = {{MIEN_LAYER_CONV, .channels = 4, .kernel = 3, .stride = 2},
                                   {MIEN_LAYER_LEAKY_RELU, .slope = 0.2},
                                   {.kind = MIEN_LAYER_FLATTEN},
                                   {MIEN_LAYER_DENSE, .channels = 1}};
    const struct mien_layer g[] = {{MIEN_LAYER_DENSE, .channels = 16},
                                   {MIEN_LAYER_RESHAPE, .height = 4, .width = 4, .channels = 1},
                                   {.kind = MIEN_LAYER_UPSAMPLE},
                                   {.kind = MIEN_LAYER_UPSAMPLE},
                                   {MIEN_LAYER_CONV, .channels = 3, .kernel = 3, .stride = 1},
                                   {.kind = MIEN_LAYER_TANH}};

    memset(plan->d_layers, 0, sizeof(plan->d_layers));
    memset(plan->g_layers, 0, sizeof(plan->g_layers));
    memcpy(plan->d_layers, d, sizeof(d));
    memcpy(plan->g_layers, g, sizeof(g));
    plan->n_d_layers = sizeof(d) / sizeof(d[0]);
    plan->n_g_layers = sizeof(g) / sizeof(g[0]);
    plan->latent = 4;
}

/* The bytes of s->plan, and of a model of it. */
static inline void scripted_use_plan(struct scripted *s)
{
    struct mien_layout layout;
    struct mien_rng_seeded *seeded = NULL;

    s->plan_bytes.len = 0;
    s->model_bytes.len = 0;
    assert_int_equal(mien_plan_validate(&s->plan, NULL), MIEN_OK);
    assert_int_equal(mien_plan_encode(&s->plan, &s->plan_bytes), MIEN_OK);
    assert_int_equal(mien_digest(mien_buf_span(&s->plan_bytes), s->plan_hash), MIEN_OK);
    assert_int_equal(mien_layout_init(&layout, &s->plan, NULL), MIEN_OK);
    float *values = mien_calloc(layout.n_values, sizeof(float));
    assert_non_null(values);
    assert_int_equal(mien_rng_seeded_new(5, 0, &seeded), MIEN_OK);
    assert_int_equal(mien_model_start(&layout, seeded, values), MIEN_OK);
    mien_rng_seeded_free(seeded);
    size_t bytes = (size_t)layout.n_values * sizeof(float);
    assert_int_equal(mien_buf_reserve(&s->model_bytes, bytes), MIEN_OK);
    mien_model_to_bytes(values, layout.n_values, s->model_bytes.data);
    s->model_bytes.len = bytes;
    mien_free(values);
    assert_int_equal(mien_digest(mien_buf_span(&s->model_bytes), s->model_hash), MIEN_OK);
}

/* A plan, its model, and their bytes. */
static inline void scripted_make_plan(struct scripted *s, bool small)
{
    assert_int_equal(mien_plan_preset("faces16", &s->plan, NULL), MIEN_OK);
    if (small)
        scripted_shrink(&s->plan);
    s->plan.local_steps = 2;
    s->plan.batch = 2;
    s->plan.min_examples = 4;
    s->plan.rate = 1;
    s->plan.sampling = MIEN_PLAN_UNSAMPLED;
    s->plan.cohort = 4;
    s->plan.min_reports = 2;
    s->plan.group_min = 2;
    s->plan.group_max = 8;
    s->plan.rounds = 3;
    scripted_use_plan(s);
}

/* Everything but the core, so that a test can change the configuration first. */
static inline void scripted_init(struct scripted *s)
{
    memset(s, 0, sizeof(*s));
    s->now_ms = 1000;
    s->n_examples = 6;
    s->pixel = 0.5F;
    assert_int_equal(mien_rng_seeded_new(1, 1, &s->seeded), MIEN_OK);
    s->rng = mien_rng_seeded_handle(s->seeded);
    scripted_make_plan(s, true);
    struct mien_client_identity *id = &s->config.identity;
    uint8_t device_public[32];
    assert_int_equal(mien_identity_draw(&s->rng, s->signing_seed, id->coordinator_key), MIEN_OK);
    assert_int_equal(mien_identity_draw(&s->rng, s->ca_seed, id->ca_key), MIEN_OK);
    assert_int_equal(mien_identity_draw(&s->rng, id->device_key, device_public), MIEN_OK);
    memset(id->run_id, 3, sizeof(id->run_id));
    s->config.host.self = s;
    s->config.host.send = scripted_send;
    s->config.host.save = scripted_save;
    s->config.host.log = scripted_log;
    s->config.host.examples =
        (struct mien_client_examples){s, scripted_n_examples, scripted_example, NULL};
    s->config.limits = mien_client_limits_default();
    s->config.limits.max_memory_bytes = (uint64_t)1 << 30;
    s->config.rng = s->rng;
    s->config.software = "scripted";
}

static inline void scripted_fini(struct scripted *s)
{
    mien_client_core_free(s->core);
    for (size_t i = 0; i < SCRIPTED_MAX_SENT; i++)
        mien_buf_fini(&s->sent[i]);
    mien_buf_fini(&s->plan_bytes);
    mien_buf_fini(&s->model_bytes);
    mien_rng_seeded_free(s->seeded);
    s->core = NULL;
}

static inline void scripted_start(struct scripted *s)
{
    assert_int_equal(mien_client_core_new(&s->config, &s->core), MIEN_OK);
    assert_int_equal(mien_client_core_connected(s->core, s->now_ms), MIEN_OK);
}

/* The next message that the device sent and no test has read yet; ends with mien_message_fini. */
static inline struct mien_message scripted_next(struct scripted *s, enum mien_frame_type type)
{
    struct mien_message message;

    if (s->n_read >= s->n_sent)
        fail_msg("the device sent no %s (last log: %s)", mien_frame_name(type), s->last_log);
    const struct mien_buf *bytes = &s->sent[s->n_read];
    struct mien_frame frame = {s->sent_type[s->n_read], {bytes->data + 5, bytes->len - 5}};
    s->n_read++;
    assert_int_equal(mien_message_decode(frame, &message, NULL), MIEN_OK);
    if (message.type != type)
        fail_msg("the device sent %s for %s (last log: %s)", mien_frame_name(message.type),
                 mien_frame_name(type), s->last_log);
    return message;
}

static inline void scripted_expect(struct scripted *s, enum mien_frame_type type)
{
    struct mien_message message = scripted_next(s, type);

    mien_message_fini(&message);
}

static inline void scripted_expect_silence(const struct scripted *s)
{
    if (s->n_read != s->n_sent)
        fail_msg("the device sent %s", mien_frame_name(s->sent_type[s->n_read]));
}

static inline void scripted_tell(struct scripted *s, const struct mien_message *message)
{
    assert_int_equal(mien_client_core_receive(s->core, s->now_ms, message), MIEN_OK);
}

/* The device must have refused: ERROR with this code, and the wish to close. */
static inline void scripted_expect_refusal(struct scripted *s, enum mien_message_error_code code)
{
    struct mien_message message = scripted_next(s, MIEN_FRAME_ERROR);

    if (message.error.code != code)
        fail_msg("refused with code %d: %s", (int)message.error.code, message.error.sentence);
    assert_true(mien_client_core_wish(s->core).close);
    mien_message_fini(&message);
}

static inline struct mien_message_mark scripted_mark(uint64_t seq)
{
    struct mien_message_mark mark = {.epoch = 1, .seq = seq};

    memset(mark.head, (int)(seq % 250) + 1, sizeof(mark.head));
    return mark;
}

static inline struct mien_message scripted_welcome(const struct scripted *s, uint64_t seq)
{
    struct mien_message message = {.type = MIEN_FRAME_WELCOME};

    memcpy(message.welcome.run_id, s->config.identity.run_id, 16);
    memcpy(message.welcome.signing_key, s->config.identity.coordinator_key, 32);
    message.welcome.renew_after_s = 1000000;
    message.welcome.mark = scripted_mark(seq);
    return message;
}

static inline struct mien_message scripted_assign_for(const struct scripted *s, uint64_t round,
                                                      uint32_t attempt, uint64_t seq,
                                                      enum mien_message_purpose purpose)
{
    struct mien_message message = {.type = MIEN_FRAME_ASSIGN};
    struct mien_message_assign *assign = &message.assign;
    uint8_t statement[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];

    assign->round = round;
    assign->attempt = attempt;
    memcpy(assign->plan_hash, s->plan_hash, 32);
    assign->plan_bytes = (uint32_t)s->plan_bytes.len;
    memcpy(assign->model_hash, s->model_hash, 32);
    assign->model_bytes = s->model_bytes.len;
    assign->model_version = 1;
    assign->report_by_ms = 60000;
    assign->purpose = purpose;
    assign->mark = scripted_mark(seq);
    assign->clip = s->plan.clip;
    mien_message_assign_statement(s->config.identity.run_id, assign, statement);
    assert_int_equal(mien_identity_sign(s->signing_seed,
                                        (struct mien_span){statement, sizeof(statement)},
                                        assign->signature),
                     MIEN_OK);
    return message;
}

static inline struct mien_message scripted_assign(const struct scripted *s, uint64_t round,
                                                  uint32_t attempt, uint64_t seq)
{
    return scripted_assign_for(s, round, attempt, seq, MIEN_MESSAGE_PURPOSE_TRAIN);
}

/* Brings the device to its check-in. */
static inline void scripted_check_in(struct scripted *s)
{
    uint64_t seen = mien_client_core_record(s->core)->seq;
    struct mien_message welcome = scripted_welcome(s, seen > 0 ? seen : 1);

    scripted_expect(s, MIEN_FRAME_HELLO);
    scripted_tell(s, &welcome);
    scripted_expect(s, MIEN_FRAME_CHECK_IN);
}

/* Answers one GET with chunks of at most `most` bytes. */
static inline void scripted_serve(struct scripted *s, size_t most)
{
    struct mien_message get = scripted_next(s, MIEN_FRAME_GET);
    bool plan = get.get.what == MIEN_MESSAGE_PLAN;
    struct mien_span bytes = mien_buf_span(plan ? &s->plan_bytes : &s->model_bytes);

    assert_memory_equal(get.get.hash, plan ? s->plan_hash : s->model_hash, 32);
    for (size_t at = 0; at < bytes.len; at += most) {
        size_t n = bytes.len - at < most ? bytes.len - at : most;
        struct mien_message chunk = {.type = MIEN_FRAME_CHUNK,
                                     .chunk = {get.get.what, at, bytes.len, {bytes.data + at, n}}};

        scripted_tell(s, &chunk);
    }
}

/* From the check-in to READY of a round. */
static inline void scripted_train(struct scripted *s, uint64_t round, uint64_t seq)
{
    struct mien_message assign = scripted_assign(s, round, 1, seq);

    scripted_tell(s, &assign);
    while (!mien_client_core_wish(s->core).work)
        scripted_serve(s, 60000);
    while (mien_client_core_wish(s->core).work)
        assert_int_equal(mien_client_core_work(s->core, s->now_ms, NULL), MIEN_OK);
    struct mien_message ready = scripted_next(s, MIEN_FRAME_READY);
    assert_int_equal(ready.ready.round, round);
}

#endif
