/* A generated set as numbers: what went into the generator and what came out, before it was rounded
 * to pixels. For comparing with other programs that run the same model.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_RAW_H
#define MIEN_TOOLS_RAW_H

#include "server/tools/draw.h"

/* A set of numbers is held in memory: more is kept as pictures. */
#define MIEN_TOOL_RAW_MAX_COUNT 4096

struct mien_tool_raw {
    const struct mien_plan *plan; /* lent */
    uint32_t count;               /* pictures that are kept */
    uint32_t n;                   /* so far */
    float *latents;               /* [count, latent] */
    float *codes;                 /* [count, code size]; NULL without attributes */
    float *pictures;              /* [count, size, size, channels] */
};

/* Room for `count` pictures.
 *
 *   out     given: end it with mien_tool_raw_fini
 *   errors  MIEN_ELIMIT  over MIEN_TOOL_RAW_MAX_COUNT; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_tool_raw_init(struct mien_tool_raw *out,
                                               const struct mien_plan *plan, uint64_t count,
                                               struct mien_err *err);

/* Keeps what fits of a batch. Zeroed storage keeps nothing. */
void mien_tool_raw_add(struct mien_tool_raw *raw, const struct mien_draw_batch *batch);

/* Writes tensors "latents", "codes" (with attributes) and "pictures" as safetensors.
 * errors  MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_tool_raw_write(const struct mien_tool_raw *raw, const char *path,
                                                struct mien_err *err);

void mien_tool_raw_fini(struct mien_tool_raw *raw);

#endif
