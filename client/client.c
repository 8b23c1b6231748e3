// SPDX-License-Identifier: Apache-2.0
#include "client/client_internal.h"

#include "client/local.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ENROL_RETRY_FIRST_MS = 1000,
    ENROL_RETRY_DOUBLINGS = 6, /* about a minute */
};

/* What version 0.1.0 had; a host that knows less is not one of ours. */
static const size_t config_bytes_min = sizeof(struct mien_client_config);
static const size_t info_bytes_min = sizeof(struct mien_client_info);

void mien_client_log(struct mien_client *client, enum mien_client_level level, const char *fmt, ...)
{
    char line[MIEN_ERR_BYTES + 64];
    va_list args;

    if (client->config.host.log == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    client->config.host.log(client->config.host.self, level, line);
}

void mien_client_say(struct mien_client *client, enum mien_client_level level, const char *event,
                     const char *text)
{
    char quoted[sizeof(client->explain)];

    (void)snprintf(client->explain, sizeof(client->explain), "%s", text);
    memcpy(quoted, client->explain, sizeof(quoted));
    /* What the other side wrote cannot end the value and go on with keys of its own. */
    for (char *at = strchr(quoted, '"'); at != NULL; at = strchr(at, '"'))
        *at = '\'';
    mien_client_log(client, level, "%s reason=\"%s\"", event, quoted);
}

void mien_client_end(struct mien_client *client, enum mien_status why, const char *text)
{
    if (client->ended)
        return;
    client->ended = true;
    client->close = true;
    client->result = why;
    mien_client_say(client, why == MIEN_OK ? MIEN_CLIENT_INFO : MIEN_CLIENT_ERROR, "device.end",
                    text);
}

static enum mien_status load_state(struct mien_client *client)
{
    struct mien_buf bytes = {0};
    size_t len = 0;
    enum mien_status status = mien_buf_reserve(&bytes, MIEN_CLIENT_STATE_BYTES);

    if (status == MIEN_OK)
        status = client->config.host.load(client->config.host.self, bytes.data,
                                          MIEN_CLIENT_STATE_BYTES, &len);
    if (status == MIEN_OK && len > MIEN_CLIENT_STATE_BYTES)
        status = MIEN_ECORRUPT;
    if (status == MIEN_OK && len > 0) {
        bytes.len = len;
        status = mien_client_state_decode(mien_buf_span(&bytes), &client->state);
    }
    mien_buf_wipe(&bytes);
    return status;
}

static enum mien_status take_config(struct mien_client *client,
                                    const struct mien_client_config *config)
{
    const struct mien_client_host *host = &config->host;
    struct mien_client_limits *limits = &client->limits;

    if (config->struct_bytes < config_bytes_min || host->load == NULL || host->save == NULL ||
        host->n_examples == NULL || host->example == NULL || !(config->max_epsilon >= 0) ||
        !(config->min_device_noise >= 0) || config->max_memory_bytes == 0)
        return MIEN_EINVAL;
    if (config->software != NULL &&
        (strlen(config->software) >= sizeof(client->software) ||
         !mien_utf8_printable(config->software, strlen(config->software))))
        return MIEN_EINVAL;
    if (config->families != NULL && strlen(config->families) >= sizeof(limits->families))
        return MIEN_EINVAL;
    client->config = *config;
    if (config->software != NULL)
        (void)snprintf(client->software, sizeof(client->software), "%s", config->software);
    if (config->families != NULL)
        (void)snprintf(limits->families, sizeof(limits->families), "%s", config->families);
    limits->max_memory_bytes = config->max_memory_bytes;
    limits->max_epsilon = config->max_epsilon;
    limits->min_cohort = config->min_cohort;
    limits->min_group = config->min_group;
    limits->allow_curious = config->allow_curious;
    limits->min_device_noise = config->min_device_noise;
    limits->local = (struct mien_client_local_rule){
        .clip = config->local_clip,
        .noise = config->local_noise,
        .rate = config->local_rate,
        .epsilon = config->local_epsilon,
        .delta = config->local_delta,
    };
    if (!mien_client_local_sound(&limits->local))
        return MIEN_EINVAL;
    limits->max_local_steps = config->max_local_steps;
    limits->max_rounds = config->max_rounds;
    return MIEN_OK;
}

enum mien_status mien_client_new(const struct mien_client_config *config, struct mien_client **out)
{
    struct mien_client *client;
    enum mien_status status;

    if (config == NULL || out == NULL)
        return MIEN_EINVAL;
    client = mien_calloc(1, sizeof(*client));
    if (client == NULL)
        return MIEN_ENOMEM;
    client->rng = mien_rng_system();
    client->busy = true;
    status = take_config(client, config);
    if (status == MIEN_OK)
        status = load_state(client);
    if (status == MIEN_OK && client->state.enrolled)
        status = mien_client_make_core(client);
    client->busy = false;
    if (status == MIEN_OK) {
        *out = client;
        client = NULL;
    }
    mien_client_free(client);
    return status == MIEN_EPARSE ? MIEN_ECORRUPT : status;
}

void mien_client_free(struct mien_client *client)
{
    if (client == NULL || client->busy)
        return;
    mien_link_close(client);
    mien_client_core_free(client->core);
    mien_known_free(client->known);
    mien_wipe(client, sizeof(*client));
    mien_free(client);
}

/* Begins and ends a call: a callback that calls back meets `busy`. */
static enum mien_status enter(struct mien_client *client)
{
    if (client == NULL)
        return MIEN_EINVAL;
    if (client->busy)
        return MIEN_ESTATE;
    client->busy = true;
    return MIEN_OK;
}

/* Follows what the core decided, and flushes. */
static enum mien_status leave(struct mien_client *client, enum mien_status status)
{
    enum mien_status flushed;

    if (status != MIEN_OK)
        client->close = true;
    if (client->core != NULL && !client->enrolling && !client->ended) {
        struct mien_client_core_wish wish = mien_client_core_wish(client->core);
        struct mien_client_core_info info = mien_client_core_info(client->core);

        if (info.memory_bytes > 0)
            client->memory_bytes = info.memory_bytes;
        if (wish.stopped)
            mien_client_end(client, wish.why, mien_client_core_explain(client->core));
        else if (wish.close && *mien_client_core_explain(client->core) != '\0')
            (void)snprintf(client->explain, sizeof(client->explain), "%s",
                           mien_client_core_explain(client->core));
    }
    flushed = mien_link_flush(client);
    client->busy = false;
    return status != MIEN_OK ? status : flushed;
}

enum mien_status mien_client_enrol(struct mien_client *client, const char *token)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (token == NULL)
        status = MIEN_EINVAL;
    else if (client->linked || client->ended)
        status = MIEN_ESTATE;
    else
        status = mien_enrol_begin(client, token);
    client->busy = false;
    return status;
}

/* Flags and moment while there is a core. */
static void wish_of_core(const struct mien_client *client, uint64_t now_ms,
                         struct mien_client_wish *wish)
{
    struct mien_client_core_wish core = mien_client_core_wish(client->core);

    wish->at_ms = core.at_ms;
    if (core.work)
        wish->flags |= MIEN_CLIENT_WORK;
    if (!core.connect)
        return;
    if (client->linked) { /* the handshake is under way: its own deadline counts */
        wish->at_ms = MIEN_CLIENT_NEVER;
        return;
    }
    wish->host = client->state.host;
    wish->port = client->state.port;
    if (now_ms >= core.at_ms) {
        wish->flags |= MIEN_CLIENT_CONNECT;
        wish->at_ms = MIEN_CLIENT_NEVER;
    }
}

static void wish_of_enrolment(const struct mien_client *client, uint64_t now_ms,
                              struct mien_client_wish *wish)
{
    wish->host = client->token.host;
    wish->port = client->token.port;
    if (client->linked)
        return;
    if (now_ms < client->connect_at_ms)
        wish->at_ms = client->connect_at_ms;
    else
        wish->flags |= MIEN_CLIENT_CONNECT;
}

static void make_wish(const struct mien_client *client, uint64_t now_ms,
                      struct mien_client_wish *wish)
{
    *wish = (struct mien_client_wish){.at_ms = MIEN_CLIENT_NEVER};
    if (client->ended && !client->linked) {
        wish->flags = MIEN_CLIENT_STOP;
        return;
    }
    if (client->enrolling)
        wish_of_enrolment(client, now_ms, wish);
    else if (client->core != NULL && !client->ended)
        wish_of_core(client, now_ms, wish);
    if (mien_link_has_output(client))
        wish->flags |= MIEN_CLIENT_SEND;
    if (client->linked && client->close)
        wish->flags |= MIEN_CLIENT_CLOSE;
    if (client->linked && !client->greeted && client->handshake_by_ms < wish->at_ms)
        wish->at_ms = client->handshake_by_ms;
}

/* Lets time pass. */
static enum mien_status tick(struct mien_client *client, uint64_t now_ms)
{
    enum mien_status status = MIEN_OK;

    if (client->linked && !client->greeted && now_ms >= client->handshake_by_ms && !client->close) {
        client->close = true;
        mien_client_say(client, MIEN_CLIENT_WARN, "device.tls", "the handshake took too long");
    }
    /* There was no memory for it when the certificate came. */
    if (client->core == NULL && client->state.enrolled && !client->enrolling && !client->ended)
        status = mien_client_make_core(client);
    if (client->core == NULL || client->enrolling || client->close || !client->greeted)
        return status;
    status = mien_client_core_tick(client->core, now_ms);
    if (status == MIEN_OK && mien_client_core_wish(client->core).renew && !client->renewing)
        status = mien_renew_ask(client);
    return status;
}

enum mien_status mien_client_poll(struct mien_client *client, uint64_t now_ms,
                                  struct mien_client_wish *wish)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (wish == NULL)
        status = MIEN_EINVAL;
    else if (!client->state.enrolled && !client->enrolling && !client->ended)
        status = MIEN_ESTATE;
    if (status != MIEN_OK) {
        client->busy = false;
        return status;
    }
    status = leave(client, tick(client, now_ms));
    if (status == MIEN_OK)
        make_wish(client, now_ms, wish);
    return status;
}

enum mien_status mien_client_connected(struct mien_client *client, uint64_t now_ms)
{
    struct mien_client_wish wish;
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    make_wish(client, now_ms, &wish);
    if ((wish.flags & MIEN_CLIENT_CONNECT) == 0)
        status = MIEN_ESTATE;
    else
        status = mien_link_open(client, now_ms);
    client->busy = false;
    return status;
}

static void enrolment_failed(struct mien_client *client, uint64_t now_ms)
{
    unsigned doublings =
        client->n_failures < ENROL_RETRY_DOUBLINGS ? client->n_failures : ENROL_RETRY_DOUBLINGS;
    uint64_t pause_ms = (uint64_t)ENROL_RETRY_FIRST_MS << doublings;
    uint64_t jitter_ms;

    /* A generator that fails costs the jitter only. */
    if (mien_rng_below(&client->rng, pause_ms / 2, &jitter_ms) != MIEN_OK)
        jitter_ms = 0;
    client->connect_at_ms = now_ms + pause_ms / 2 + jitter_ms;
    client->n_failures++;
}

static uint64_t milliseconds_until(uint64_t at_ms, uint64_t now_ms)
{
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

enum mien_status mien_client_closed(struct mien_client *client, uint64_t now_ms)
{
    enum mien_status status = enter(client);
    bool was_greeted;

    if (status != MIEN_OK)
        return status;
    was_greeted = client->greeted && !client->enrolling;
    mien_link_close(client);
    if (client->enrolling)
        enrolment_failed(client, now_ms);
    else if (client->core != NULL)
        mien_client_core_disconnected(client->core, now_ms);
    if (client->core != NULL && was_greeted && mien_client_core_wish(client->core).connect)
        mien_client_log(client, MIEN_CLIENT_INFO, "device.disconnected retry_in_ms=%" PRIu64,
                        milliseconds_until(mien_client_core_wish(client->core).at_ms, now_ms));
    return leave(client, MIEN_OK);
}

enum mien_status mien_client_input(struct mien_client *client, uint64_t now_ms, const void *data,
                                   size_t n)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (data == NULL && n > 0)
        status = MIEN_EINVAL;
    else if (!client->linked)
        status = MIEN_ESTATE;
    if (status != MIEN_OK) {
        client->busy = false;
        return status;
    }
    return leave(client, mien_link_feed(client, now_ms, (struct mien_span){data, n}));
}

enum mien_status mien_client_output(struct mien_client *client, uint64_t now_ms, const void **data,
                                    size_t *n)
{
    enum mien_status status = enter(client);
    struct mien_span pending = {0};

    if (status != MIEN_OK)
        return status;
    if (data == NULL || n == NULL) {
        client->busy = false;
        return MIEN_EINVAL;
    }
    status = mien_link_flush(client);
    while (status == MIEN_OK && client->linked) {
        pending = mien_tls_pending_out(client->tls);
        if (pending.len > 0 || !client->greeted || client->close || client->core == NULL ||
            !mien_client_core_wish(client->core).pump)
            break;
        status = mien_client_core_pump(client->core, now_ms);
        if (status == MIEN_OK)
            status = mien_link_flush(client);
    }
    status = leave(client, status);
    if (status == MIEN_OK) {
        *data = pending.data;
        *n = pending.len;
    }
    return status;
}

enum mien_status mien_client_sent(struct mien_client *client, size_t n)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (n > 0 && (!client->linked || n > mien_tls_pending_out(client->tls).len)) {
        client->busy = false;
        return MIEN_EINVAL;
    }
    if (n > 0)
        mien_tls_sent(client->tls, n);
    return leave(client, MIEN_OK);
}

enum mien_status mien_client_work(struct mien_client *client, uint64_t now_ms)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (client->core == NULL || client->enrolling || client->close ||
        !mien_client_core_wish(client->core).work) {
        client->busy = false;
        return MIEN_ESTATE;
    }
    return leave(client, mien_client_core_work(client->core, now_ms, NULL));
}

enum mien_status mien_client_stop(struct mien_client *client, uint64_t now_ms)
{
    enum mien_status status = enter(client);

    if (status != MIEN_OK)
        return status;
    if (client->core != NULL)
        mien_client_core_stop(client->core, now_ms);
    client->ended = true;
    client->close = true;
    return leave(client, MIEN_OK);
}

enum mien_status mien_client_result(const struct mien_client *client)
{
    return client == NULL ? MIEN_EINVAL : client->result;
}

const char *mien_client_explain(const struct mien_client *client)
{
    return client == NULL ? "" : client->explain;
}

enum mien_status mien_client_info(const struct mien_client *client, struct mien_client_info *info)
{
    const struct mien_client_record *record;

    if (client == NULL || info == NULL || info->struct_bytes < info_bytes_min)
        return MIEN_EINVAL;
    record = &client->state.record;
    info->enrolled = client->state.enrolled && !client->enrolling;
    info->connected = client->core != NULL && mien_client_core_info(client->core).welcome;
    info->local_epsilon = 0.0;
    if (mien_client_local_on(&client->limits.local) &&
        mien_client_local_epsilon(&client->limits.local, record, 0, &info->local_epsilon) !=
            MIEN_OK)
        info->local_epsilon = (double)INFINITY;
    info->rounds = record->n_released;
    info->updates = record->n_sent;
    info->memory_bytes = client->memory_bytes;
    memcpy(info->device_id, client->device_id, sizeof(info->device_id));
    return MIEN_OK;
}

const char *mien_client_status_text(enum mien_status status)
{
    return mien_status_text(status);
}

const char *mien_client_version(void)
{
    return MIEN_VERSION;
}
