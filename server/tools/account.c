// SPDX-License-Identifier: Apache-2.0
/* mien account: what a run costs, or what fits into an epsilon. */
#include "server/tools/account_curve.h"
#include "server/tools/account_run.h"
#include "server/tools/ask.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define N_FIGURES 4

/* An accountant's figure and what it assumes. */
struct figure {
    const char *name;
    double epsilon;
    const char *assumes;
};

static const char *rdp_assumes(const struct mien_account_run *run)
{
    if (run->event.sampling == MIEN_SAMPLING_FIXED &&
        run->event.relation != MIEN_RELATION_ADD_REMOVE)
        return "Renyi, 200 orders from 1.01 to 2000; a unit replaced in a subset of fixed size "
               "(Wang, Balle, Kasiviswanathan 2019, theorem 27)";
    if (run->event.sampling == MIEN_SAMPLING_FIXED)
        return "Renyi, 200 orders from 1.01 to 2000; a subset of fixed size as a Poisson pair of "
               "twice the distance";
    if (run->event.kind == MIEN_DP_DISTRIBUTED)
        return "Renyi, 200 orders from 1.01 to 2000, with what the law of a sum of discrete "
               "Gaussians "
               "is off one (Kairouz, Liu, Steinke 2021)";
    return "Renyi, 200 orders from 1.01 to 2000; holds also if noise or rate are chosen on the way";
}

/* Those that are valid. */
static size_t figures_of(const struct mien_account_run *run, struct figure figures[N_FIGURES])
{
    const struct figure all[N_FIGURES] = {
        {"pld", run->cost.pld,
         "privacy loss distributions, addition and removal; noise and rate fixed before the first "
         "round"},
        {"gaussian", run->cost.gaussian, "exact; nobody is sampled"},
        {"rdp", run->cost.rdp, rdp_assumes(run)},
        {"zcdp", run->cost.zcdp, "the sum of rho alone; nobody is sampled"},
    };
    size_t n = 0;

    for (size_t i = 0; i < N_FIGURES; i++) {
        if (all[i].epsilon != MIEN_DP_NOT_VALID)
            figures[n++] = all[i];
    }
    return n;
}

static const char *smallest_of(const struct figure *figures, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        if (figures[i].epsilon < figures[best].epsilon)
            best = i;
    }
    return figures[best].name;
}

static const char *sampling_assumes(const struct mien_account_run *run)
{
    switch (run->event.sampling) {
    case MIEN_SAMPLING_POISSON:
        return "every unit by a coin of its own, which nobody sees";
    case MIEN_SAMPLING_POISSON_CAPPED:
        return "coins that nobody sees; above the cap the drawn are dropped at random";
    case MIEN_SAMPLING_FIXED:
        return "a uniform subset of fixed size, which nobody sees";
    case MIEN_SAMPLING_NONE:
        break;
    }
    return "nothing is claimed from sampling";
}

/* ---- JSON ---- */

static bool add_real(cJSON *to, const char *name, double v)
{
    return (isfinite(v) ? cJSON_AddNumberToObject(to, name, v) : cJSON_AddNullToObject(to, name)) !=
           NULL;
}

static bool add_figures(cJSON *json, const struct mien_account_run *run)
{
    struct figure figures[N_FIGURES];
    size_t n = figures_of(run, figures);
    cJSON *epsilons = cJSON_AddObjectToObject(json, "accountants");
    cJSON *assumptions = cJSON_AddObjectToObject(json, "assumptions");

    if (epsilons == NULL || assumptions == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!add_real(epsilons, figures[i].name, figures[i].epsilon) ||
            cJSON_AddStringToObject(assumptions, figures[i].name, figures[i].assumes) == NULL)
            return false;
    }
    if (run->cost.pld_lower != MIEN_DP_NOT_VALID &&
        (!add_real(json, "epsilon_lower", run->cost.pld_lower) ||
         !add_real(json, "grid", run->cost.pld_grid)))
        return false;
    return cJSON_AddStringToObject(assumptions, "sampling", sampling_assumes(run)) != NULL &&
           cJSON_AddStringToObject(json, "smallest", smallest_of(figures, n)) != NULL;
}

static bool fill_json(cJSON *json, const struct mien_account_run *run)
{
    if (!add_real(json, "epsilon", run->epsilon) ||
        !add_real(json, "epsilon_witness", run->cost.epsilon_witness) ||
        !add_real(json, "delta", run->delta) || !add_real(json, "noise", run->noise) ||
        !add_real(json, "rate", run->rate) || !add_real(json, "rounds", (double)run->rounds) ||
        cJSON_AddStringToObject(json, "sampling", mien_sampling_name(run->event.sampling)) ==
            NULL ||
        cJSON_AddStringToObject(json, "relation", mien_relation_name(run->event.relation)) ==
            NULL ||
        cJSON_AddStringToObject(json, "mechanism", run->mechanism) == NULL)
        return false;
    if (run->solved != NULL && cJSON_AddStringToObject(json, "solved", run->solved) == NULL)
        return false;
    if (run->population > 0 &&
        (!add_real(json, "population", (double)run->population) ||
         !add_real(json, "cohort", floor(run->rate * (double)run->population * (1.0 + 1e-12)))))
        return false;
    if (run->sensitivity != 1.0 && !add_real(json, "sensitivity", run->sensitivity))
        return false;
    if (run->share > 0.0 &&
        (!add_real(json, "share", run->share) || !add_real(json, "off", run->event.off)))
        return false;
    if (!isnan(run->update_noise) && !add_real(json, "update_noise", run->update_noise))
        return false;
    return add_figures(json, run);
}

static enum mien_status print_json(const struct mien_account_run *run)
{
    cJSON *json = cJSON_CreateObject();
    enum mien_status status = json != NULL && fill_json(json, run) ? MIEN_OK : MIEN_ENOMEM;

    if (status == MIEN_OK)
        status = mien_ask_print(json);
    cJSON_Delete(json);
    return status;
}

/* ---- text ---- */

static void print_run(const struct mien_account_run *run)
{
    const char *relation = mien_relation_name(run->event.relation);

    if (run->solved != NULL)
        printf("solved for the %s\n", run->solved);
    printf("%" PRIu64 " rounds, noise multiplier %.8g (%s), sampling %s", run->rounds, run->noise,
           run->mechanism, mien_sampling_name(run->event.sampling));
    if (run->event.sampling != MIEN_SAMPLING_NONE)
        printf(" at rate %.8g", run->rate);
    if (run->population > 0)
        printf(", a cohort of %.0f out of %" PRIu64,
               floor(run->rate * (double)run->population * (1.0 + 1e-12)), run->population);
    printf(", delta %g, relation %s: %s\n", run->delta, relation, sampling_assumes(run));
    if (run->share > 0.0)
        printf("each device adds discrete Gaussian noise of sigma %.9g; its sums' law is off by "
               "%.3g at "
               "most\n",
               run->share, run->event.off);
    if (run->sensitivity != 1.0)
        printf("one unit moves the releases by %.9g of its bound\n", run->sensitivity);
    if (!isnan(run->update_noise))
        printf("with adaptive clipping the updates alone get a noise multiplier of %.9g\n",
               run->update_noise);
}

static void print_text(const struct mien_account_run *run, const char *asked)
{
    struct figure figures[N_FIGURES];
    size_t n = figures_of(run, figures);
    const char *smallest = smallest_of(figures, n);

    print_run(run);
    printf("epsilon %.8g for a reader of the releases (%s)\n", run->epsilon,
           asked != NULL ? asked : smallest);
    printf("epsilon %.8g for a witness, who also knows who took part\n", run->cost.epsilon_witness);
    for (size_t i = 0; i < n; i++)
        printf("  %-9s %-12.8g %s\n", figures[i].name, figures[i].epsilon, figures[i].assumes);
    if (run->cost.pld_lower != MIEN_DP_NOT_VALID)
        printf("  at least  %-12.8g proven lower bound of the true epsilon\n", run->cost.pld_lower);
    if (isinf(run->cost.pld))
        printf("  the losses do not fit a grid of a million points; pld counts as infinite\n");
    if (!mien_dp_has_pld())
        printf("  this build has no privacy loss distributions: FFTW was left out\n");
}

static enum mien_status run_command(const struct mien_account_ask *ask, bool json,
                                    const char *curve, struct mien_err *err)
{
    struct mien_account_run run;
    enum mien_status status = mien_account_answer(ask, &run, err);

    if (status == MIEN_OK && curve != NULL)
        status = mien_account_curve(ask, &run, curve, err);
    if (status != MIEN_OK)
        return status;
    if (json)
        return print_json(&run);
    print_text(&run, ask->accountant);
    return MIEN_OK;
}

static struct mien_account_ask nothing_asked(void)
{
    const double none = (double)NAN;

    return (struct mien_account_ask){.noise = none,
                                     .epsilon = none,
                                     .delta = none,
                                     .rate = none,
                                     .grid = none,
                                     .clip_noise = none};
}

int mien_tool_account(int argc, char **argv)
{
    struct mien_account_ask ask = nothing_asked();
    bool json = false;
    const char *curve = NULL;
    const struct mien_option options[] = {
        {"--noise", MIEN_OPTION_REAL, &ask.noise, "Z", "noise multiplier: deviation over bound"},
        {"--epsilon", MIEN_OPTION_REAL, &ask.epsilon, "E",
         "solve for what is left out: noise, rounds or rate"},
        {"--rate", MIEN_OPTION_REAL, &ask.rate, "Q", "chance that a unit is drawn (default 1)"},
        {"--cohort", MIEN_OPTION_NUMBER, &ask.cohort, "N", "the rate as a share of --population"},
        {"--population", MIEN_OPTION_NUMBER, &ask.population, "N", "units, a lower bound"},
        {"--rounds", MIEN_OPTION_NUMBER, &ask.rounds, "T", "releases"},
        {"--delta", MIEN_OPTION_REAL, &ask.delta, "D", "far below 1 / units"},
        {"--sampling", MIEN_OPTION_TEXT, &ask.sampling, "MODE",
         "poisson, poisson-capped, fixed or none (default poisson)"},
        {"--cap", MIEN_OPTION_NUMBER, &ask.cap, "N", "of poisson-capped: units a round at most"},
        {"--relation", MIEN_OPTION_TEXT, &ask.relation, "R",
         "add-remove, replace or zero-out (default add-remove)"},
        {"--accountant", MIEN_OPTION_TEXT, &ask.accountant, "A",
         "pld, rdp, gaussian or zcdp (default the smallest valid)"},
        {"--grid", MIEN_OPTION_REAL, &ask.grid, "H", "spacing of losses for pld (default chosen)"},
        {"--mechanism", MIEN_OPTION_TEXT, &ask.mechanism, "M",
         "independent, distributed (by devices), tree, blt, banded or toeplitz noise"},
        {"--shares", MIEN_OPTION_NUMBER, &ask.shares, "M",
         "of distributed: devices whose noise alone is --noise"},
        {"--bound", MIEN_OPTION_NUMBER, &ask.bound, "B", "of distributed: a unit's integer bound"},
        {"--dim", MIEN_OPTION_NUMBER, &ask.dim, "N", "of distributed: coordinates of a vector"},
        {"--separation", MIEN_OPTION_NUMBER, &ask.separation, "B",
         "a unit's rounds are at least B apart (1: any)"},
        {"--participations", MIEN_OPTION_NUMBER, &ask.participations, "K",
         "rounds that a unit takes part in at most"},
        {"--restart", MIEN_OPTION_NUMBER, &ask.restart, "N", "of tree: a new tree every N rounds"},
        {"--bands", MIEN_OPTION_NUMBER, &ask.bands, "N", "of banded: coefficients that are not 0"},
        {"--theta", MIEN_OPTION_TEXT, &ask.theta, "A,B,..", "of blt: decay of each buffer"},
        {"--omega", MIEN_OPTION_TEXT, &ask.omega, "A,B,..", "of blt: weight of each buffer"},
        {"--clip-noise", MIEN_OPTION_REAL, &ask.clip_noise, "S",
         "adaptive clipping: deviation on the count of bits"},
        {"--json", MIEN_OPTION_FLAG, &json, NULL, "one JSON object"},
        {"--curve", MIEN_OPTION_TEXT, &curve, "FILE", "an SVG of epsilon over rounds"},
    };
    const struct mien_command command = {
        .name = "mien account",
        .synopsis = "--noise Z|--epsilon E --rate Q --rounds T --delta D [option]...",
        .about = "Says what a run of noised sums costs each unit, for readers and for witnesses, "
                 "by every accountant that is valid for it; or what fits into an epsilon.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
    };
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, NULL, &done, &err);

    if (status == MIEN_OK && !done)
        status = run_command(&ask, json, curve, &err);
    return mien_command_end(&command, status, &err);
}
