/* What a model makes of examples: the forward pass of the families that read examples.
 *
 *   vae, autoencoder  reconstructions [batch, size, size, channels] (a vae's from the mean)
 *   classifier        scores [batch, values of the label]
 *   charlm            scores of what comes after each symbol, [batch, text_length, symbols]
 *
 * Threads: one at a time
 */
#ifndef MIEN_NN_FORWARD_H
#define MIEN_NN_FORWARD_H

#include "common/nn/model.h"

struct mien_forward;

/* Memory for `batch` examples at a time under a plan (copied).
 *
 *   out     given: end it with mien_forward_free
 *   errors  MIEN_EINVAL  (also a gan, or moments); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_forward_new(const struct mien_plan *plan, uint32_t batch,
                                             struct mien_forward **out);

/* The same for what the first network says of pictures: an autoencoder's codes, a vae's means, the
 * features of moments.
 *
 *   errors  MIEN_EINVAL  also: another family
 */
MIEN_CHECK enum mien_status mien_forward_new_codes(const struct mien_plan *plan, uint32_t batch,
                                                   struct mien_forward **out);

void mien_forward_free(struct mien_forward *forward);

/* Where the batch goes before a run: pictures [batch, size, size, channels] or symbols [batch,
 * text_length]; their code [batch, condition size], NULL when the plan is not conditioned. */
float *mien_forward_examples(struct mien_forward *forward);
float *mien_forward_codes(struct mien_forward *forward);

/* Numbers of one example's result. */
uint32_t mien_forward_n_results(const struct mien_forward *forward);

/* Runs the batch.
 *
 *   values   [n_values] a whole model
 *   results  out: [batch, n_results], valid until the next run
 *   errors   MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_forward_run(struct mien_forward *forward, const float *values,
                                             const float **results);

#endif
