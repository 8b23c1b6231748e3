// SPDX-License-Identifier: Apache-2.0
#include "client/demo/device.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum {
    OUT_BYTES = 65536,
    IN_BYTES = 65536,
    CONNECT_MS = 15000, /* for the name, and for each of its addresses */
};

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_UP, LINK_CLOSING };

struct device {
    uv_loop_t loop;
    uv_timer_t timer;      /* when the client wants to be polled */
    uv_timer_t connecting; /* when a connection attempt is given up */
    uv_idle_t idle;        /* runs while there is work */
    uv_signal_t sigterm;
    uv_signal_t sigint;
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    struct addrinfo *addresses;
    const struct addrinfo *next; /* the address to try after this one */
    enum link_state link;
    bool writing;
    bool ending;
    struct mien_client *client;
    const struct mien_device_options *options;
    uint64_t rounds_before;
    unsigned n_failures; /* connections in a row that never became welcome */
    enum mien_status status;
    char host[256];
    char out[OUT_BYTES];
    char in[IN_BYTES];
};

static void advance(struct device *device);
static void connect_next(struct device *device);

/* Remembers the first thing that went wrong, and ends the loop. */
static void fail(struct device *device, enum mien_status status)
{
    if (status != MIEN_OK && device->status == MIEN_OK)
        device->status = status;
    if (status != MIEN_OK)
        device->ending = true;
}

static void free_addresses(struct device *device)
{
    uv_freeaddrinfo(device->addresses);
    device->addresses = NULL;
    device->next = NULL;
}

static void link_closed(uv_handle_t *handle) /* loop thread */
{
    struct device *device = handle->data;

    if (device->ending)
        return;
    if (device->next != NULL) {
        connect_next(device);
        return;
    }
    free_addresses(device);
    device->link = LINK_DOWN;
    fail(device, mien_client_closed(device->client, mien_clock_ms()));
    device->n_failures++;
    advance(device);
}

static void close_link(struct device *device)
{
    (void)uv_timer_stop(&device->connecting);
    if (device->link != LINK_CONNECTING && device->link != LINK_UP)
        return;
    device->link = LINK_CLOSING;
    uv_close((uv_handle_t *)&device->tcp, link_closed);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct device *device = handle->data;

    (void)wanted;
    *buf = uv_buf_init(device->in, sizeof(device->in));
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) /* loop thread */
{
    struct device *device = stream->data;

    if (n < 0)
        close_link(device);
    else if (n > 0)
        fail(device, mien_client_input(device->client, mien_clock_ms(), buf->base, (size_t)n));
    advance(device);
}

static void have_written(uv_write_t *write, int error) /* loop thread */
{
    struct device *device = write->data;

    device->writing = false;
    if (device->ending)
        return;
    if (error != 0)
        close_link(device);
    advance(device);
}

static void send_output(struct device *device)
{
    const void *data;
    size_t n;
    enum mien_status status = mien_client_output(device->client, mien_clock_ms(), &data, &n);

    if (status == MIEN_OK && n > 0) {
        n = n < sizeof(device->out) ? n : sizeof(device->out);
        memcpy(device->out, data, n);
        status = mien_client_sent(device->client, n);
    }
    fail(device, status);
    if (status != MIEN_OK || n == 0)
        return;
    uv_buf_t buf = uv_buf_init(device->out, (unsigned)n);
    device->write.data = device;
    if (uv_write(&device->write, (uv_stream_t *)&device->tcp, &buf, 1, have_written) == 0)
        device->writing = true;
    else
        close_link(device);
}

static void have_connected(uv_connect_t *request, int error) /* loop thread */
{
    struct device *device = request->data;

    if (device->ending || device->link != LINK_CONNECTING)
        return; /* closed meanwhile: its close callback goes on */
    (void)uv_timer_stop(&device->connecting);
    if (error != 0) {
        mien_log(MIEN_WARN, "device.connect", "host=%s error=\"%s\"", device->host,
                 uv_strerror(error));
        close_link(device);
        return;
    }
    device->link = LINK_UP;
    free_addresses(device);
    (void)uv_tcp_nodelay(&device->tcp, 1);
    (void)uv_tcp_keepalive(&device->tcp, 1, 60);
    fail(device, mien_client_connected(device->client, mien_clock_ms()));
    if (uv_read_start((uv_stream_t *)&device->tcp, give_room, have_read) != 0)
        close_link(device);
    advance(device);
}

static void connect_late(uv_timer_t *timer) /* loop thread */
{
    struct device *device = timer->data;

    mien_log(MIEN_WARN, "device.connect", "host=%s error=\"timed out\"", device->host);
    if (device->link == LINK_RESOLVING)
        (void)uv_cancel((uv_req_t *)&device->resolve);
    close_link(device);
}

static void connect_next(struct device *device)
{
    const struct addrinfo *address = device->next;

    device->next = address->ai_next;
    if (uv_tcp_init(&device->loop, &device->tcp) != 0) {
        device->link = LINK_DOWN;
        fail(device, MIEN_EIO);
        return;
    }
    device->tcp.data = device;
    device->connect.data = device;
    device->link = LINK_CONNECTING;
    (void)uv_timer_start(&device->connecting, connect_late, CONNECT_MS, 0);
    int error = uv_tcp_connect(&device->connect, &device->tcp, address->ai_addr, have_connected);
    if (error != 0)
        have_connected(&device->connect, error);
}

static void have_resolved(uv_getaddrinfo_t *request, int error,
                          struct addrinfo *addresses) /* loop thread */
{
    struct device *device = request->data;

    if (device->ending) {
        uv_freeaddrinfo(addresses);
        return;
    }
    (void)uv_timer_stop(&device->connecting);
    device->addresses = addresses;
    device->next = addresses;
    if (error == 0 && addresses != NULL) {
        connect_next(device);
        return;
    }
    mien_log(MIEN_WARN, "device.resolve", "host=%s error=\"%s\"", device->host, uv_strerror(error));
    free_addresses(device);
    device->link = LINK_DOWN;
    device->n_failures++;
    fail(device, mien_client_closed(device->client, mien_clock_ms()));
    advance(device);
}

static void open_link(struct device *device, const struct mien_client_wish *wish)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];

    (void)snprintf(port, sizeof(port), "%u", wish->port);
    (void)snprintf(device->host, sizeof(device->host), "%s", wish->host);
    device->resolve.data = device;
    if (uv_getaddrinfo(&device->loop, &device->resolve, have_resolved, device->host, port,
                       &hints) != 0) {
        fail(device, MIEN_EIO);
        return;
    }
    device->link = LINK_RESOLVING;
    (void)uv_timer_start(&device->connecting, connect_late, CONNECT_MS, 0);
}

static void have_time(uv_timer_t *timer) /* loop thread */
{
    advance(timer->data);
}

static void have_idle(uv_idle_t *idle) /* loop thread */
{
    struct device *device = idle->data;

    fail(device, mien_client_work(device->client, mien_clock_ms()));
    advance(device);
}

static void have_signal(uv_signal_t *handle, int number) /* loop thread */
{
    struct device *device = handle->data;

    mien_log(MIEN_INFO, "device.stop", "signal=%d", number);
    fail(device, mien_client_stop(device->client, mien_clock_ms()));
    advance(device);
}

/* Whether the options say that it is time to end. */
static bool options_met(struct device *device)
{
    struct mien_client_info info = {.struct_bytes = sizeof(info)};

    if (mien_client_info(device->client, &info) != MIEN_OK)
        return false;
    if (info.connected)
        device->n_failures = 0;
    if (device->options->enrol_only && info.enrolled)
        return true;
    if (device->options->rounds > 0 &&
        info.rounds - device->rounds_before >= device->options->rounds)
        return true;
    if (device->options->max_failures > 0 && device->n_failures >= device->options->max_failures)
        fail(device, MIEN_ENET);
    return false;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes all that is open; the loop then runs empty. */
static void end(struct device *device)
{
    device->ending = true;
    free_addresses(device);
    if (device->link == LINK_RESOLVING)
        (void)uv_cancel((uv_req_t *)&device->resolve);
    uv_walk(&device->loop, close_handle, NULL);
}

static void set_timer(struct device *device, uint64_t at_ms)
{
    uint64_t now_ms = mien_clock_ms();

    (void)uv_timer_stop(&device->timer);
    if (at_ms == MIEN_CLIENT_NEVER)
        return;
    uv_update_time(&device->loop);
    /* Never 0: a timer that is due at once again would keep the loop from its sockets. */
    (void)uv_timer_start(&device->timer, have_time, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

/* Does what the client wants now. Every callback ends here. */
static void advance(struct device *device)
{
    struct mien_client_wish wish = {0};

    if (options_met(device))
        fail(device, mien_client_stop(device->client, mien_clock_ms()));
    if (!device->ending)
        fail(device, mien_client_poll(device->client, mien_clock_ms(), &wish));
    if (device->ending || (wish.flags & MIEN_CLIENT_STOP) != 0) {
        end(device);
        return;
    }
    if ((wish.flags & MIEN_CLIENT_CONNECT) != 0 && device->link == LINK_DOWN)
        open_link(device, &wish);
    if ((wish.flags & MIEN_CLIENT_SEND) != 0 && device->link == LINK_UP && !device->writing)
        send_output(device);
    else if ((wish.flags & MIEN_CLIENT_CLOSE) != 0 && !device->writing)
        close_link(device);
    if ((wish.flags & MIEN_CLIENT_WORK) != 0)
        (void)uv_idle_start(&device->idle, have_idle);
    else
        (void)uv_idle_stop(&device->idle);
    set_timer(device, wish.at_ms);
}

static int init_handles(struct device *device)
{
    uv_loop_t *loop = &device->loop;
    int error = uv_timer_init(loop, &device->timer);

    error = error != 0 ? error : uv_timer_init(loop, &device->connecting);
    error = error != 0 ? error : uv_idle_init(loop, &device->idle);
    error = error != 0 ? error : uv_signal_init(loop, &device->sigterm);
    error = error != 0 ? error : uv_signal_init(loop, &device->sigint);
    error = error != 0 ? error : uv_signal_start(&device->sigterm, have_signal, SIGTERM);
    error = error != 0 ? error : uv_signal_start(&device->sigint, have_signal, SIGINT);
    device->timer.data = device;
    device->connecting.data = device;
    device->idle.data = device;
    device->sigterm.data = device;
    device->sigint.data = device;
    return error;
}

enum mien_status mien_device_run(struct mien_client *client,
                                 const struct mien_device_options *options, struct mien_err *err)
{
    /* One a process: its two network buffers are not for the stack. */
    static struct device device;
    struct mien_client_info info = {.struct_bytes = sizeof(info)};
    int error;

    memset(&device, 0, sizeof(device));
    device.client = client;
    device.options = options;
    (void)signal(SIGPIPE, SIG_IGN);
    if (mien_client_info(client, &info) == MIEN_OK)
        device.rounds_before = info.rounds;
    error = uv_loop_init(&device.loop);
    if (error != 0)
        return mien_err_set(err, MIEN_EIO, "no event loop: %s", uv_strerror(error));
    error = init_handles(&device);
    if (error == 0)
        advance(&device);
    else
        end(&device);
    (void)uv_run(&device.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&device.loop);
    if (error != 0)
        return mien_err_set(err, MIEN_EIO, "no timers or signals: %s", uv_strerror(error));
    if (device.status == MIEN_ENET)
        return mien_err_set(err, MIEN_ENET, "no connection to %s after %u attempts", device.host,
                            device.n_failures);
    if (device.status == MIEN_OK)
        device.status = mien_client_result(client);
    if (device.status != MIEN_OK)
        return mien_err_set(err, device.status, "%s", mien_client_explain(client));
    return MIEN_OK;
}
