// SPDX-License-Identifier: Apache-2.0
/* mien init: makes a state directory. */
#include "common/base/mem.h"
#include "common/dp/sampling.h"
#include "common/plan/sampling.h"
#include "server/core/coordinator.h"
#include "server/store/statedir.h"
#include "server/tools/tools.h"

#include <limits.h>
#include <stdio.h>

struct init_options {
    const char *preset;
    const char *host;
    uint64_t port;
    struct mien_option_list set;
};

static enum mien_status configure(const struct init_options *options, struct mien_config *config,
                                  struct mien_err *err)
{
    char port[24];
    enum mien_status status = mien_config_init(options->preset, config, err);

    if (status == MIEN_OK && options->host != NULL)
        status = mien_config_set(config, "listen.host", options->host, err);
    if (status == MIEN_OK && options->port != 0) {
        (void)snprintf(port, sizeof(port), "%llu", (unsigned long long)options->port);
        status = mien_config_set(config, "listen.port", port, err);
    }
    for (size_t i = 0; status == MIEN_OK && i < options->set.n; i++)
        status = mien_config_set_pair(config, options->set.values[i], err);
    return status;
}

/* How many people a round waits for, and whether those that the plan is made for are enough. */
static void say_opening(const struct mien_plan *plan)
{
    const uint64_t needed = mien_coordinator_min_units(plan);
    const uint64_t population = (uint64_t)(plan->cohort / mien_plan_rate(plan) + 0.5);

    if (needed != MIEN_DP_NEVER)
        (void)fprintf(stderr, "A round opens when %llu people's devices are connected.\n",
                      (unsigned long long)needed);
    if (needed > population)
        (void)fprintf(stderr,
                      "WARNING: the plan is made for %llu people (round.cohort over its rate), "
                      "with whom no round would open: raise round.cohort or lower "
                      "round.min_reports.\n",
                      (unsigned long long)population);
}

/* What limits of taking part ask of the fleet, and correlated noise of the operator. */
static void say_limits(const char *dir, const struct mien_config *config)
{
    const struct mien_plan *plan = &config->plan;
    char path[PATH_MAX];

    if (mien_plan_limits_parts(plan))
        (void)fprintf(stderr, "All %u rounds of %u people need about %llu people.\n", plan->rounds,
                      plan->cohort, (unsigned long long)mien_plan_fleet(plan));
    if (plan->strategy != MIEN_PLAN_INDEPENDENT &&
        mien_run_key_path(dir, config->key_file, path, sizeof(path), NULL) == MIEN_OK)
        (void)fprintf(stderr,
                      "%s is the secret key of the run's noise: keep it out of every backup; "
                      "without it, or with a copy put back, the run is over.\n",
                      path);
}

static enum mien_status run(const char *dir, const struct init_options *options,
                            struct mien_err *err)
{
    struct mien_config *config = mien_calloc(1, sizeof(*config));
    struct mien_rng rng = mien_rng_system();
    enum mien_status status;

    if (config == NULL)
        return MIEN_ENOMEM;
    status = configure(options, config, err);
    if (status == MIEN_OK)
        status = mien_statedir_create(dir, config, &rng, err);
    if (status == MIEN_OK) {
        (void)fprintf(stderr, "%s is ready: plan %s, %s:%u for devices, %s.\n", dir, config->preset,
                      config->host, config->port,
                      config->plan.noise_by == MIEN_PLAN_NOISE_BY_DEVICES ? "devices add the noise"
                      : config->plan.noise_multiplier > 0.0               ? "noise is on"
                                                            : "NO NOISE: nothing is private");
        if (mien_plan_warning(&config->plan) != NULL)
            (void)fprintf(stderr, "Warning: %s.\n", mien_plan_warning(&config->plan));
        say_opening(&config->plan);
        say_limits(dir, config);
        (void)fprintf(stderr, "Next: mien token %s, then mien-coordinator %s\n", dir, dir);
    }
    mien_free(config);
    return status;
}

int mien_tool_init(int argc, char **argv)
{
    struct init_options o = {.preset = "demo"};
    const struct mien_option options[] = {
        {"--preset", MIEN_OPTION_TEXT, &o.preset, "NAME",
         "demo, faces16, faces32, faces32-large, faces64 or digits28 (default demo)"},
        {"--host", MIEN_OPTION_TEXT, &o.host, "HOST",
         "name or address that devices connect to (default 127.0.0.1)"},
        {"--port", MIEN_OPTION_NUMBER, &o.port, "N",
         "for devices; enrolment is at N + 1 (default 7443)"},
        {"--set", MIEN_OPTION_LIST, &o.set, "SECTION.KEY=VALUE",
         "sets a key of mien.conf, may be repeated"},
    };
    const struct mien_command command = {
        .name = "mien init",
        .synopsis = "DIR [--preset NAME] [--host HOST] [--port N] [--set SECTION.KEY=VALUE]...",
        .about = "Makes a coordinator's state directory: configuration, keys, start model, ledger.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], &o, &err);
    return mien_command_end(&command, status, &err);
}
