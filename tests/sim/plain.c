// SPDX-License-Identifier: Apache-2.0
/* Compute only: coins, local training, a plain sum of the quantised vectors, noise, and what the
 * coordinator does with them. No messages and no secure sum. */
#include "client/noise.h"
#include "client/train.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/dp/clip.h"
#include "common/dp/correlated.h"
#include "common/dp/discrete_gaussian.h"
#include "common/dp/noise.h"
#include "common/nn/cohort.h"
#include "common/nn/gtrainer.h"
#include "common/nn/server_optim.h"
#include "common/plan/clipping.h"
#include "common/plan/sampling.h"
#include "common/secagg/quantise.h"
#include "common/secagg/rotate.h"
#include "common/wire/plan_codec.h"
#include "common/wire/vector.h"
#include "tests/sim/sim.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

struct plain {
    const struct sim_options *options;
    struct sim_faces *faces;
    struct mien_layout layout;
    struct mien_secagg_params params;
    struct mien_rng_seeded *seeded;
    struct mien_noise *noise;               /* of the rounded Gaussian; NULL without */
    struct mien_discrete_gaussian discrete; /* of the discrete one; t is 0 without */
    struct mien_correlated *correlated;     /* NULL with independent noise */
    uint64_t *last;    /* [n_devices] round of its last part, from 1; 0: none */
    uint32_t *n_parts; /* [n_devices] */
    struct mien_gtrainer *gtrainer;
    struct mien_moments moments;
    struct mien_server_moments server;
    float *values;
    float *average;
    uint8_t *bytes; /* [4 n_values] the model as devices get it */
    bool *drawn;    /* [n_devices] */
    int64_t *total; /* [dim] */
    uint8_t *own;   /* [n_devices] private parts of the model; NULL when the plan has none */
    bool *owned;    /* [n_devices] whether there is one yet */
    uint64_t round;
    uint8_t rotation[MIEN_ROTATION_KEY_BYTES];
};

/* Devices that take their step together: more gain nothing, and their pictures leave the cache. */
#define N_LANES 8

/* A device on its way through a worker. */
struct lane {
    struct mien_client_train *train;
    struct mien_rng_seeded *seeded;
    struct sim_slot slot;
    uint64_t device;
    bool done;
};

struct worker {
    const struct plain *plain;
    struct mien_cohort *cohort; /* NULL: one device after another */
    struct lane lanes[N_LANES];
    uint32_t n_lanes;
    int64_t *sum; /* [dim] */
    int32_t *vector;
    uint64_t first;
    uint64_t step;
    enum mien_status status;
};

static enum mien_status lane_start(struct worker *worker, struct lane *lane, uint64_t device)
{
    const struct plain *p = worker->plain;
    const size_t n_own = 4 * (size_t)mien_plan_n_private(&p->options->plan);
    const bool owned = p->own != NULL && p->owned[device];
    const struct mien_span model = {p->bytes, 4 * p->layout.n_values};
    const struct mien_span own = {owned ? p->own + device * n_own : NULL, owned ? n_own : 0};

    lane->slot = (struct sim_slot){.faces = p->faces, .device = device};
    lane->device = device;
    lane->done = false;
    enum mien_status status = mien_rng_seeded_new(
        p->options->seed, (p->round + 2) * UINT64_C(100000000) + device, &lane->seeded);
    if (status != MIEN_OK)
        return status;
    const struct mien_client_examples examples = sim_faces_examples(&lane->slot);
    struct mien_rng rng = mien_rng_seeded_handle(lane->seeded);
    return mien_client_train_start(lane->train, model, own, &examples, &rng);
}

/* Steps until the device is done, or waits for the others. */
static enum mien_status lane_step(struct lane *lane)
{
    enum mien_status status = MIEN_OK;

    while (status == MIEN_OK && !lane->done && !mien_client_train_waits(lane->train))
        status = mien_client_train_step(lane->train, &lane->done);
    return status;
}

static enum mien_status lane_take(struct worker *worker, struct lane *lane)
{
    const struct plain *p = worker->plain;
    const size_t n_own = 4 * (size_t)mien_plan_n_private(&p->options->plan);
    struct mien_rng rng = mien_rng_seeded_handle(lane->seeded);
    enum mien_client_note note;
    enum mien_status status =
        mien_client_train_take(lane->train, &p->params, p->rotation, &rng, worker->vector, &note);
    if (status == MIEN_OK)
        status = mien_client_add_noise(&p->params, &rng, worker->vector);
    if (status == MIEN_OK && p->own != NULL &&
        mien_client_train_keep(lane->train, p->own + lane->device * n_own))
        p->owned[lane->device] = true;
    for (uint32_t j = 0; status == MIEN_OK && j < p->params.dim; j++)
        worker->sum[j] += worker->vector[j];
    return status;
}

/* The first n lanes, from start to sum. */
static enum mien_status train_lanes(struct worker *worker, const uint64_t *devices, uint32_t n)
{
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = lane_start(worker, &worker->lanes[i], devices[i]);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = lane_step(&worker->lanes[i]);
    if (status == MIEN_OK && worker->cohort != NULL)
        status = mien_cohort_run(worker->cohort);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = lane_step(&worker->lanes[i]);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        status = lane_take(worker, &worker->lanes[i]);
    for (uint32_t i = 0; i < n; i++) {
        mien_rng_seeded_free(worker->lanes[i].seeded);
        worker->lanes[i].seeded = NULL;
    }
    return status;
}

static void *work(void *self) /* worker thread */
{
    struct worker *worker = self;
    const struct plain *p = worker->plain;
    uint64_t devices[N_LANES];
    uint32_t n = 0;

    if (worker->cohort != NULL)
        mien_cohort_begin(worker->cohort, p->values);
    for (uint64_t i = worker->first; i < p->options->n_devices && worker->status == MIEN_OK;
         i += worker->step) {
        if (!p->drawn[i])
            continue;
        devices[n++] = i;
        if (n < worker->n_lanes)
            continue;
        worker->status = train_lanes(worker, devices, n);
        n = 0;
    }
    if (worker->status == MIEN_OK && n > 0)
        worker->status = train_lanes(worker, devices, n);
    return NULL;
}

static enum mien_status train_all(struct plain *p, struct worker *workers)
{
    pthread_t threads[64];
    const uint64_t n = p->options->n_threads;
    enum mien_status status = MIEN_OK;

    for (uint64_t t = 0; t < n; t++) {
        memset(workers[t].sum, 0, p->params.dim * sizeof(int64_t));
        if (t + 1 < n && pthread_create(&threads[t], NULL, work, &workers[t]) != 0)
            return MIEN_ENOMEM;
    }
    (void)work(&workers[n - 1]);
    for (uint64_t t = 0; t < n; t++) {
        if (t + 1 < n)
            (void)pthread_join(threads[t], NULL);
        if (workers[t].status != MIEN_OK)
            status = workers[t].status;
        /* Integers: the order of the threads does not matter. */
        for (uint32_t j = 0; j < p->params.dim; j++)
            p->total[j] += workers[t].sum[j];
    }
    return status;
}

static enum mien_status apply(struct plain *p)
{
    const struct mien_plan *plan = &p->options->plan;
    float metrics[MIEN_N_METRICS];
    float *update = mien_calloc(p->params.dim, sizeof(*update));
    float *shared = p->values + mien_plan_first_shared(plan);

    if (update == NULL)
        return MIEN_ENOMEM;
    enum mien_status status =
        mien_dequantise(&p->params, p->rotation, p->total, plan->cohort, update, metrics);
    if (plan->family == MIEN_FAMILY_MOMENTS)
        memcpy(mien_gtrainer_target(p->gtrainer), update, p->params.n_update * sizeof(*update));
    else
        mien_server_step(plan, update, &p->server, shared, p->params.n_update);
    mien_free(update);
    if (mien_plan_clip_adapts(plan))
        mien_secagg_params_set_clip(
            &p->params, mien_clip_next(p->params.clip, 1.0 - (double)metrics[MIEN_METRIC_CLIPPED],
                                       plan->clip_quantile, plan->clip_rate));
    if (status == MIEN_OK && p->gtrainer != NULL)
        status = mien_gtrainer_run(p->gtrainer, p->values, &p->moments, p->seeded);
    mien_ema_step(p->average, p->values + p->layout.n_d, p->layout.n_values - p->layout.n_d,
                  plan->ema);
    mien_model_to_bytes(p->values, p->layout.n_values, p->bytes);
    return status;
}

static bool may_take_part(const struct plain *p, uint64_t device)
{
    const struct mien_plan *plan = &p->options->plan;

    if (plan->max_participations > 0 && p->n_parts[device] >= plan->max_participations)
        return false;
    return p->last[device] == 0 || p->round + 1 >= p->last[device] + plan->min_separation;
}

/* Who takes part sits out afterwards. */
static void note_parts(struct plain *p)
{
    for (uint64_t i = 0; i < p->options->n_devices; i++) {
        p->n_parts[i] += p->drawn[i];
        p->last[i] = p->drawn[i] ? p->round + 1 : p->last[i];
    }
}

/* Coins, then at random down to what a round takes at most. */
static uint32_t draw_devices(struct plain *p)
{
    const struct mien_plan *plan = &p->options->plan;
    const bool fixed = plan->sampling == MIEN_PLAN_FIXED || mien_plan_limits_parts(plan);
    const uint64_t most = fixed ? plan->cohort : plan->cap > 0 ? plan->cap : UINT64_MAX;
    uint64_t n = 0;

    for (uint64_t i = 0; i < p->options->n_devices; i++) {
        p->drawn[i] = may_take_part(p, i) &&
                      (fixed || (double)mien_rng_seeded_uniform(p->seeded) < plan->rate);
        n += p->drawn[i];
    }
    /* Selection sampling: each of those left to look at goes with equal probability. */
    uint64_t n_out = n > most ? n - most : 0;
    for (uint64_t i = 0, left = n; n_out > 0; i++) {
        if (!p->drawn[i])
            continue;
        if ((double)mien_rng_seeded_uniform(p->seeded) * (double)left-- < (double)n_out) {
            p->drawn[i] = false;
            n_out--;
        }
    }
    note_parts(p);
    return (uint32_t)(n < most ? n : most);
}

static enum mien_status rotation_of_round(struct plain *p)
{
    uint8_t plan_hash[32];
    uint8_t model_hash[32];
    enum mien_status status = mien_plan_fingerprint(&p->options->plan, plan_hash);

    if (status == MIEN_OK)
        status = mien_digest((struct mien_span){p->bytes, 4 * p->layout.n_values}, model_hash);
    if (status == MIEN_OK)
        status = mien_rotation_key(p->round, model_hash, plan_hash, p->rotation);
    return status;
}

static enum mien_status one_round(struct plain *p, struct worker *workers, struct sim_round *out)
{
    struct mien_rng rng = mien_rng_seeded_handle(p->seeded);
    const double started = (double)mien_clock_ms();
    enum mien_status status = MIEN_OK;

    *out = (struct sim_round){.released = true};
    out->drawn = draw_devices(p);
    if (mien_plan_limits_parts(&p->options->plan) && out->drawn < p->options->plan.min_reports) {
        *out = (struct sim_round){0}; /* would not open, now or later */
        return MIEN_OK;
    }
    memset(p->total, 0, p->params.dim * sizeof(*p->total));
    status = rotation_of_round(p);
    if (status == MIEN_OK && p->noise != NULL)
        status = mien_noise_draw(p->noise, &rng, p->total, p->params.dim);
    if (status == MIEN_OK && p->discrete.t != 0)
        status = mien_discrete_gaussian_draw(&p->discrete, &rng, p->total, p->params.dim);
    if (status == MIEN_OK && p->correlated != NULL)
        status = mien_correlated_draw(p->correlated, p->round, p->total, p->params.dim);
    if (status == MIEN_OK)
        status = train_all(p, workers);
    if (status == MIEN_OK)
        status = apply(p);
    out->reported = out->drawn;
    out->survived = out->drawn;
    out->seconds = ((double)mien_clock_ms() - started) / 1000.0;
    return status;
}

static enum mien_status set_up_worker(struct worker *worker, const struct sim_options *o)
{
    const uint32_t dim = worker->plain->params.dim;
    enum mien_status status = MIEN_OK;

    worker->sum = mien_calloc(dim, sizeof(int64_t));
    worker->vector = mien_calloc(dim, sizeof(int32_t));
    if (worker->sum == NULL || worker->vector == NULL)
        return MIEN_ENOMEM;
    worker->n_lanes = 1;
    if (!o->grouped)
        return mien_client_train_new(&o->plan, &worker->lanes[0].train);
    worker->n_lanes = N_LANES;
    status = mien_cohort_new(&o->plan, N_LANES, &worker->cohort);
    for (uint32_t i = 0; i < N_LANES && status == MIEN_OK; i++)
        status = mien_client_train_new_lane(worker->cohort, i, &worker->lanes[i].train);
    return status;
}

static enum mien_status make_noise(struct plain *p)
{
    const struct mien_plan *plan = &p->options->plan;
    const uint64_t sigma = (uint64_t)ceil(plan->noise_multiplier * (double)p->params.bound);
    struct mien_strategy_table table;
    uint8_t key[MIEN_NOISE_KEY_BYTES] = {0};

    if (sigma == 0 || p->params.share > 0)
        return MIEN_OK;
    if (plan->mechanism == MIEN_PLAN_DISCRETE_GAUSSIAN)
        return mien_discrete_gaussian_init(&p->discrete, sigma * sigma, 1);
    if (plan->strategy == MIEN_PLAN_INDEPENDENT)
        return mien_noise_new(sigma, &p->noise);
    mien_store_be64(key, p->options->seed);
    enum mien_status status = mien_strategy_table_make((enum mien_strategy_kind)plan->strategy,
                                                       plan->min_separation, &table);
    return status == MIEN_OK ? mien_correlated_new(&table, sigma, key, &p->correlated) : status;
}

static enum mien_status set_up(struct plain *p, struct worker *workers, struct mien_err *err)
{
    const struct sim_options *o = p->options;
    enum mien_status status = mien_layout_init(&p->layout, &o->plan, err);
    const bool on_coordinator = mien_plan_trains_at_coordinator(&o->plan);

    if (status == MIEN_OK)
        status = mien_secagg_params_of_plan(&o->plan, &p->params, err);
    if (status == MIEN_OK)
        status = mien_rng_seeded_new(o->seed, 1, &p->seeded);
    if (status == MIEN_OK)
        status = sim_start_values(o, &p->values, &p->average, err);
    if (status == MIEN_OK)
        status = make_noise(p);
    if (status == MIEN_OK && on_coordinator)
        status = mien_gtrainer_new(&o->plan, &p->gtrainer);
    if (status != MIEN_OK)
        return status;
    p->moments.first = mien_calloc(p->layout.n_values, sizeof(float));
    p->moments.second = mien_calloc(p->layout.n_values, sizeof(float));
    p->server.first = mien_calloc(p->params.n_update, sizeof(float));
    p->server.second = mien_calloc(p->params.n_update, sizeof(float));
    p->bytes = mien_calloc(p->layout.n_values, 4);
    p->drawn = mien_calloc(o->n_devices, sizeof(*p->drawn));
    p->total = mien_calloc(p->params.dim, sizeof(*p->total));
    const size_t n_own = 4 * (size_t)mien_plan_n_private(&o->plan);
    p->own = n_own > 0 ? mien_calloc(o->n_devices, n_own) : NULL;
    p->owned = mien_calloc(o->n_devices, sizeof(*p->owned));
    p->last = mien_calloc(o->n_devices, sizeof(*p->last));
    p->n_parts = mien_calloc(o->n_devices, sizeof(*p->n_parts));
    if (p->last == NULL || p->n_parts == NULL)
        return MIEN_ENOMEM;
    if (p->owned == NULL || (n_own > 0 && p->own == NULL))
        return MIEN_ENOMEM;
    if (p->moments.first == NULL || p->moments.second == NULL || p->server.first == NULL ||
        p->server.second == NULL || p->bytes == NULL || p->drawn == NULL || p->total == NULL)
        return MIEN_ENOMEM;
    mien_model_to_bytes(p->values, p->layout.n_values, p->bytes);
    for (uint64_t t = 0; t < o->n_threads && status == MIEN_OK; t++) {
        workers[t] = (struct worker){.plain = p, .first = t, .step = o->n_threads};
        status = set_up_worker(&workers[t], o);
    }
    return status;
}

static void tear_down(struct plain *p, struct worker *workers)
{
    for (uint64_t t = 0; t < p->options->n_threads; t++) {
        for (uint32_t i = 0; i < N_LANES; i++)
            mien_client_train_free(workers[t].lanes[i].train);
        mien_cohort_free(workers[t].cohort);
        mien_free(workers[t].sum);
        mien_free(workers[t].vector);
    }
    mien_gtrainer_free(p->gtrainer);
    mien_noise_free(p->noise);
    mien_correlated_free(p->correlated);
    mien_free(p->last);
    mien_free(p->n_parts);
    mien_rng_seeded_free(p->seeded);
    mien_free(p->moments.first);
    mien_free(p->moments.second);
    mien_free(p->server.first);
    mien_free(p->server.second);
    mien_free(p->bytes);
    mien_free(p->drawn);
    mien_free(p->total);
    mien_free(p->own);
    mien_free(p->owned);
    mien_free(p->values);
    mien_free(p->average);
}

enum mien_status sim_run_plain(const struct sim_options *options, struct sim_faces *faces,
                               struct sim_result *out, struct mien_err *err)
{
    struct plain p = {.options = options, .faces = faces};
    struct worker workers[64] = {{0}};
    struct sim_ledger ledger;
    struct mien_progress progress;
    enum mien_status status = set_up(&p, workers, err);

    sim_ledger_init(&ledger, &options->plan);
    mien_progress_init(&progress, "rounds");
    out->rounds = mien_calloc(options->n_rounds, sizeof(*out->rounds));
    if (status == MIEN_OK && out->rounds == NULL)
        status = MIEN_ENOMEM;
    for (p.round = 0; p.round < options->n_rounds && status == MIEN_OK; p.round++) {
        status = one_round(&p, workers, &out->rounds[p.round]);
        if (status == MIEN_OK && !out->rounds[p.round].released)
            break;
        out->seconds += out->rounds[p.round].seconds;
        out->n_trained += out->rounds[p.round].drawn;
        out->n_rounds++;
        ledger.n_charged++;
        mien_progress_set(&progress, p.round + 1, options->n_rounds);
    }
    mien_progress_fini(&progress);
    if (status == MIEN_OK) {
        out->epsilon = sim_ledger_epsilon(&ledger);
        out->values = p.values;
        out->average = p.average;
        p.values = NULL;
        p.average = NULL;
    }
    tear_down(&p, workers);
    return status;
}
