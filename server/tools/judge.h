/* What a trained model of a family can do, for who trained it: reconstructions, accuracy, texts.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_JUDGE_H
#define MIEN_TOOLS_JUDGE_H

#include "common/nn/trainer.h"
#include "server/tools/model_io.h"

/* Says in the log how good the averaged model is on examples that it was not trained on: a vae and
 * an autoencoder the mean square of the difference, a classifier its accuracy, a charlm the bits it
 * takes per character. A gan and moments say nothing: pictures tell.
 *
 *   errors  MIEN_ENOMEM, what the examples return
 */
MIEN_CHECK enum mien_status mien_judge_say(const struct mien_tool_model *model,
                                           const struct mien_examples *examples);

/* Writes pictures and, under each row of eight, what a vae or an autoencoder makes of them.
 * errors  as above; MIEN_ENOSPC, MIEN_EIO */
MIEN_CHECK enum mien_status mien_judge_grid(const struct mien_tool_model *model,
                                            const struct mien_examples *examples, const char *path,
                                            struct mien_err *err);

/* Prints n texts drawn from a charlm, one a line.  errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_judge_texts(const struct mien_tool_model *model, uint32_t n,
                                             uint64_t seed);

#endif
