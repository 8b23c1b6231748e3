/* Local training by the gradients of single examples: what differentially private descent needs.
 *
 * A step draws every example by a coin of its own, gives the gradient of each that was drawn to the
 * caller, who clips and sums, and descends along what the caller makes of the sum. So whatever a
 * step learns of an example has gone through the caller's hands: a gan's generator is trained
 * against the discriminator as it then is, with attributes drawn from the vocabulary and not those
 * of the examples.
 *
 * Otherwise like trainer.h, but that pictures are not mirrored (plan.flip): memory is allocated by
 * _new, a step allocates nothing but what the caller does, the number of
 * steps is the plan's.
 *
 * Source:  Abadi et al. 2016, "Deep Learning with Differential Privacy", algorithm 1
 * Threads: one at a time
 */
#ifndef MIEN_NN_EACH_H
#define MIEN_NN_EACH_H

#include "common/nn/trainer.h"

struct mien_each;

/* What is done with gradients. */
struct mien_each_sum {
    void *self;

    /* Takes the gradient of one example, [mien_each_n_gradient] borrowed. */
    void (*add)(void *self, const float *gradient);

    /* Ends a step of n examples, drawn or not: what to descend along; then the sum is empty. errors
     * end the step */
    enum mien_status (*take)(void *self, size_t n, float *gradient);
};

/* Bytes that _new allocates.  errors  as _new */
MIEN_CHECK enum mien_status mien_each_bytes(const struct mien_plan *plan, uint64_t *bytes);

/* Whether examples of a plan have gradients of their own: not with batch norm, in which they depend
 * on each other, and not in a plan that sends moments. */
bool mien_each_can(const struct mien_plan *plan);

/* Memory for training under a plan (copied).
 *
 *   rate    q in (0, 1]: the probability with which an example is in a step, to 53 bits, rounded
 *           down
 *   sum     copied; what it stands on is lent until _free
 *   out     given: end it with mien_each_free
 *   errors  MIEN_EINVAL  the plan builds no network or has no single gradients; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_each_new(const struct mien_plan *plan, double rate,
                                          const struct mien_each_sum *sum, struct mien_each **out);

/* Wipes what was learned and frees. NULL is fine. */
void mien_each_free(struct mien_each *each);

/* Numbers of a gradient: the parameters that examples teach. */
uint64_t mien_each_n_gradient(const struct mien_plan *plan);

const struct mien_layout *mien_each_layout(const struct mien_each *each);

/* As mien_trainer_begin. */
MIEN_CHECK enum mien_status mien_each_begin(struct mien_each *each, const float *values,
                                            struct mien_rng *rng);

/* A part of a local step: the gradients of at most plan.batch examples; the last part descends.
 *
 *   examples  a `picture` that returns MIEN_ENOTFOUND gives nothing to the sum
 *   done      out: whether the plan's steps are all done
 *   errors    MIEN_ESTATE  not begun, or no examples; MIEN_ECRYPTO; what a callback returned
 */
MIEN_CHECK enum mien_status mien_each_step(struct mien_each *each,
                                           const struct mien_examples *examples, bool *done);

/* As mien_trainer_values and mien_trainer_update. */
const float *mien_each_values(const struct mien_each *each);
void mien_each_update(const struct mien_each *each, float *update, bool *finite);

#endif
