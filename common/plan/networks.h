/* The check of a plan's networks, for mien_plan_validate.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_NETWORKS_H
#define MIEN_PLAN_NETWORKS_H

#include "common/plan/plan.h"

/* Whether both networks hold together and end at what the family needs.
 * errors  MIEN_EINVAL, MIEN_ELIMIT  (the sentence names the network and the layer) */
MIEN_CHECK enum mien_status mien_plan_check_networks(const struct mien_plan *plan,
                                                     struct mien_err *err);

#endif
