// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "server/shell/daemon.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_SETTINGS 64

static const char help[] =
    "usage: mien-coordinator DIR [--rounds N] [--set section.key=value]... [--verbose]\n"
    "\n"
    "Runs the coordinator of the state directory DIR (see mien init) in the foreground.\n"
    "\n"
    "  --rounds N   stop after N released rounds; exit status 3 when the budget refuses one\n"
    "  --set K=V    a key of mien.conf for this process only\n"
    "  --verbose    log every message's outcome\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM drains and exits with 0; SIGHUP reads the limits of mien.conf again.\n";

struct arguments {
    const char *dir;
    uint64_t n_rounds;
    const char *settings[MAX_SETTINGS];
    size_t n_settings;
    bool done; /* --help or --version */
};

static enum mien_status parse(int argc, char **argv, struct arguments *out, struct mien_err *err)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'}, {"set", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r' && mien_parse_u64(optarg, 1, UINT32_MAX, &out->n_rounds) != MIEN_OK)
            return mien_err_set(err, MIEN_EPARSE, "--rounds: \"%s\" is not a positive number",
                                optarg);
        if (option == 's' && out->n_settings == MAX_SETTINGS)
            return mien_err_set(err, MIEN_ELIMIT, "--set: more than %d of them", MAX_SETTINGS);
        if (option == 's')
            out->settings[out->n_settings++] = optarg;
        if (option == 'v')
            mien_log_set_level(MIEN_DEBUG);
        if (option == 'h' || option == 'V') {
            (void)fputs(option == 'h' ? help : "mien-coordinator " MIEN_VERSION "\n", stdout);
            out->done = true;
            return MIEN_OK;
        }
        if (option == '?')
            return mien_err_set(err, MIEN_EPARSE, "%s: no such option, or its value is missing",
                                argv[optind - 1]);
    }
    if (optind + 1 != argc)
        return mien_err_set(err, MIEN_EINVAL, "expected one state directory (see --help)");
    out->dir = argv[optind];
    return MIEN_OK;
}

/* Sockets and files: as many as the system lets us. */
static void raise_file_limit(const struct mien_config *config)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < (rlim_t)config->connections + 64)
        mien_log(MIEN_WARN, "files.few", "limit=%llu connections=%u",
                 (unsigned long long)limit.rlim_max, config->connections);
}

static enum mien_status run(const struct arguments *arguments, struct mien_statedir *state,
                            int *exit_status, struct mien_err *err)
{
    const struct mien_daemon_options options = {.state = state, .n_rounds = arguments->n_rounds};
    enum mien_status status = MIEN_OK;

    for (size_t i = 0; i < arguments->n_settings && status == MIEN_OK; i++)
        status = mien_config_set_pair(&state->config, arguments->settings[i], err);
    if (status == MIEN_OK)
        status = mien_plan_validate(&state->config.plan, err);
    if (status != MIEN_OK)
        return status;
    raise_file_limit(&state->config);
    return mien_daemon_run(&options, exit_status, err);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct mien_err err = {0};
    int exit_status = 0;
    enum mien_status status = parse(argc, argv, &arguments, &err);
    struct mien_statedir *state = NULL;

    if (status == MIEN_OK && arguments.done)
        return 0;
    (void)signal(SIGPIPE, SIG_IGN);
    if (status == MIEN_OK) {
        state = mien_calloc(1, sizeof(*state));
        status = state == NULL ? MIEN_ENOMEM : mien_statedir_open(arguments.dir, state, &err);
        if (status != MIEN_OK) {
            mien_free(state);
            state = NULL;
        }
    }
    if (status == MIEN_OK)
        status = run(&arguments, state, &exit_status, &err);
    if (state != NULL)
        mien_statedir_close(state);
    mien_free(state);
    if (status != MIEN_OK) {
        (void)fprintf(stderr, "mien-coordinator: %s\n", mien_err_text(&err, status));
        return mien_status_exit(status);
    }
    return exit_status;
}
