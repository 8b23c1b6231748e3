/* Pictures of a model, one batch after another.
 *
 * The first pictures do not depend on how many follow; the attributes asked for change what is
 * shown, and not who: latents come from a stream of their own.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_DRAW_H
#define MIEN_TOOLS_DRAW_H

#include "server/tools/model_io.h"
#include "server/tools/wanted.h"

#define MIEN_DRAW_BATCH 16

struct mien_draw;

/* Starts at picture 0, from the averaged generator.
 *
 *   model    lent until mien_draw_free
 *   attr     as in wanted.h, lent until mien_draw_free; NULL for none
 *   balance  as in wanted.h; NULL for none
 *   out      given: end it with mien_draw_free
 *   errors   those of mien_wanted_init; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_draw_new(const struct mien_tool_model *model, uint64_t seed,
                                          const struct mien_option_list *attr, const char *balance,
                                          struct mien_draw **out, struct mien_err *err);

void mien_draw_free(struct mien_draw *draw);

/* What one call of mien_draw_next gave. */
struct mien_draw_batch {
    const float *pictures;                  /* [MIEN_DRAW_BATCH, size, size, channels] in [-1, 1] */
    const float *latents;                   /* [MIEN_DRAW_BATCH, latent] they were made from */
    const float *codes;                     /* [MIEN_DRAW_BATCH, code size]; NULL without any */
    const struct mien_wanted_values *asked; /* [MIEN_DRAW_BATCH] */
};

/* Draws the next MIEN_DRAW_BATCH pictures.
 *
 *   out     valid until the next call
 *   errors  MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_draw_next(struct mien_draw *draw, struct mien_draw_batch *out);

#endif
