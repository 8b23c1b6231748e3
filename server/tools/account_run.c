// SPDX-License-Identifier: Apache-2.0
#include "server/tools/account_run.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/dp/clip.h"
#include "common/dp/distributed.h"
#include "common/dp/strategy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_BUFFERS 16
#define MAX_SHARES 16384 /* of one group */

static bool is(const char *text, const char *other)
{
    return text != NULL && strcmp(text, other) == 0;
}

/* ---- correlated noise ---- */

static bool by_devices(const struct mien_account_ask *ask)
{
    return is(ask->mechanism, "distributed");
}

static bool correlated(const struct mien_account_ask *ask)
{
    return ask->mechanism != NULL && !is(ask->mechanism, "independent") && !by_devices(ask);
}

/* Numbers between commas. */
static enum mien_status parse_list(const char *option, const char *text, double out[MAX_BUFFERS],
                                   size_t *n, struct mien_err *err)
{
    const char *at = text;

    *n = 0;
    while (*at != '\0') {
        char one[64];
        size_t len = strcspn(at, ",");

        if (*n == MAX_BUFFERS || len >= sizeof(one))
            return mien_err_set(err, MIEN_ELIMIT, "%s takes up to %d numbers", option, MAX_BUFFERS);
        memcpy(one, at, len);
        one[len] = '\0';
        if (mien_parse_double(one, &out[*n]) != MIEN_OK || !(out[*n] > 0.0))
            return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not a positive number", option,
                                one);
        ++*n;
        at += len + (at[len] == ',');
    }
    return MIEN_OK;
}

static enum mien_status fill_column(const struct mien_account_ask *ask, double *c, size_t n,
                                    struct mien_err *err)
{
    double theta[MAX_BUFFERS];
    double omega[MAX_BUFFERS];
    size_t n_theta;
    size_t n_omega;

    if (!is(ask->mechanism, "blt")) {
        mien_strategy_square_root(c, n);
        return MIEN_OK;
    }
    if (ask->theta == NULL || ask->omega == NULL)
        return mien_err_set(err, MIEN_EINVAL, "blt needs --theta and --omega");
    enum mien_status status = parse_list("--theta", ask->theta, theta, &n_theta, err);
    if (status == MIEN_OK)
        status = parse_list("--omega", ask->omega, omega, &n_omega, err);
    if (status != MIEN_OK)
        return status;
    if (n_theta != n_omega || n_theta == 0)
        return mien_err_set(err, MIEN_EINVAL, "--theta has %zu numbers, --omega %zu", n_theta,
                            n_omega);
    mien_strategy_blt(theta, omega, n_theta, c, n);
    return MIEN_OK;
}

static enum mien_status column_squared(const struct mien_account_ask *ask,
                                       const struct mien_strategy_limits *limits, double *squared,
                                       struct mien_err *err)
{
    size_t n = (size_t)limits->rounds;

    if (is(ask->mechanism, "banded") && ask->bands == 0)
        return mien_err_set(err, MIEN_EINVAL, "banded needs --bands");
    if (ask->bands > 0 && ask->bands < n)
        n = (size_t)ask->bands;
    double *c = mien_calloc(n, sizeof(double));
    if (c == NULL)
        return mien_err_set(err, MIEN_ENOMEM, "no memory for %zu coefficients", n);
    enum mien_status status = fill_column(ask, c, n, err);
    if (status == MIEN_OK)
        status = mien_strategy_toeplitz(limits, c, n, squared, err);
    mien_free(c);
    return status;
}

/* The sensitivity of `rounds` rounds. */
static enum mien_status sensitivity_of(const struct mien_account_ask *ask, uint64_t rounds,
                                       double *out, struct mien_err *err)
{
    const struct mien_strategy_limits limits = {
        .rounds = rounds,
        .separation = ask->separation > 0 ? ask->separation : 1,
        .participations = ask->participations > 0 ? ask->participations : rounds,
    };
    double squared = 1.0;
    enum mien_status status = MIEN_OK;

    if (rounds > (uint64_t)1 << 20)
        return mien_err_set(err, MIEN_ELIMIT, "%" PRIu64 " rounds of correlated noise: up to 2^20",
                            rounds);
    if (is(ask->mechanism, "tree") && ask->restart > 0)
        status = mien_strategy_tree_restarted(&limits, ask->restart, &squared, err);
    else if (is(ask->mechanism, "tree"))
        status = mien_strategy_tree(&limits, &squared, err);
    else
        status = column_squared(ask, &limits, &squared, err);
    *out = sqrt(squared) * (1.0 + 1e-15);
    return status;
}

/* ---- checks ---- */

/* Constants of a sum of devices' shares, as mien plan and the ledger have them. */
static enum mien_status check_shares(const struct mien_account_ask *ask, struct mien_err *err)
{
    if (ask->shares == 0 || ask->shares > MAX_SHARES || ask->bound == 0 || ask->dim == 0)
        return mien_err_set(err, MIEN_EINVAL,
                            "distributed noise needs --shares (1 to %d), --bound and --dim",
                            MAX_SHARES);
    if (isnan(ask->noise) || !isnan(ask->epsilon))
        return mien_err_set(
            err, MIEN_EINVAL,
            "with distributed noise an epsilon is computed and nothing solved: give "
            "--noise and --rounds");
    return MIEN_OK;
}

static enum mien_status check_mechanism(const struct mien_account_ask *ask, struct mien_err *err)
{
    static const char *const names[] = {"independent", "distributed", "tree",
                                        "blt",         "banded",      "toeplitz"};
    bool known = ask->mechanism == NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        known = known || is(ask->mechanism, names[i]);
    if (!known)
        return mien_err_set(err, MIEN_EPARSE,
                            "no mechanism \"%s\": independent, distributed, tree, blt, banded or "
                            "toeplitz",
                            ask->mechanism);
    if (!by_devices(ask) && (ask->shares > 0 || ask->bound > 0 || ask->dim > 0))
        return mien_err_set(err, MIEN_EINVAL,
                            "--shares, --bound and --dim are of --mechanism distributed");
    if (!correlated(ask) && !by_devices(ask))
        return MIEN_OK;
    if (ask->sampling != NULL && !is(ask->sampling, "none"))
        return mien_err_set(err, MIEN_EINVAL,
                            "%s noise claims nothing from sampling: --sampling none",
                            ask->mechanism);
    if (!isnan(ask->rate) && ask->rate != 1.0)
        return mien_err_set(err, MIEN_EINVAL, "%s noise has no rate: everybody may take part",
                            ask->mechanism);
    if (by_devices(ask))
        return check_shares(ask, err);
    if (ask->relation != NULL && is(ask->relation, "replace"))
        return mien_err_set(err, MIEN_EINVAL, "%s noise is accounted for under zero-out only",
                            ask->mechanism);
    if (ask->rounds == 0)
        return mien_err_set(err, MIEN_EINVAL, "%s noise needs --rounds", ask->mechanism);
    return MIEN_OK;
}

static enum mien_status check_given(const struct mien_account_ask *ask, struct mien_err *err)
{
    if (isnan(ask->delta))
        return mien_err_set(err, MIEN_EINVAL, "--delta is missing");
    if (isnan(ask->noise) && isnan(ask->epsilon))
        return mien_err_set(err, MIEN_EINVAL,
                            "give --noise to learn the epsilon, or --epsilon to learn what fits");
    if (isnan(ask->epsilon) && ask->rounds == 0)
        return mien_err_set(err, MIEN_EINVAL, "--rounds is missing or 0");
    if (!isnan(ask->rate) && ask->cohort > 0)
        return mien_err_set(err, MIEN_EINVAL, "--rate and --cohort say the same: give one");
    if (ask->cohort > 0 && ask->population == 0)
        return mien_err_set(err, MIEN_EINVAL, "--cohort needs --population");
    if (ask->cohort > ask->population && ask->cohort > 0)
        return mien_err_set(err, MIEN_EINVAL,
                            "a cohort of %" PRIu64 " out of a population of %" PRIu64, ask->cohort,
                            ask->population);
    if (!correlated(ask) && (ask->separation > 1 || ask->participations > 0) &&
        !is(ask->sampling, "none"))
        return mien_err_set(err, MIEN_EINVAL,
                            "limits of participation count without sampling only: --sampling none");
    return check_mechanism(ask, err);
}

/* ---- the event ---- */

static enum mien_status event_of(const struct mien_account_ask *ask, struct mien_dp_event *event,
                                 struct mien_err *err)
{
    const char *sampling = ask->sampling;
    enum mien_status status;

    if (sampling == NULL)
        sampling = correlated(ask) || by_devices(ask) ? "none" : "poisson";
    *event = (struct mien_dp_event){.noise = ask->noise,
                                    .rate = isnan(ask->rate) ? 1.0 : ask->rate,
                                    .count = ask->rounds,
                                    .relation = MIEN_RELATION_ADD_REMOVE,
                                    .population = ask->population,
                                    .cap = ask->cap};
    if (ask->cohort > 0)
        event->rate = (double)ask->cohort / (double)ask->population;
    status = mien_sampling_parse(sampling, &event->sampling, err);
    if (status == MIEN_OK && ask->relation != NULL)
        status = mien_relation_parse(ask->relation, &event->relation, err);
    if (status != MIEN_OK)
        return status;
    if (event->sampling == MIEN_SAMPLING_NONE && event->rate != 1.0)
        return mien_err_set(err, MIEN_EINVAL, "--sampling none has no rate: everybody takes part");
    /* Without sampling and in the coins of one unit, a zero vector and no vector are the same. */
    if (ask->relation == NULL && (correlated(ask) || by_devices(ask)))
        event->relation = MIEN_RELATION_ZERO_OUT;
    return MIEN_OK;
}

/* As a device draws it: a whole variance, rounded up. */
static void use_shares(const struct mien_account_ask *ask, struct mien_account_run *run)
{
    const double sigma = ask->noise * (double)ask->bound;
    const double variance = ceil(sigma * sigma / (double)ask->shares * (1.0 + 1e-14));

    run->share = sqrt(variance);
    run->event.kind = MIEN_DP_DISTRIBUTED;
    run->event.noise = mien_distributed_noise(variance, ask->bound, ask->shares);
    run->event.off = mien_distributed_tau(variance, ask->shares) * (double)ask->dim;
}

/* How often one unit's vector is in what is released, at most. */
static uint64_t releases_of(const struct mien_account_ask *ask, const struct mien_dp_event *event,
                            uint64_t rounds)
{
    const struct mien_strategy_limits limits = {
        .rounds = rounds,
        .separation = ask->separation > 0 ? ask->separation : 1,
        .participations = ask->participations > 0 ? ask->participations : rounds,
    };

    if (event->sampling != MIEN_SAMPLING_NONE || rounds == 0)
        return rounds;
    return (uint64_t)mien_strategy_independent(&limits);
}

/* ---- solving ---- */

static enum mien_status solve(const struct mien_account_ask *ask, struct mien_account_run *run,
                              struct mien_err *err)
{
    const struct mien_dp_target target = {ask->epsilon, ask->delta, run->options};
    struct mien_dp_event *event = &run->event;
    bool has_rate = !isnan(ask->rate) || ask->cohort > 0;

    if (isnan(ask->noise)) {
        if (ask->rounds == 0)
            return mien_err_set(err, MIEN_EINVAL, "to solve for the noise, give --rounds");
        run->solved = "noise";
        return mien_dp_solve_noise(event, &target, &event->noise, err);
    }
    if (correlated(ask))
        return mien_err_set(err, MIEN_EINVAL, "with %s noise only the noise can be solved for",
                            ask->mechanism);
    if (ask->rounds == 0) {
        enum mien_status status = mien_dp_solve_count(event, &target, &event->count, err);

        run->solved = "rounds";
        run->rounds = event->count;
        return status;
    }
    if (!has_rate) {
        run->solved = "rate";
        return mien_dp_solve_rate(event, &target, &event->rate, err);
    }
    return mien_err_set(err, MIEN_EINVAL,
                        "--epsilon, --noise, --rate and --rounds are all given: leave out the one "
                        "to solve for");
}

static double figure_of(const struct mien_dp_cost *cost, const char *name)
{
    if (is(name, "pld"))
        return cost->pld;
    if (is(name, "rdp"))
        return cost->rdp;
    if (is(name, "gaussian"))
        return cost->gaussian;
    return is(name, "zcdp") ? cost->zcdp : cost->epsilon;
}

static enum mien_status take_accountant(const struct mien_account_ask *ask,
                                        struct mien_account_run *run, struct mien_err *err)
{
    const char *name = ask->accountant;

    run->epsilon = figure_of(&run->cost, name);
    if (run->epsilon != MIEN_DP_NOT_VALID)
        return MIEN_OK;
    if (is(name, "pld") && run->cost.gaussian != MIEN_DP_NOT_VALID) {
        run->epsilon = run->cost.gaussian; /* exact: nothing to discretise */
        return MIEN_OK;
    }
    if (is(name, "pld") && !mien_dp_has_pld())
        return mien_err_set(err, MIEN_EINVAL,
                            "this build has no privacy loss distributions (FFTW was left out)");
    return mien_err_set(err, MIEN_EINVAL,
                        "the accountant \"%s\" is not valid for this sampling and relation", name);
}

static enum mien_status check_accountant(const struct mien_account_ask *ask, struct mien_err *err)
{
    static const char *const names[] = {"pld", "rdp", "gaussian", "zcdp"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ask->accountant == NULL || is(ask->accountant, names[i]))
            return MIEN_OK;
    }
    return mien_err_set(err, MIEN_EPARSE, "no accountant \"%s\": pld, rdp, gaussian or zcdp",
                        ask->accountant);
}

static enum mien_status prepare(const struct mien_account_ask *ask, struct mien_account_run *run,
                                struct mien_err *err)
{
    enum mien_status status = check_given(ask, err);

    *run = (struct mien_account_run){.mechanism =
                                         ask->mechanism == NULL ? "independent" : ask->mechanism,
                                     .delta = ask->delta,
                                     .sensitivity = 1.0,
                                     .update_noise = (double)NAN,
                                     .rounds = ask->rounds,
                                     .population = ask->population};
    run->options.without_pld = ask->accountant != NULL && !is(ask->accountant, "pld");
    run->options.grid = isnan(ask->grid) ? 0.0 : ask->grid;
    if (status == MIEN_OK)
        status = check_accountant(ask, err);
    if (status == MIEN_OK && run->options.grid < 0.0)
        status = mien_err_set(err, MIEN_EINVAL, "a grid of %g", ask->grid);
    if (status == MIEN_OK)
        status = event_of(ask, &run->event, err);
    if (status != MIEN_OK)
        return status;
    if (correlated(ask)) {
        status = sensitivity_of(ask, ask->rounds, &run->sensitivity, err);
        run->event.count = 1;
        run->event.noise = ask->noise / run->sensitivity;
    } else {
        run->event.count = releases_of(ask, &run->event, ask->rounds);
        if (by_devices(ask))
            use_shares(ask, run);
    }
    return status;
}

enum mien_status mien_account_answer(const struct mien_account_ask *ask,
                                     struct mien_account_run *run, struct mien_err *err)
{
    enum mien_status status = prepare(ask, run, err);

    if (status == MIEN_OK && !isnan(ask->epsilon))
        status = solve(ask, run, err);
    if (status != MIEN_OK)
        return status;
    run->options.lower = true;
    status = mien_dp_account_by(&run->event, 1, ask->delta, &run->options, &run->cost, err);
    if (status == MIEN_OK)
        status = take_accountant(ask, run, err);
    run->noise = run->event.noise * run->sensitivity;
    run->rate = run->event.rate;
    if (status != MIEN_OK || isnan(ask->clip_noise))
        return status;
    run->update_noise = mien_clip_update_noise(run->noise, ask->clip_noise);
    if (!(run->update_noise > 0.0))
        return mien_err_set(err, MIEN_EINVAL,
                            "--clip-noise %g is not above half the noise multiplier %g: the bits "
                            "alone would cost more than the round",
                            ask->clip_noise, run->noise);
    return MIEN_OK;
}

enum mien_status mien_account_at(const struct mien_account_ask *ask,
                                 const struct mien_account_run *run, uint64_t rounds,
                                 struct mien_dp_cost *cost, struct mien_err *err)
{
    struct mien_dp_event event = run->event;
    struct mien_dp_options options = run->options;
    enum mien_status status = MIEN_OK;

    options.lower = false;
    if (correlated(ask)) {
        double sensitivity;

        status = sensitivity_of(ask, rounds, &sensitivity, err);
        if (status == MIEN_OK)
            event.noise = run->noise / sensitivity;
    } else {
        event.count = releases_of(ask, &event, rounds);
    }
    return status == MIEN_OK ? mien_dp_account_by(&event, 1, run->delta, &options, cost, err)
                             : status;
}
