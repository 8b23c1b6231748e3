// SPDX-License-Identifier: Apache-2.0
/* mien account: what a run costs, or which noise it needs. */
#include "common/dp/solve.h"
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

struct account_options {
    double noise; /* NAN: not given */
    double epsilon;
    double rate;
    double delta;
    uint64_t rounds;
    const char *sampling;
    bool json;
};

static enum mien_status check_given(const struct account_options *o, struct mien_err *err)
{
    if (isnan(o->noise) == isnan(o->epsilon))
        return mien_err_set(err, MIEN_EINVAL,
                            "give --noise to learn the epsilon, or --epsilon to learn the noise");
    if (o->rounds == 0)
        return mien_err_set(err, MIEN_EINVAL, "--rounds is missing or 0");
    if (isnan(o->delta))
        return mien_err_set(err, MIEN_EINVAL, "--delta is missing");
    return MIEN_OK;
}

/* The run as one event; its noise solved for where an epsilon is given. */
static enum mien_status event_of(const struct account_options *o, struct mien_dp_event *event,
                                 struct mien_err *err)
{
    enum mien_status status = check_given(o, err);

    *event = (struct mien_dp_event){.rate = o->rate, .count = o->rounds};
    if (status == MIEN_OK)
        status = mien_sampling_parse(o->sampling, &event->sampling, err);
    if (status != MIEN_OK)
        return status;
    if (event->sampling == MIEN_SAMPLING_NONE)
        event->rate = 1.0;
    if (!isnan(o->noise)) {
        event->noise = o->noise;
        return MIEN_OK;
    }
    const struct mien_dp_target target = {.epsilon = o->epsilon, .delta = o->delta};
    return mien_dp_solve_noise(event, &target, &event->noise, err);
}

/* ---- results ---- */

static bool add_real(cJSON *to, const char *name, double v)
{
    return (isfinite(v) ? cJSON_AddNumberToObject(to, name, v) : cJSON_AddNullToObject(to, name)) !=
           NULL;
}

static bool fill_json(cJSON *json, const struct mien_dp_event *event,
                      const struct account_options *o, const struct mien_dp_cost *cost)
{
    cJSON *accountants;

    if (!add_real(json, "epsilon", cost->epsilon) ||
        !add_real(json, "epsilon_witness", cost->epsilon_witness) ||
        !add_real(json, "delta", o->delta) || !add_real(json, "noise", event->noise) ||
        !add_real(json, "rate", event->rate) || !add_real(json, "rounds", (double)event->count) ||
        cJSON_AddStringToObject(json, "sampling", mien_sampling_name(event->sampling)) == NULL ||
        cJSON_AddStringToObject(json, "relation", "zero-out") == NULL)
        return false;
    accountants = cJSON_AddObjectToObject(json, "accountants");
    if (accountants == NULL)
        return false;
    if (cost->rdp != MIEN_DP_NOT_VALID && !add_real(accountants, "rdp", cost->rdp))
        return false;
    if (cost->pld != MIEN_DP_NOT_VALID && !add_real(accountants, "pld", cost->pld))
        return false;
    return cost->gaussian == MIEN_DP_NOT_VALID || add_real(accountants, "gaussian", cost->gaussian);
}

static enum mien_status print_json(const struct mien_dp_event *event,
                                   const struct account_options *o, const struct mien_dp_cost *cost)
{
    cJSON *json = cJSON_CreateObject();
    enum mien_status status =
        json != NULL && fill_json(json, event, o, cost) ? MIEN_OK : MIEN_ENOMEM;

    if (status == MIEN_OK)
        status = mien_ask_print(json);
    cJSON_Delete(json);
    return status;
}

static void print_text(const struct mien_dp_event *event, const struct account_options *o,
                       const struct mien_dp_cost *cost)
{
    printf("%" PRIu64 " releases, noise multiplier %.7g, sampling %s", event->count, event->noise,
           mien_sampling_name(event->sampling));
    if (event->sampling != MIEN_SAMPLING_NONE)
        printf(" at rate %g", event->rate);
    printf(", delta %g, relation zero-out\n", o->delta);
    printf("epsilon %.6g for a reader of the releases", cost->epsilon);
    printf("%s\n", event->sampling == MIEN_SAMPLING_NONE ? "" : ", while nobody sees the draws");
    printf("epsilon %.6g for a witness, who also knows who took part\n", cost->epsilon_witness);
    if (cost->rdp != MIEN_DP_NOT_VALID)
        printf("  rdp       %.6g  Renyi, orders 1.01 to 2000\n", cost->rdp);
    if (cost->pld != MIEN_DP_NOT_VALID)
        printf("  pld       %.6g  privacy loss distributions, for a plan that is fixed\n",
               cost->pld);
    if (cost->gaussian != MIEN_DP_NOT_VALID)
        printf("  gaussian  %.6g  exact, for releases without sampling\n", cost->gaussian);
}

static enum mien_status run(const struct account_options *o, struct mien_err *err)
{
    struct mien_dp_event event;
    struct mien_dp_cost cost;
    enum mien_status status = event_of(o, &event, err);

    if (status == MIEN_OK)
        status = mien_dp_account(&event, 1, o->delta, &cost, err);
    if (status != MIEN_OK)
        return status;
    if (o->json)
        return print_json(&event, o, &cost);
    print_text(&event, o, &cost);
    return MIEN_OK;
}

int mien_tool_account(int argc, char **argv)
{
    struct account_options o = {.noise = (double)NAN,
                                .epsilon = (double)NAN,
                                .delta = (double)NAN,
                                .rate = 1.0,
                                .sampling = "poisson"};
    const struct mien_option options[] = {
        {"--noise", MIEN_OPTION_REAL, &o.noise, "Z", "noise multiplier: deviation over bound"},
        {"--epsilon", MIEN_OPTION_REAL, &o.epsilon, "E", "solve for the noise that costs this"},
        {"--rate", MIEN_OPTION_REAL, &o.rate, "Q", "probability that a unit is drawn (default 1)"},
        {"--rounds", MIEN_OPTION_NUMBER, &o.rounds, "T", "releases"},
        {"--delta", MIEN_OPTION_REAL, &o.delta, "D", "far below 1 / units"},
        {"--sampling", MIEN_OPTION_TEXT, &o.sampling, "MODE",
         "poisson, fixed or none (default poisson)"},
        {"--json", MIEN_OPTION_FLAG, &o.json, NULL, "one JSON object"},
    };
    const struct mien_command command = {
        .name = "mien account",
        .synopsis =
            "--noise Z|--epsilon E --rate Q --rounds T --delta D [--sampling MODE] [--json]",
        .about =
            "Says what a run of noised sums costs each unit, for readers and for witnesses, by "
            "every accountant that is valid for it; or which noise an epsilon needs.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
    };
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, NULL, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(&o, &err);
    return mien_command_end(&command, status, &err);
}
