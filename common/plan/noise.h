/* Who adds a plan's noise, and how many devices' noise a session can count on.
 *
 * With noise by devices every device adds a discrete Gaussian to every coordinate before it masks
 * its vector. A session of n members is summed only if all but its corrupt members, at most
 * ceil(corrupt n), are still so many survivors as a session of group_min members would have; the
 * noise of these alone has to do. So the number is a constant of the plan, and each share follows
 * from it.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_NOISE_H
#define MIEN_PLAN_NOISE_H

#include "common/plan/plan.h"

/* m: honest survivors of any session that is summed, at least: group_min - ceil(corrupt group_min),
 * which is 1 or more in a valid plan. */
uint32_t mien_plan_noise_shares(const struct mien_plan *plan);

/* The fewest survivors with which a session of n members may be unmasked: group_min where the
 * coordinator adds the noise, else m + ceil(corrupt n) where that is more. Never above n when n is
 * at least group_min. */
uint32_t mien_plan_min_survivors(const struct mien_plan *plan, uint32_t n);

/* The part of mien_plan_validate about who adds which noise.
 * errors  MIEN_EINVAL  (the sentence names the key and what was expected) */
MIEN_CHECK enum mien_status mien_plan_check_noise(const struct mien_plan *plan,
                                                  struct mien_err *err);

#endif
