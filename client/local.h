/* Differential privacy for single examples on the device itself, for a device that holds many
 * people's faces: descent on clipped gradients with noise (Abadi et al. 2016).
 *
 * Each example is in a step by a coin of its own. Its gradient is clipped to C and becomes integers
 * of L2 norm at most B = 2^24, rounded towards zero, so that no rounding makes it longer; the sum
 * of squares is compared exactly. The sum over the drawn examples gets rounded Gaussian noise of
 * sigma = ceil(z B), exact on the integers (dp/noise.h), and only then becomes numbers again: all
 * that training learns of the examples is post-processing of these sums. In the other world of the
 * claim one example's gradient is zero wherever it is drawn (zero-out); how many examples there are
 * is no secret.
 *
 * Every round costs plan.local_steps such steps. The device keeps what it has spent over its life
 * and refuses the plan that would pass its own budget. What is spent is noted when training ends,
 * whether or not the vector leaves.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_LOCAL_H
#define MIEN_CLIENT_LOCAL_H

#include "client/guard.h"
#include "client/record.h"
#include "common/base/rng.h"
#include "common/nn/each.h"

/* Less noise promises next to nothing, and costs the accountant memory. */
#define MIEN_CLIENT_LOCAL_MIN_NOISE 0.3

/* B: the L2 bound of an example's integers. */
#define MIEN_CLIENT_LOCAL_BOUND (UINT64_C(1) << 24)

struct mien_client_local;

/* Whether a rule is one: off, or every number in range. */
bool mien_client_local_sound(const struct mien_client_local_rule *rule);

bool mien_client_local_on(const struct mien_client_local_rule *rule);

/* Epsilon of what was spent and of `n_steps` more under the rule, at its delta.
 *
 *   errors  MIEN_ELIMIT  the record has no room for other constants than it has; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_client_local_epsilon(const struct mien_client_local_rule *rule,
                                                      const struct mien_client_record *record,
                                                      uint64_t n_steps, double *epsilon);

/* Notes n_steps more as spent.  errors  MIEN_ELIMIT  as above */
MIEN_CHECK enum mien_status mien_client_local_spend(const struct mien_client_local_rule *rule,
                                                    uint64_t n_steps,
                                                    struct mien_client_record *record);

/* Bytes that _new allocates.  errors  MIEN_EINVAL  the plan's examples have no gradients of their
 * own (nn/each.h) */
MIEN_CHECK enum mien_status mien_client_local_bytes(const struct mien_plan *plan, uint64_t *bytes);

/* Training under a rule.
 *
 *   rng     copied; gives the noise: the system's generator but in simulations
 *   out     given: end it with mien_client_local_free
 *   errors  MIEN_EINVAL  as above, or the rule is off; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_client_local_new(const struct mien_plan *plan,
                                                  const struct mien_client_local_rule *rule,
                                                  const struct mien_rng *rng,
                                                  struct mien_client_local **out);
void mien_client_local_free(struct mien_client_local *local);

/* The training itself, lent. */
struct mien_each *mien_client_local_each(struct mien_client_local *local);

/* The integers of one gradient: what is summed. Of norm at most MIEN_CLIENT_LOCAL_BOUND, exactly;
 * all zero when a number of it is not finite.
 *
 *   gradient, integers  [n]
 */
void mien_client_local_integers(double clip, const float *gradient, uint64_t n, int32_t *integers);

#endif
