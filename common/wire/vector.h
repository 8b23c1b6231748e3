/* From a plan to the vector that devices send under it.
 *
 * Threads: any
 */
#ifndef MIEN_WIRE_VECTOR_H
#define MIEN_WIRE_VECTOR_H

#include "common/plan/plan.h"
#include "common/secagg/design.h"
#include "common/secagg/params.h"

/* Dimension, scales, bounds and modulus of a plan's vectors: both sides compute them.
 *
 *   errors  MIEN_EINVAL, MIEN_ELIMIT  (the sentence names the key)
 */
MIEN_CHECK enum mien_status mien_secagg_params_of_plan(const struct mien_plan *plan,
                                                       struct mien_secagg_params *out,
                                                       struct mien_err *err);

/* What a session's degree and threshold must be good for under this plan. */
struct mien_design_goal mien_design_goal_of_plan(const struct mien_plan *plan);

#endif
