/* Which attributes generated pictures are asked for.
 *
 * Fixed by --attr, spread evenly by --balance, else drawn evenly from the vocabulary. Values are
 * text, so that what the metadata says is what the generator was given.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_WANTED_H
#define MIEN_TOOLS_WANTED_H

#include "common/base/rng_seeded.h"
#include "common/plan/plan.h"
#include "server/tools/options.h"

#define MIEN_WANTED_TEXT_BYTES MIEN_PLAN_NAME_BYTES

struct mien_wanted {
    const struct mien_plan *plan;                /* lent */
    bool fixed[MIEN_PLAN_MAX_ATTRIBUTES];        /* by --attr */
    bool balanced[MIEN_PLAN_MAX_ATTRIBUTES];     /* by --balance */
    const char *value[MIEN_PLAN_MAX_ATTRIBUTES]; /* of --attr; NULL for unknown */
};

/* Reads the options.
 *
 *   plan     lent as long as `out` is used
 *   attr     "name=value" each, borrowed as long as `out` is used; the value "unknown" is the
 *            vocabulary's own unknown
 *   balance  names separated by commas, or NULL
 *   errors   MIEN_ENOTFOUND  the model knows no such attribute (err: the nearest)
 *            MIEN_EINVAL     no such value (err: the vocabulary); one attribute twice
 */
MIEN_CHECK enum mien_status mien_wanted_init(struct mien_wanted *out, const struct mien_plan *plan,
                                             const struct mien_option_list *attr,
                                             const char *balance, struct mien_err *err);

/* One picture's values; "" for unknown. */
struct mien_wanted_values {
    char text[MIEN_PLAN_MAX_ATTRIBUTES][MIEN_WANTED_TEXT_BYTES];
};

/* The values of picture number `index`; consumes the same randomness whatever was asked. */
void mien_wanted_draw(const struct mien_wanted *wanted, uint64_t index, struct mien_rng_seeded *rng,
                      struct mien_wanted_values *out);

/* Their code for the generator.  code [code size] out */
void mien_wanted_code(const struct mien_wanted *wanted, const struct mien_wanted_values *values,
                      float *code);

#endif
