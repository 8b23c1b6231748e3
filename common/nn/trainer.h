/* Local training of a device, one step at a time.
 *
 * All memory is allocated by _new and known before; a step allocates nothing. The number of steps
 * is the plan's, whatever the examples are. Nothing here judges the examples: the caller decides
 * what too few, or an update that is not finite, means.
 *
 * Source:  Augenstein et al. 2020, algorithm 1 (client update); design: train_on_device
 * Threads: one at a time
 */
#ifndef MIEN_NN_TRAINER_H
#define MIEN_NN_TRAINER_H

#include "common/base/rng.h"
#include "common/nn/model.h"

struct mien_cohort;
struct mien_trainer;

/* Where pictures, or texts, come from. */
struct mien_examples {
    void *self;
    size_t n; /* examples, at least 1 */

    /* Writes example `index`, mien_plan_example_size numbers: a picture as [size, size, channels]
     * in [-1, 1], or a text as mien_symbols_of gives it; and its attribute code (code may be NULL:
     * the step has none).  An error ends the step with that status. */
    enum mien_status (*picture)(void *self, size_t index, float *numbers, float *code);
};

/* Bytes that _new allocates for the plan.  errors  as _new */
MIEN_CHECK enum mien_status mien_trainer_bytes(const struct mien_plan *plan, uint64_t *bytes);

/* What training takes, said without allocating it. */
struct mien_trainer_cost {
    uint64_t flops;         /* of one local step: forward and backward, penalties included */
    uint64_t arena_bytes;   /* activations and gradients */
    uint64_t scratch_bytes; /* beside them, of products and convolutions */
    uint64_t values_bytes;  /* the model as trained, the optimiser's moments */
    uint64_t total_bytes;   /* as mien_trainer_bytes */
};

/* errors  as _new */
MIEN_CHECK enum mien_status mien_trainer_cost(const struct mien_plan *plan,
                                              struct mien_trainer_cost *out);

/* Memory for training under a plan (copied).
 *
 *   out     given: end it with mien_trainer_free
 *   errors  MIEN_EINVAL  the plan is not valid or builds no network; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_trainer_new(const struct mien_plan *plan,
                                             struct mien_trainer **out);

/* The trainer of a device in lane number `lane` of a cohort. It starts where the cohort does: the
 * values given to mien_trainer_begin are not looked at. Its first step loads a batch; steps after
 * that do nothing until the cohort has run, and the one behind that is done.
 *
 *   cohort  lent until mien_trainer_free; at most one trainer a lane
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_trainer_new_lane(struct mien_cohort *cohort, uint32_t lane,
                                                  struct mien_trainer **out);

/* Whether the trainer waits for its cohort to run. */
bool mien_trainer_waits(const struct mien_trainer *trainer);

/* Wipes what was learned and frees. NULL is fine. */
void mien_trainer_free(struct mien_trainer *trainer);

const struct mien_layout *mien_trainer_layout(const struct mien_trainer *trainer);

/* Begins at a model.
 *
 *   values  [n_values] lent until the next _begin, or the last mien_trainer_update
 *   rng     gives a key of 32 bytes; all randomness of the steps follows from it
 *   errors  MIEN_ECRYPTO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_trainer_begin(struct mien_trainer *trainer, const float *values,
                                               struct mien_rng *rng);

/* One local step: of a gan the discriminator, then the generator when it is trained here; of
 * moments another batch's part of the mean embedding; else of the whole model.
 *
 *   done    out: whether the plan's steps are all done
 *   errors  MIEN_ESTATE  not begun, or no pictures; MIEN_ECRYPTO; what `picture` returned
 */
MIEN_CHECK enum mien_status mien_trainer_step(struct mien_trainer *trainer,
                                              const struct mien_examples *examples, bool *done);

/* Losses of the last step; the generator's is 0 when none is trained here on its own. */
void mien_trainer_losses(const struct mien_trainer *trainer, float *d_loss, float *g_loss);

/* The values as trained so far; of a lane, those that it began at. */
const float *mien_trainer_values(const struct mien_trainer *trainer);

/* What a device sends, before it is clipped: trained - begun of the shared parameters, or the mean
 * embedding over the steps' batches (moments). Wipe it after use.
 *
 *   update  [mien_plan_n_shared] out; may be the values that it began at
 *   finite  out: whether every number, those that stay on the device among them, is finite (else
 *           neither may be used)
 */
void mien_trainer_update(const struct mien_trainer *trainer, float *update, bool *finite);

#endif
