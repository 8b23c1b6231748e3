// SPDX-License-Identifier: Apache-2.0
#include "client/local.h"

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/secret.h"
#include "common/dp/composed.h"
#include "common/dp/noise.h"

#include <math.h>
#include <string.h>

#define BLOCK 2048 /* of noise at a time */

struct mien_client_local {
    struct mien_each *each;
    struct mien_noise *noise;
    struct mien_rng rng;
    double clip;
    double rate;
    uint64_t n;        /* numbers of a gradient */
    int64_t *sum;      /* [n] secret */
    int32_t *integers; /* [n] secret */
};

static bool within(double v, double low, double high)
{
    return v >= low && v <= high; /* false for NaN */
}

bool mien_client_local_on(const struct mien_client_local_rule *rule)
{
    return rule->clip > 0.0;
}

bool mien_client_local_sound(const struct mien_client_local_rule *rule)
{
    if (rule->clip == 0.0)
        return rule->noise == 0.0 && rule->rate == 0.0 && rule->epsilon == 0.0 &&
               rule->delta == 0.0;
    return within(rule->clip, 1e-9, 1e9) &&
           within(rule->noise, MIEN_CLIENT_LOCAL_MIN_NOISE, 1000.0) &&
           within(rule->rate, 1e-9, 1.0) && within(rule->epsilon, 1e-9, 1e9) &&
           within(rule->delta, 1e-300, 0.1);
}

/* ---- the budget ---- */

/* Where steps under the rule are counted. */
static struct mien_client_spent *place_of(const struct mien_client_local_rule *rule,
                                          struct mien_client_record *record)
{
    for (uint32_t i = 0; i < record->n_spent; i++) {
        if (record->spent[i].rate == rule->rate && record->spent[i].noise == rule->noise)
            return &record->spent[i];
    }
    if (record->n_spent == MIEN_CLIENT_MAX_SPENT)
        return NULL;
    struct mien_client_spent *fresh = &record->spent[record->n_spent++];
    *fresh = (struct mien_client_spent){.rate = rule->rate, .noise = rule->noise};
    return fresh;
}

enum mien_status mien_client_local_spend(const struct mien_client_local_rule *rule,
                                         uint64_t n_steps, struct mien_client_record *record)
{
    struct mien_client_spent *place = place_of(rule, record);

    if (place == NULL || n_steps > UINT64_MAX / 2 - place->n_steps)
        return MIEN_ELIMIT;
    place->n_steps += n_steps;
    return MIEN_OK;
}

enum mien_status mien_client_local_epsilon(const struct mien_client_local_rule *rule,
                                           const struct mien_client_record *record,
                                           uint64_t n_steps, double *epsilon)
{
    struct mien_client_record after = *record;
    struct mien_dp_steps steps[MIEN_CLIENT_MAX_SPENT];
    enum mien_status status =
        n_steps == 0 ? MIEN_OK : mien_client_local_spend(rule, n_steps, &after);

    if (status != MIEN_OK)
        return status;
    for (uint32_t i = 0; i < after.n_spent; i++)
        steps[i] = (struct mien_dp_steps){after.spent[i].rate, after.spent[i].noise,
                                          after.spent[i].n_steps};
    return mien_dp_composed_epsilon(steps, after.n_spent, rule->delta, epsilon);
}

/* ---- a step's sum ---- */

/* floor(|g| factor) with g's sign; the exact sum of squares. Each factor is at most B over the
 * norm, so an integer is at most B and squares of 2^25 of them fit 128 bits. */
static mien_u128 truncate(const float *gradient, uint64_t n, double factor, int32_t *integers)
{
    mien_u128 square = 0;

    for (uint64_t i = 0; i < n; i++) {
        const int64_t v = (int64_t)((double)gradient[i] * factor);

        integers[i] = (int32_t)v;
        square += (uint64_t)(v * v);
    }
    return square;
}

void mien_client_local_integers(double clip, const float *gradient, uint64_t n, int32_t *integers)
{
    const mien_u128 most = (mien_u128)MIEN_CLIENT_LOCAL_BOUND * MIEN_CLIENT_LOCAL_BOUND;
    double square = 0.0;

    for (uint64_t i = 0; i < n; i++)
        square += (double)gradient[i] * (double)gradient[i];
    if (!isfinite(square)) {
        memset(integers, 0, n * sizeof(*integers));
        return;
    }
    double factor = (double)MIEN_CLIENT_LOCAL_BOUND / fmax(clip, sqrt(square));
    /* The norm may have been rounded down: the exact comparison decides. */
    while (truncate(gradient, n, factor, integers) > most)
        factor *= 1.0 - 0x1p-40;
}

static void add(void *self, const float *gradient)
{
    struct mien_client_local *local = self;

    mien_client_local_integers(local->clip, gradient, local->n, local->integers);
    for (uint64_t i = 0; i < local->n; i++)
        local->sum[i] += local->integers[i];
    mien_wipe(local->integers, local->n * sizeof(*local->integers));
}

/* The mean over the q n examples that a step has on average; n is the same in both worlds. */
static enum mien_status take(void *self, size_t n_examples, float *gradient)
{
    struct mien_client_local *local = self;
    const double unit =
        local->clip / (double)MIEN_CLIENT_LOCAL_BOUND / (local->rate * (double)n_examples);
    int64_t noise[BLOCK];
    enum mien_status status = MIEN_OK;

    for (uint64_t at = 0; at < local->n && status == MIEN_OK; at += BLOCK) {
        const size_t n = mien_min_size(BLOCK, (size_t)(local->n - at));

        status = mien_noise_draw(local->noise, &local->rng, noise, n);
        for (size_t i = 0; i < n && status == MIEN_OK; i++)
            gradient[at + i] = (float)((double)(local->sum[at + i] + noise[i]) * unit);
    }
    mien_wipe(noise, sizeof(noise));
    mien_wipe(local->sum, local->n * sizeof(*local->sum));
    return status;
}

/* ---- life ---- */

enum mien_status mien_client_local_bytes(const struct mien_plan *plan, uint64_t *bytes)
{
    enum mien_status status = mien_each_bytes(plan, bytes);

    if (status == MIEN_OK)
        *bytes += sizeof(struct mien_client_local) +
                  mien_each_n_gradient(plan) * (sizeof(int64_t) + sizeof(int32_t));
    return status;
}

enum mien_status mien_client_local_new(const struct mien_plan *plan,
                                       const struct mien_client_local_rule *rule,
                                       const struct mien_rng *rng, struct mien_client_local **out)
{
    if (!mien_client_local_sound(rule) || !mien_client_local_on(rule) || !mien_each_can(plan))
        return MIEN_EINVAL;
    struct mien_client_local *local = mien_calloc(1, sizeof(*local));
    if (local == NULL)
        return MIEN_ENOMEM;
    const struct mien_each_sum sum = {local, add, take};
    const double sigma = ceil(rule->noise * (double)MIEN_CLIENT_LOCAL_BOUND);

    local->rng = *rng;
    local->clip = rule->clip;
    local->rate = rule->rate;
    local->n = mien_each_n_gradient(plan);
    local->sum = mien_calloc(local->n, sizeof(*local->sum));
    local->integers = mien_calloc(local->n, sizeof(*local->integers));
    enum mien_status status = local->sum == NULL || local->integers == NULL ? MIEN_ENOMEM : MIEN_OK;
    if (status == MIEN_OK)
        status = mien_noise_new((uint64_t)sigma, &local->noise);
    if (status == MIEN_OK)
        status = mien_each_new(plan, rule->rate, &sum, &local->each);
    if (status != MIEN_OK) {
        mien_client_local_free(local);
        return status;
    }
    *out = local;
    return MIEN_OK;
}

void mien_client_local_free(struct mien_client_local *local)
{
    if (local == NULL)
        return;
    mien_each_free(local->each);
    mien_noise_free(local->noise);
    if (local->sum != NULL)
        mien_wipe(local->sum, local->n * sizeof(*local->sum));
    if (local->integers != NULL)
        mien_wipe(local->integers, local->n * sizeof(*local->integers));
    mien_free(local->sum);
    mien_free(local->integers);
    mien_free(local);
}

struct mien_each *mien_client_local_each(struct mien_client_local *local)
{
    return local->each;
}
