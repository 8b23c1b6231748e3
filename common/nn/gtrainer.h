/* The coordinator's training of the generator: against a discriminator that devices trained, or
 * against the mean embedding of their pictures.
 *
 * Only what was noised and noise of its own go in, so it is post-processing.
 *
 * Source:  Augenstein et al. 2020, algorithm 1 (server: generator steps); Li et al. 2015
 *          (moment matching)
 * Threads: one at a time
 */
#ifndef MIEN_NN_GTRAINER_H
#define MIEN_NN_GTRAINER_H

#include "common/nn/model.h"
#include "common/nn/optim.h"

struct mien_gtrainer;

/* Memory for g_batch pictures under a plan (copied).
 *
 *   out     given: end it with mien_gtrainer_free
 *   errors  MIEN_EINVAL  (also a plan whose coordinator trains nothing); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_gtrainer_new(const struct mien_plan *plan,
                                              struct mien_gtrainer **out);

void mien_gtrainer_free(struct mien_gtrainer *trainer);

/* Where the mean embedding to match goes before a run, [2 features]; NULL in a gan. */
float *mien_gtrainer_target(struct mien_gtrainer *trainer);

/* Loss of the last step. */
float mien_gtrainer_loss(const struct mien_gtrainer *trainer);

/* The plan's g_steps of Adam on the generator's part of `values`.
 *
 *   values   [n_values] in place
 *   moments  over n_values, in place: kept from round to round (t counts steps)
 *   rng      latents, and attributes drawn evenly from the vocabulary
 *   errors   MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_gtrainer_run(struct mien_gtrainer *trainer, float *values,
                                              struct mien_moments *moments,
                                              struct mien_rng_seeded *rng);

#endif
