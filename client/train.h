/* Local training of one round: from a plan, a model and examples to the vector that is summed.
 *
 * Owns the memory of training (graph arena, model, gradients); one can serve many devices one
 * after another under the same plan, which is how the simulator holds thousands of devices. All
 * of it is allocated by _new: a step allocates nothing.
 *
 * Whatever goes wrong with the examples (too few, unreadable, an update that is not finite) gives
 * the zero vector and a note for the device's own log, never an error: what the device sends must
 * not tell.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_TRAIN_H
#define MIEN_CLIENT_TRAIN_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mien_cohort;
struct mien_client_local_rule;
struct mien_plan;
struct mien_secagg_params;
struct mien_client_train;

/* Where examples come from. Callbacks as in mien/client.h, which says what they promise; the text
 * of a charlm's example is its attribute "text". */
struct mien_client_examples {
    void *self;
    size_t (*count)(void *self);
    enum mien_status (*pixels)(void *self, size_t index, unsigned size, unsigned channels,
                               float *out);
    const char *(*attribute)(void *self, size_t index, const char *name); /* may be NULL */
};

/* Why a vector is zero; for the local log. */
enum mien_client_note {
    MIEN_CLIENT_NOTE_NONE,       /* a real update */
    MIEN_CLIENT_NOTE_FEW,        /* fewer usable examples than the plan asks for */
    MIEN_CLIENT_NOTE_NOT_FINITE, /* NaN or infinity came up */
};

/* Bytes that mien_client_train_new will take for the plan, computed without allocating it.
 * errors  MIEN_EINVAL  the plan builds no network, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_client_train_need(const struct mien_plan *plan, uint64_t *bytes);

/* Memory for the plan.
 *
 *   plan    lent until _free
 *   out     given: end it with mien_client_train_free
 *   errors  MIEN_EINVAL, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_client_train_new(const struct mien_plan *plan,
                                                  struct mien_client_train **out);

/* The same for training that protects single examples (local.h).  errors  MIEN_EINVAL  also: the
 * plan's examples have no gradients of their own; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_client_train_need_local(const struct mien_plan *plan,
                                                         uint64_t *bytes);
MIEN_CHECK enum mien_status mien_client_train_new_local(const struct mien_plan *plan,
                                                        const struct mien_client_local_rule *rule,
                                                        const struct mien_rng *rng,
                                                        struct mien_client_train **out);

/* The same in a lane of a cohort (nn/cohort.h), which holds the model: what mien_client_train_start
 * gets as one must be that, and is not read. For a simulator.
 *
 *   cohort  lent until _free
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_client_train_new_lane(struct mien_cohort *cohort, uint32_t lane,
                                                       struct mien_client_train **out);

/* Whether more steps do nothing until the cohort has run. */
bool mien_client_train_waits(const struct mien_client_train *train);

/* Wipes the update and frees. NULL is fine. */
void mien_client_train_free(struct mien_client_train *train);

/* Begins a device's round: takes the model and draws the order of the examples.
 *
 *   model     float32 little-endian values of the whole model in plan order, borrowed
 *   own       the same of the plan's private parameters as mien_client_train_keep gave them in a
 *             former round, borrowed; empty for the model's
 *   examples  lent until the vector is taken
 *   rng       gives a key; order and latents follow from it
 *   errors    MIEN_EINVAL  the model or the private part has another length
 *             MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_client_train_start(struct mien_client_train *train,
                                                    struct mien_span model, struct mien_span own,
                                                    const struct mien_client_examples *examples,
                                                    struct mien_rng *rng);

/* One slice: a local step, or loading a batch of examples before the first. The number of slices
 * depends on the plan and the number of examples only.
 *
 *   done    out: whether the vector can be taken
 *   errors  MIEN_ESTATE  not started, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_client_train_step(struct mien_client_train *train, bool *done);

/* The vector: update clipped to the plan's norm, metrics, quantised under the joint bound; all
 * zero with a note when there is nothing to give. The update is then forgotten.
 *
 *   params    of the plan (common/wire/vector.h), with the clip of the round
 *   rotation  [32] key of the round's rotation (secagg/rotate.h)
 *   rng       for the rounding
 *   vector    [params->dim] out; secret
 *   errors    MIEN_ESTATE  not done, MIEN_EINVAL  params of another plan
 *             MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_client_train_take(struct mien_client_train *train,
                                                   const struct mien_secagg_params *params,
                                                   const uint8_t *rotation, struct mien_rng *rng,
                                                   int32_t *vector, enum mien_client_note *note);

/* After mien_client_train_take: the private parameters as trained, which stay on the device for
 * the next round. Nothing is written, and false returned, when the plan has none or the vector is
 * zero: the next round begins with what this one began with.
 *
 *   bytes  [4 mien_plan_n_private] out; secret
 */
bool mien_client_train_keep(const struct mien_client_train *train, uint8_t *bytes);

#endif
