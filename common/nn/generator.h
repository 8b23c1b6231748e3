/* Pictures from a model: the forward pass of its generator or decoder.
 *
 * Threads: one at a time
 */
#ifndef MIEN_NN_GENERATOR_H
#define MIEN_NN_GENERATOR_H

#include "common/nn/model.h"

struct mien_generator;

/* Memory for `batch` pictures at a time under a plan (copied).
 *
 *   out     given: end it with mien_generator_free
 *   errors  MIEN_EINVAL  (also a family without a generator); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_generator_new(const struct mien_plan *plan, uint32_t batch,
                                               struct mien_generator **out);

void mien_generator_free(struct mien_generator *generator);

/* The batch's latents and codes, to be filled before a run: [batch, latent], [batch, code size]
 * (NULL when the plan is not conditioned). */
float *mien_generator_latents(struct mien_generator *generator);
float *mien_generator_codes(struct mien_generator *generator);

/* Draws the batch.
 *
 *   values    [n_values] a whole model; only the generator's part is read
 *   pictures  out: [batch, size, size, channels] in [-1, 1], valid until the next run
 *   errors    MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_generator_run(struct mien_generator *generator,
                                               const float *values, const float **pictures);

/* A code with every attribute drawn evenly from its vocabulary (never unknown). */
void mien_code_draw(const struct mien_plan *plan, struct mien_rng_seeded *rng, float *code);

#endif
