// SPDX-License-Identifier: Apache-2.0
/* mien run: begins another run of the same population, on the same ledger. */
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "server/store/statedir.h"
#include "server/tools/tools.h"

#include <math.h>
#include <stdio.h>

struct run_options {
    const char *preset;
    struct mien_option_list set;
};

/* The preset's plan; where it listens and within which limits stays. */
static enum mien_status take_preset(const char *preset, struct mien_config *config,
                                    struct mien_err *err)
{
    struct mien_config *fresh = mien_calloc(1, sizeof(*fresh));
    enum mien_status status;

    if (fresh == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for a configuration");
    status = mien_config_init(preset, fresh, err);
    if (status == MIEN_OK) {
        config->plan = fresh->plan;
        (void)snprintf(config->preset, sizeof(config->preset), "%s", fresh->preset);
        config->init_from[0] = '\0';
    }
    mien_free(fresh);
    return status;
}

static enum mien_status configure(const struct run_options *options, struct mien_config *config,
                                  struct mien_err *err)
{
    enum mien_status status =
        options->preset == NULL ? MIEN_OK : take_preset(options->preset, config, err);

    for (size_t i = 0; status == MIEN_OK && i < options->set.n; i++)
        status = mien_config_set_pair(config, options->set.values[i], err);
    return status;
}

static enum mien_status say(struct mien_store *store, struct mien_err *err)
{
    const struct mien_entry_plan *plan = mien_store_plan(store);
    struct mien_dp_cost cost;
    double delta;
    char cap[32] = "no cap";
    enum mien_status status = mien_store_cost(store, &cost, &delta, err);

    if (status != MIEN_OK)
        return status;
    if (isfinite(plan->epsilon_cap))
        (void)snprintf(cap, sizeof(cap), "a cap of %.4g", plan->epsilon_cap);
    (void)fprintf(stderr,
                  "Run %u begins: %u rounds. Spent by this population: epsilon %.4g for readers, "
                  "%.4g for witnesses, of %s; runs are added, at delta %g together.\n",
                  plan->run, plan->rounds, cost.epsilon, cost.epsilon_witness, cap, delta);
    return MIEN_OK;
}

static enum mien_status run(const char *dir, const struct run_options *options,
                            struct mien_err *err)
{
    struct mien_statedir *state = mien_calloc(1, sizeof(*state));
    struct mien_rng rng = mien_rng_system();
    const bool changed = options->preset != NULL || options->set.n > 0;
    enum mien_status status;

    if (state == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for a state directory");
    status = mien_statedir_open(dir, state, err);
    if (status != MIEN_OK) {
        mien_free(state);
        return status;
    }
    status = configure(options, &state->config, err);
    if (status == MIEN_OK)
        status = mien_statedir_begin_run(state, changed, &rng, err);
    if (status == MIEN_OK)
        status = say(state->store, err);
    mien_statedir_close(state);
    mien_free(state);
    return status;
}

int mien_tool_run(int argc, char **argv)
{
    struct run_options o = {0};
    const struct mien_option options[] = {
        {"--preset", MIEN_OPTION_TEXT, &o.preset, "NAME",
         "the plan of a preset (default: the plan of mien.conf)"},
        {"--set", MIEN_OPTION_LIST, &o.set, "SECTION.KEY=VALUE",
         "sets a key of mien.conf, may be repeated"},
    };
    const struct mien_command command = {
        .name = "mien run",
        .synopsis = "DIR [--preset NAME] [--set SECTION.KEY=VALUE]...",
        .about = "Begins another run: a new model of the same people on the same ledger, with a "
                 "plan of its own. What earlier runs spent stays spent; one cap holds for all.",
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
