// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "server/shell/daemon.h"
#include "server/tools/ask.h"
#include "tests/sim/tls.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKENS_A_REQUEST 1000

/* ---- the state directory ---- */

/* Two ports that are free now: the system's choice, held until both are known. */
static enum mien_status free_ports(uint16_t ports[2], struct mien_err *err)
{
    int fds[2] = {-1, -1};
    enum mien_status status = MIEN_OK;

    for (int i = 0; i < 2 && status == MIEN_OK; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof(address);

        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&address, length) != 0 ||
            getsockname(fds[i], (struct sockaddr *)&address, &length) != 0)
            status = mien_err_set(err, MIEN_EIO, "no free port on loopback");
        ports[i] = ntohs(address.sin_port);
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    return status;
}

static enum mien_status make_state(const struct sim_daemon *daemon,
                                   const struct sim_options *options, struct mien_err *err)
{
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct mien_rng rng = mien_rng_system();
    uint16_t ports[2];
    enum mien_status status =
        config == NULL ? MIEN_ENOMEM : mien_config_init(options->preset, config, err);

    if (status == MIEN_OK)
        status = free_ports(ports, err);
    if (status == MIEN_OK && options->init != NULL)
        status = mien_config_set(config, "plan.init_from", options->init, err);
    if (status == MIEN_OK) {
        config->plan = options->plan;
        config->port = ports[0];
        config->enrol_port = ports[1];
        config->come_back_s = 5;
        status = mien_config_check(config, err);
    }
    if (status == MIEN_OK)
        status = mien_statedir_create(daemon->dir, config, &rng, err);
    mien_free(config);
    return status;
}

static enum mien_status add_tokens(struct sim_daemon *daemon, uint64_t n, struct mien_err *err)
{
    cJSON *request = mien_ask_request("token");
    cJSON *reply = NULL;
    const cJSON *token;

    if (request == NULL || cJSON_AddNumberToObject(request, "count", (double)n) == NULL ||
        cJSON_AddNumberToObject(request, "ttl_s", 86400) == NULL) {
        cJSON_Delete(request);
        return MIEN_ENOMEM;
    }
    enum mien_status status = mien_ask(daemon->dir, request, &reply, err);
    if (status == MIEN_OK) {
        cJSON_ArrayForEach(token, cJSON_GetObjectItemCaseSensitive(reply, "tokens"))
        {
            if (status == MIEN_OK)
                status = mien_buf_printf(&daemon->tokens, "%s\n", cJSON_GetStringValue(token));
        }
    }
    cJSON_Delete(reply);
    return status;
}

static enum mien_status choose_dir(struct sim_daemon *daemon, const char *parent,
                                   struct mien_err *err)
{
    const char *tmp = getenv("TMPDIR");

    if (parent != NULL)
        return mien_path_join(parent, "state", daemon->dir, sizeof(daemon->dir));
    (void)snprintf(daemon->dir, sizeof(daemon->dir), "%s/mien-sim-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(daemon->dir) == NULL)
        return mien_err_set(err, MIEN_EIO, "cannot make a directory %s", daemon->dir);
    daemon->temporary = true;
    return MIEN_OK;
}

enum mien_status sim_daemon_start(struct sim_daemon *daemon, const struct sim_options *options,
                                  const char *parent, struct mien_err *err)
{
    enum mien_status status = choose_dir(daemon, parent, err);

    if (status == MIEN_OK)
        status = make_state(daemon, options, err);
    for (uint64_t n = options->n_devices; n > 0 && status == MIEN_OK;) {
        const uint64_t now = n < TOKENS_A_REQUEST ? n : TOKENS_A_REQUEST;

        status = add_tokens(daemon, now, err);
        n -= now;
    }
    const size_t n_dir = strlen(daemon->dir) + 1;
    if (status == MIEN_OK && write(daemon->go_fd, daemon->dir, n_dir) != (ssize_t)n_dir)
        status = mien_err_set(err, MIEN_EIO, "the coordinator's process is gone");
    return status;
}

/* ---- the process ---- */

static void to_pipe(void *self, enum mien_log_level level,
                    const char *line) /* daemon, any thread */
{
    const int *fd = self;
    char text[2048];
    const int n = snprintf(text, sizeof(text), "%s\n", line);

    (void)level;
    if (n > 0 && (size_t)n < sizeof(text))
        (void)!write(*fd, text, (size_t)n); /* at most PIPE_BUF: whole */
}

/* The daemon's process: what mien-coordinator does, with its log on the pipe. */
static int be_daemon(const char *dir, uint64_t n_rounds, int fd)
{
    struct mien_err err = {0};
    struct mien_statedir *state = mien_calloc(1, sizeof(*state));
    int exit_status = 1;

    mien_log_set_sink(to_pipe, &fd);
    enum mien_status status = state == NULL ? MIEN_ENOMEM : mien_statedir_open(dir, state, &err);
    if (status == MIEN_OK) {
        const struct mien_daemon_options options = {.state = state, .n_rounds = n_rounds};
        status = mien_daemon_run(&options, &exit_status, &err);
        mien_statedir_close(state);
    }
    if (status != MIEN_OK)
        mien_log(MIEN_ERROR, "coordinator.failed", "why=\"%s\"", mien_err_text(&err, status));
    mien_free(state);
    return status == MIEN_OK ? exit_status : mien_status_exit(status);
}

/* Waits to be told its directory; a simulator that ends before does not tell. */
static int wait_and_be(uint64_t n_rounds, int go_fd, int log_fd)
{
    char dir[PATH_MAX];
    size_t n = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGINT, SIG_IGN); /* the simulator decides */
    (void)signal(SIGPIPE, SIG_IGN);
    while (n < sizeof(dir) && (n == 0 || dir[n - 1] != '\0')) {
        const ssize_t got = read(go_fd, dir + n, sizeof(dir) - n);

        if (got <= 0)
            return 0;
        n += (size_t)got;
    }
    return be_daemon(dir, n_rounds, log_fd);
}

enum mien_status sim_daemon_fork(struct sim_daemon *daemon, uint64_t n_rounds, struct mien_err *err)
{
    int go[2] = {-1, -1};
    int log[2] = {-1, -1};
    const bool piped = pipe(go) == 0 && pipe(log) == 0;

    *daemon = (struct sim_daemon){.go_fd = go[1], .log_fd = log[0]};
    (void)fflush(NULL);
    daemon->pid = piped ? fork() : -1;
    if (daemon->pid == 0) {
        (void)close(go[1]);
        (void)close(log[0]);
        _exit(wait_and_be(n_rounds, go[0], log[1]));
    }
    if (go[0] >= 0)
        (void)close(go[0]);
    if (log[1] >= 0)
        (void)close(log[1]);
    if (daemon->pid > 0)
        return MIEN_OK;
    daemon->pid = 0;
    return mien_err_set(err, MIEN_EIO, "no process for the coordinator");
}

void sim_daemon_wait(struct sim_daemon *daemon, bool stop)
{
    struct rusage usage;
    int how;

    if (daemon->pid == 0)
        return;
    if (stop)
        (void)kill(daemon->pid, SIGTERM);
    if (waitpid(daemon->pid, &how, 0) == daemon->pid)
        daemon->exit_status = WIFEXITED(how) ? WEXITSTATUS(how) : 1;
    daemon->pid = 0;
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0)
        daemon->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

/* ---- its end ---- */

/* Removes what is in a directory of ours, which holds files and one level of directories. */
static void remove_dir(const char *path, int depth);

/* The directory, and the key beside it of a run of correlated noise. */
static void remove_state(const char *dir)
{
    char key[PATH_MAX];

    if (mien_run_key_path(dir, "", key, sizeof(key), NULL) == MIEN_OK)
        (void)unlink(key);
    remove_dir(dir, 1);
}

static void remove_dir(const char *path, int depth)
{
    DIR *dir = opendir(path);
    char inside[PATH_MAX];

    for (struct dirent *entry = dir == NULL ? NULL : readdir(dir); entry != NULL;
         entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            mien_path_join(path, entry->d_name, inside, sizeof(inside)) != MIEN_OK)
            continue;
        if (unlink(inside) != 0 && depth > 0)
            remove_dir(inside, depth - 1);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

void sim_daemon_free(struct sim_daemon *daemon)
{
    if (daemon->pid > 0) {
        (void)kill(daemon->pid, SIGKILL);
        sim_daemon_wait(daemon, false);
    }
    if (daemon->log_fd >= 0)
        (void)close(daemon->log_fd);
    if (daemon->go_fd >= 0)
        (void)close(daemon->go_fd);
    if (daemon->temporary)
        remove_state(daemon->dir);
    mien_buf_wipe(&daemon->tokens);
    mien_buf_fini(&daemon->tokens);
}
