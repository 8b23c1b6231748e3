/* A model file for the tools: plan, layout and values together.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_MODEL_IO_H
#define MIEN_TOOLS_MODEL_IO_H

#include "common/nn/model_file.h"

struct mien_tool_model {
    struct mien_plan plan;
    struct mien_layout layout;
    float *values;  /* [n_values] */
    float *average; /* [n_values - n_d] of the generator */
};

/* A fresh model of a plan: first values from the seed.
 *
 *   out     given: end it with mien_tool_model_fini
 *   errors  MIEN_EINVAL  the plan; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_tool_model_start(const struct mien_plan *plan, uint64_t seed,
                                                  struct mien_tool_model *out,
                                                  struct mien_err *err);

/* The model in a file's bytes, with the plan that its metadata holds.
 *
 *   out     given: end it with mien_tool_model_fini
 *   errors  MIEN_EPARSE, MIEN_EINVAL, MIEN_ENOTFOUND, MIEN_ELIMIT  no model of ours (err says why)
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_tool_model_decode(struct mien_span bytes,
                                                   struct mien_tool_model *out,
                                                   struct mien_err *err);

/* The same from a path.  errors  also those of mien_file_read */
MIEN_CHECK enum mien_status mien_tool_model_read(const char *path, struct mien_tool_model *out,
                                                 struct mien_err *err);

/* Writes a model made from public faces, whole or not at all.
 * errors  MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_tool_model_write(const struct mien_tool_model *model,
                                                  const char *path, struct mien_err *err);

/* Frees the values; zeroed storage is fine. */
void mien_tool_model_fini(struct mien_tool_model *model);

/* The values with the averaged generator in place of the trained one: what pictures are made from.
 *
 *   values  [n_values] given: mien_free
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_tool_model_averaged(const struct mien_tool_model *model,
                                                     float **values);

#endif
