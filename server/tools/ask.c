// SPDX-License-Identifier: Apache-2.0
#include "server/tools/ask.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "server/store/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX_BYTES ((size_t)64 << 20) /* a million devices */
#define TIMEOUT_S 60

/* ---- the daemon ---- */

/* The path of a socket has at most 107 bytes: it is reached through the directory's descriptor. */
static int connect_to(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = false;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock",
                   dir_fd);
    if (dir_fd >= 0 && fd >= 0)
        connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (dir_fd >= 0)
        (void)close(dir_fd);
    if (connected) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        return fd;
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static enum mien_status send_all(int fd, const struct mien_buf *line)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t n = send(fd, line->data + done, line->len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return MIEN_ENET;
        done += (size_t)n;
    }
    return MIEN_OK;
}

static enum mien_status receive_line(int fd, struct mien_buf *line)
{
    uint8_t chunk[65536];

    while (line->len == 0 || line->data[line->len - 1] != '\n') {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return MIEN_ENET;
        if (line->len + (size_t)n > REPLY_MAX_BYTES)
            return MIEN_ELIMIT;
        enum mien_status status = mien_buf_append(line, chunk, (size_t)n);
        if (status != MIEN_OK)
            return status;
    }
    return MIEN_OK;
}

static enum mien_status ask_daemon(int fd, const struct mien_buf *request, struct mien_buf *reply,
                                   struct mien_err *err)
{
    enum mien_status status = send_all(fd, request);

    if (status == MIEN_OK)
        status = receive_line(fd, reply);
    (void)close(fd);
    if (status == MIEN_ENET)
        return mien_err_set(err, status, "the coordinator did not answer");
    return status;
}

/* ---- the directory ---- */

static enum mien_status ask_directory(const char *dir, const struct mien_buf *request,
                                      struct mien_buf *reply, struct mien_err *err)
{
    struct mien_statedir *state = mien_calloc(1, sizeof(*state));
    struct mien_rng rng = mien_rng_system();
    struct mien_control control = {.state = state, .rng = &rng, .now_s = mien_clock_unix_s()};
    enum mien_status status;

    if (state == NULL)
        return MIEN_ENOMEM;
    status = mien_statedir_open(dir, state, err);
    if (status == MIEN_OK) {
        status = mien_control_handle(&control, mien_buf_span(request), reply);
        mien_statedir_close(state);
    }
    mien_free(state);
    return status;
}

/* ---- both ---- */

static enum mien_status status_of_name(const char *name)
{
    for (int s = 0; s < MIEN_N_STATUS; s++) {
        if (strcmp(mien_status_name((enum mien_status)s), name) == 0)
            return (enum mien_status)s;
    }
    return MIEN_EPARSE;
}

static enum mien_status judge(const struct mien_buf *text, cJSON **reply, struct mien_err *err)
{
    cJSON *json = cJSON_ParseWithLength((const char *)text->data, text->len);
    enum mien_status status;

    if (json == NULL)
        return mien_err_set(err, MIEN_EPARSE, "the coordinator's answer is no JSON");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "ok"))) {
        *reply = json;
        return MIEN_OK;
    }
    status = status_of_name(mien_ask_text(json, "code"));
    status = mien_err_set(err, status == MIEN_OK ? MIEN_EPARSE : status, "%s",
                          mien_ask_text(json, "error"));
    cJSON_Delete(json);
    return status;
}

static enum mien_status line_of(const cJSON *json, struct mien_buf *out)
{
    char *text = cJSON_PrintUnformatted(json);
    enum mien_status status = text == NULL ? MIEN_ENOMEM : mien_buf_printf(out, "%s\n", text);

    cJSON_free(text);
    return status;
}

enum mien_status mien_ask(const char *dir, cJSON *request, cJSON **reply, struct mien_err *err)
{
    struct mien_buf line = {0};
    struct mien_buf text = {0};
    enum mien_status status = request == NULL ? MIEN_ENOMEM : line_of(request, &line);

    cJSON_Delete(request);
    if (status == MIEN_OK) {
        int fd = connect_to(dir);
        status =
            fd >= 0 ? ask_daemon(fd, &line, &text, err) : ask_directory(dir, &line, &text, err);
        /* A daemon that was starting holds the lock a little before it listens. */
        if (fd < 0 && status == MIEN_EBUSY && (fd = connect_to(dir)) >= 0)
            status = ask_daemon(fd, &line, &text, err);
    }
    if (status == MIEN_OK)
        status = judge(&text, reply, err);
    mien_buf_wipe(&text); /* may hold tokens */
    mien_buf_fini(&line);
    return status;
}

cJSON *mien_ask_request(const char *cmd)
{
    cJSON *request = cJSON_CreateObject();

    if (request != NULL && cJSON_AddStringToObject(request, "cmd", cmd) == NULL) {
        cJSON_Delete(request);
        return NULL;
    }
    return request;
}

enum mien_status mien_ask_print(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    bool printed = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
    enum mien_status status = text == NULL ? MIEN_ENOMEM : MIEN_OK;

    cJSON_free(text);
    return status == MIEN_OK && !printed ? MIEN_EIO : status;
}

double mien_ask_number(const cJSON *reply, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reply, name);

    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

const char *mien_ask_text(const cJSON *reply, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reply, name));

    return text == NULL ? "" : text;
}
