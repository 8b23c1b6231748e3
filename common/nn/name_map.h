/* Which tensor of another program's file becomes which tensor of a model: a text that says it line
 * by line, and the copy that follows it.
 *
 *   # comment
 *   NAME = TENSOR [view D,D,..] [transpose A,A,..]
 *
 * NAME is a tensor of the model ("g.0.weight") or of its average ("average.g.0.weight"), TENSOR one
 * of the file. "view" reads it under another shape of as many values; "transpose" puts the axes in
 * another order, as numpy does: axis i of the result is axis A[i]. Behind a view, neighbouring axes
 * of the result may run together into one of the model's. docs/file-formats.md has examples.
 *
 * Threads: a map is read-only once parsed
 */
#ifndef MIEN_NN_NAME_MAP_H
#define MIEN_NN_NAME_MAP_H

#include "common/nn/model.h"
#include "common/nn/safetensors.h"

struct mien_name_map;

/* Reads a map.
 *
 *   text    borrowed
 *   out     given: end it with mien_name_map_free
 *   errors  MIEN_EPARSE  a line is none of the above (err names it)
 *           MIEN_ELIMIT  more lines than any model has tensors; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_name_map_parse(struct mien_span text, struct mien_name_map **out,
                                                struct mien_err *err);

void mien_name_map_free(struct mien_name_map *map);

/* The model that is filled. */
struct mien_name_map_model {
    const struct mien_layout *layout;
    float *values;  /* [n_values] in place */
    float *average; /* [n_values - n_d] in place */
};

/* What a map covered. */
struct mien_name_map_covered {
    bool first;   /* the discriminator or encoder */
    bool second;  /* the generator */
    bool average; /* its average; else the average is the generator itself */
};

/* Copies what the map names into a model. Each network, and the average, is named whole or not at
 * all; what is not named keeps its values.
 *
 *   model    borrowed; its values are unspecified on error
 *   errors   MIEN_ENOTFOUND  no such tensor in the model (err: line, nearest) or in the file
 *            MIEN_EINVAL     a shape that does not fit, a tensor named twice, a network named in
 *                            part, or nothing named at all
 *            MIEN_EPARSE     a value is not finite; MIEN_ENOMEM
 *            Every sentence about a line begins with "line N".
 */
MIEN_CHECK enum mien_status mien_name_map_apply(const struct mien_name_map *map,
                                                const struct mien_safetensors *file,
                                                const struct mien_name_map_model *model,
                                                struct mien_name_map_covered *covered,
                                                struct mien_err *err);

#endif
