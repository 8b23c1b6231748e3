// SPDX-License-Identifier: Apache-2.0
#include "client/client_internal.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "tests/sim/tls.h"

#include <stdio.h>
#include <string.h>

static void fail(struct sim_tls_device *d, enum mien_status status)
{
    struct sim_fleet *fleet = d->fleet;

    if (status == MIEN_OK || fleet->failed != MIEN_OK)
        return;
    const char *text = mien_client_explain(d->client);
    fleet->failed = status;
    (void)snprintf(fleet->sentence, sizeof(fleet->sentence), "device %zu: %s", d->slot.device + 1,
                   text[0] != '\0' ? text : mien_status_text(status));
}

/* ---- what the library asks of its host ---- */

static void load_from(const struct mien_buf *kept, void *buf, size_t *len)
{
    if (kept->len > 0)
        memcpy(buf, kept->data, kept->len);
    *len = kept->len;
}

static enum mien_status save_to(struct mien_buf *kept, const void *data, size_t len)
{
    mien_buf_consume(kept, kept->len);
    return mien_buf_append(kept, data, len);
}

static enum mien_status host_load(void *self, void *buf, size_t cap, size_t *len)
{
    const struct sim_tls_device *d = self;

    if (d->state.len > cap)
        return MIEN_ELIMIT;
    load_from(&d->state, buf, len);
    return MIEN_OK;
}

static enum mien_status host_save(void *self, const void *state, size_t len)
{
    struct sim_tls_device *d = self;

    return save_to(&d->state, state, len);
}

static enum mien_status host_load_model(void *self, void *buf, size_t cap, size_t *len)
{
    const struct sim_tls_device *d = self;

    *len = 0;
    if (d->model.len <= cap)
        load_from(&d->model, buf, len);
    return MIEN_OK;
}

static enum mien_status host_save_model(void *self, const void *model, size_t len)
{
    struct sim_tls_device *d = self;

    return save_to(&d->model, model, len);
}

static size_t host_n_examples(void *self)
{
    struct sim_tls_device *d = self;
    const struct mien_client_examples examples = sim_faces_examples(&d->slot);

    return examples.count(examples.self);
}

static enum mien_status host_example(void *self, size_t index, unsigned size, unsigned channels,
                                     float *pixels)
{
    struct sim_tls_device *d = self;
    const struct mien_client_examples examples = sim_faces_examples(&d->slot);

    return examples.pixels(examples.self, index, size, channels, pixels);
}

static const char *host_attribute(void *self, size_t index, const char *name)
{
    struct sim_tls_device *d = self;
    const struct mien_client_examples examples = sim_faces_examples(&d->slot);

    return examples.attribute(examples.self, index, name);
}

enum mien_status sim_tls_device_init(struct sim_tls_device *d, struct sim_fleet *fleet,
                                     struct sim_faces *faces, size_t number, const char *token)
{
    struct mien_client_config config = MIEN_CLIENT_CONFIG_INIT;

    d->fleet = fleet;
    d->slot = (struct sim_slot){.faces = faces, .device = number};
    config.software = "mien-sim " MIEN_VERSION;
    config.max_memory_bytes = UINT64_C(1) << 32;
    config.host = (struct mien_client_host){.self = d,
                                            .load = host_load,
                                            .save = host_save,
                                            .n_examples = host_n_examples,
                                            .example = host_example,
                                            .attribute = host_attribute,
                                            .load_model = host_load_model,
                                            .save_model = host_save_model};
    if (uv_timer_init(&fleet->loop, &d->timer) != 0)
        return MIEN_ENOMEM;
    d->timer.data = d;
    d->has_timer = true;
    enum mien_status status = mien_client_new(&config, &d->client);
    return status == MIEN_OK ? mien_client_enrol(d->client, token) : status;
}

void sim_tls_device_fini(struct sim_tls_device *d)
{
    mien_client_free(d->client);
    mien_free(d->written);
    mien_buf_wipe(&d->state);
    mien_buf_fini(&d->state);
    mien_buf_fini(&d->model);
}

/* ---- the connection ---- */

static void link_closed(uv_handle_t *handle) /* loop thread */
{
    struct sim_tls_device *d = handle->data;

    d->link = SIM_LINK_DOWN;
    if (d->fleet->ending)
        return;
    fail(d, mien_client_closed(d->client, mien_clock_ms()));
    sim_tls_device_advance(d);
}

static void close_link(struct sim_tls_device *d)
{
    if (d->link != SIM_LINK_CONNECTING && d->link != SIM_LINK_UP)
        return;
    d->link = SIM_LINK_CLOSING;
    d->leaves_in = 0;
    uv_close((uv_handle_t *)&d->tcp, link_closed);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct sim_tls_device *d = handle->data;

    (void)wanted;
    *buf = uv_buf_init(d->fleet->in, sizeof(d->fleet->in));
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) /* loop thread */
{
    struct sim_tls_device *d = stream->data;

    if (n < 0)
        close_link(d);
    else if (n > 0)
        fail(d, mien_client_input(d->client, mien_clock_ms(), buf->base, (size_t)n));
    sim_tls_device_advance(d);
}

static void have_written(uv_write_t *write, int error) /* loop thread */
{
    struct sim_tls_device *d = write->data;

    mien_free(d->written);
    d->written = NULL;
    if (d->fleet->ending || d->working)
        return;
    if (error != 0)
        close_link(d);
    sim_tls_device_advance(d);
}

static void send_output(struct sim_tls_device *d)
{
    const void *data;
    size_t n;
    enum mien_status status = mien_client_output(d->client, mien_clock_ms(), &data, &n);

    if (status == MIEN_OK && n > 0) {
        d->written = mien_memdup(data, n);
        status = d->written == NULL ? MIEN_ENOMEM : mien_client_sent(d->client, n);
    }
    fail(d, status);
    if (status != MIEN_OK || n == 0)
        return;
    const uv_buf_t buf = uv_buf_init((char *)d->written, (unsigned)n);
    d->write.data = d;
    if (uv_write(&d->write, (uv_stream_t *)&d->tcp, &buf, 1, have_written) != 0) {
        mien_free(d->written);
        d->written = NULL;
        close_link(d);
    }
}

static void have_connected(uv_connect_t *request, int error) /* loop thread */
{
    struct sim_tls_device *d = request->data;

    if (d->fleet->ending || d->link != SIM_LINK_CONNECTING)
        return;
    if (error == 0) {
        d->link = SIM_LINK_UP;
        (void)uv_tcp_nodelay(&d->tcp, 1);
        fail(d, mien_client_connected(d->client, mien_clock_ms()));
        error = uv_read_start((uv_stream_t *)&d->tcp, give_room, have_read);
    }
    if (error != 0)
        close_link(d);
    sim_tls_device_advance(d);
}

static void open_link(struct sim_tls_device *d, const struct mien_client_wish *wish)
{
    struct sockaddr_in address;

    if (uv_ip4_addr(wish->host, wish->port, &address) != 0 ||
        uv_tcp_init(&d->fleet->loop, &d->tcp) != 0) {
        fail(d, MIEN_EIO);
        return;
    }
    d->tcp.data = d;
    d->connect.data = d;
    d->link = SIM_LINK_CONNECTING;
    const int error =
        uv_tcp_connect(&d->connect, &d->tcp, (const struct sockaddr *)&address, have_connected);
    if (error != 0)
        have_connected(&d->connect, error);
}

/* ---- training ---- */

static void work(uv_work_t *request) /* worker thread */
{
    struct sim_tls_device *d = request->data;

    d->worked = mien_client_work(d->client, mien_clock_ms());
}

static void worked(uv_work_t *request, int error) /* loop thread */
{
    struct sim_tls_device *d = request->data;

    (void)error; /* nothing is cancelled */
    d->working = false;
    fail(d, d->worked);
    if (d->fleet->ending)
        return;
    /* The connection may have gone while the client was away. */
    if (d->link == SIM_LINK_UP && uv_read_start((uv_stream_t *)&d->tcp, give_room, have_read) != 0)
        close_link(d);
    sim_tls_device_advance(d);
}

static void start_work(struct sim_tls_device *d)
{
    d->work.data = d;
    if (d->link == SIM_LINK_UP)
        (void)uv_read_stop((uv_stream_t *)&d->tcp);
    d->working = uv_queue_work(&d->fleet->loop, &d->work, work, worked) == 0;
    if (!d->working)
        fail(d, MIEN_ENOMEM);
}

/* Notes the begin of a round, and whether this device will leave in it. */
static void watch_round(struct sim_tls_device *d)
{
    const bool training =
        d->client->core != NULL && mien_client_core_info(d->client->core).round != 0;

    if (training && !d->training) {
        d->fleet->n_trained++;
        if ((double)mien_rng_seeded_uniform(d->fleet->seeded) < d->fleet->options->drop)
            d->leaves_in = 1 + (uint32_t)mien_rng_seeded_below(d->fleet->seeded, 16);
    }
    d->training = training;
    if (d->leaves_in > 0 && --d->leaves_in == 0 && d->link == SIM_LINK_UP) {
        d->fleet->n_broken++;
        close_link(d);
    }
}

static void have_time(uv_timer_t *timer) /* loop thread */
{
    sim_tls_device_advance(timer->data);
}

static void set_timer(struct sim_tls_device *d, uint64_t at_ms)
{
    const uint64_t now_ms = mien_clock_ms();

    (void)uv_timer_stop(&d->timer);
    if (at_ms == MIEN_CLIENT_NEVER)
        return;
    uv_update_time(&d->fleet->loop);
    /* Never 0: a timer that is due at once again would keep the loop from its sockets. */
    (void)uv_timer_start(&d->timer, have_time, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

void sim_tls_device_advance(struct sim_tls_device *d)
{
    struct mien_client_wish wish = {0};

    if (d->working || d->fleet->ending)
        return;
    watch_round(d);
    if (d->link == SIM_LINK_CLOSING)
        return;
    fail(d, mien_client_poll(d->client, mien_clock_ms(), &wish));
    if (d->fleet->failed != MIEN_OK)
        return;
    if ((wish.flags & MIEN_CLIENT_STOP) != 0) {
        fail(d, mien_client_result(d->client));
        return;
    }
    if ((wish.flags & MIEN_CLIENT_CONNECT) != 0 && d->link == SIM_LINK_DOWN)
        open_link(d, &wish);
    if ((wish.flags & MIEN_CLIENT_SEND) != 0 && d->link == SIM_LINK_UP && d->written == NULL)
        send_output(d);
    else if ((wish.flags & MIEN_CLIENT_CLOSE) != 0 && d->written == NULL)
        close_link(d);
    if (d->link == SIM_LINK_CLOSING) /* its callback needs the client, and goes on */
        return;
    if ((wish.flags & MIEN_CLIENT_WORK) != 0)
        start_work(d);
    set_timer(d, wish.at_ms);
}

void sim_tls_device_end(struct sim_tls_device *d)
{
    close_link(d);
    if (d->has_timer && !uv_is_closing((uv_handle_t *)&d->timer))
        uv_close((uv_handle_t *)&d->timer, NULL);
}
