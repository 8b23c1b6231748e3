// SPDX-License-Identifier: Apache-2.0
#include "common/nn/cohort.h"

#include "common/base/mem.h"

#include <string.h>

struct mien_cohort {
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_step *step;
    float *values; /* [n_values] */
    uint64_t n_runs;
};

enum mien_status mien_cohort_fits(const struct mien_plan *plan, struct mien_err *err)
{
    const bool gan = plan->family == MIEN_FAMILY_GAN;

    if (plan->local_steps != 1)
        return mien_err_set(
            err, MIEN_EINVAL,
            "after the first of %u local steps devices have parameters of their own",
            plan->local_steps);
    if (gan && plan->train_on_device != MIEN_TRAIN_DISCRIMINATOR)
        return mien_err_set(err, MIEN_EINVAL,
                            "each generator is trained against a discriminator of its own");
    if (plan->optimiser != MIEN_OPTIMISER_SGD)
        return mien_err_set(err, MIEN_EINVAL, "expected plan.optimiser = sgd");
    if (plan->norm == MIEN_NORM_BATCH)
        return mien_err_set(err, MIEN_EINVAL, "batch norm mixes the devices' pictures");
    if (mien_plan_n_private(plan) > 0)
        return mien_err_set(err, MIEN_EINVAL, "devices keep parameters of their own");
    if (plan->family == MIEN_FAMILY_CHARLM || plan->family == MIEN_FAMILY_MOMENTS)
        return mien_err_set(err, MIEN_EINVAL, "not for families charlm and moments");
    return MIEN_OK;
}

enum mien_status mien_cohort_new(const struct mien_plan *plan, uint32_t lanes,
                                 struct mien_cohort **out)
{
    struct mien_cohort *cohort = NULL;
    enum mien_status status = mien_cohort_fits(plan, NULL);

    if (status != MIEN_OK || lanes == 0)
        return MIEN_EINVAL;
    cohort = mien_calloc(1, sizeof(*cohort));
    if (cohort == NULL)
        return MIEN_ENOMEM;
    cohort->plan = *plan;
    status = mien_layout_init(&cohort->layout, &cohort->plan, NULL);
    if (status == MIEN_OK)
        status = mien_step_new_groups(&cohort->plan, &cohort->layout,
                                      plan->family == MIEN_FAMILY_GAN ? MIEN_STEP_DISCRIMINATOR
                                                                      : MIEN_STEP_WHOLE,
                                      plan->batch, lanes, &cohort->step);
    if (status == MIEN_OK) {
        cohort->values = mien_calloc(cohort->layout.n_values, sizeof(float));
        status = cohort->values == NULL ? MIEN_ENOMEM : MIEN_OK;
    }
    if (status != MIEN_OK) {
        mien_cohort_free(cohort);
        return status;
    }
    *out = cohort;
    return MIEN_OK;
}

void mien_cohort_free(struct mien_cohort *cohort)
{
    if (cohort == NULL)
        return;
    mien_step_free(cohort->step);
    mien_free(cohort->values);
    mien_free(cohort);
}

void mien_cohort_begin(struct mien_cohort *cohort, const float *values)
{
    memcpy(cohort->values, values, cohort->layout.n_values * sizeof(float));
}

enum mien_status mien_cohort_run(struct mien_cohort *cohort)
{
    const enum mien_status status = mien_step_compute(cohort->step, cohort->values);

    cohort->n_runs += status == MIEN_OK;
    return status;
}

const struct mien_plan *mien_cohort_plan(const struct mien_cohort *cohort)
{
    return &cohort->plan;
}

struct mien_step *mien_cohort_step(struct mien_cohort *cohort)
{
    return cohort->step;
}

const float *mien_cohort_values(const struct mien_cohort *cohort)
{
    return cohort->values;
}

uint64_t mien_cohort_n_runs(const struct mien_cohort *cohort)
{
    return cohort->n_runs;
}
