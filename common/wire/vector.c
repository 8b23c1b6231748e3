// SPDX-License-Identifier: Apache-2.0
#include "common/wire/vector.h"

enum mien_status mien_secagg_params_of_plan(const struct mien_plan *plan,
                                            struct mien_secagg_params *out, struct mien_err *err)
{
    return mien_secagg_params_init(out, mien_plan_n_shared(plan), plan->clip, plan->group_max,
                                   plan->bits, err);
}
