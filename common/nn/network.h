/* A gan's losses as graphs.
 *
 * Threads: as tensor/graph.h
 */
#ifndef MIEN_NN_NETWORK_H
#define MIEN_NN_NETWORK_H

#include "common/nn/layers.h"

/* Scores of pictures: x [n, size, size, channels] in [-1, 1] gives [n, 1].
 *
 *   code  [n, code size] attributes, MIEN_NO_REF when the plan has none
 */
mien_ref mien_discriminator(const struct mien_network *net, mien_ref x, mien_ref code);

/* Leaves of a step; every one is an input of the graph, the absent ones MIEN_NO_REF. */
struct mien_step_inputs {
    mien_ref real;      /* [n, size, size, channels]; a charlm's symbols [n, text_length, 1, 1] */
    mien_ref real_code; /* [n, code size]: conditions, or a classifier's labels */
    mien_ref z;         /* [n, latent] normal: latents, or a vae's noise */
    mien_ref fake_code; /* [n, code size] (conditioned gan) */
    mien_ref mix;       /* [n, 1, 1, 1] in [0, 1] (discriminator step, Wasserstein) */
    mien_ref target;    /* charlm: where each next symbol's score is; moments: the mean embedding */
};

struct mien_step_inputs mien_step_no_inputs(void);

/* An input for the code of n pictures; MIEN_NO_REF when the plan is not conditioned. */
mien_ref mien_code_input(const struct mien_network *net, uint32_t n);

/* The discriminator's loss of one step, [1], on n real and n generated pictures; in groups, a loss
 * of each, [groups, 1].
 *
 *   non-saturating  mean softplus(-D(x)) + mean softplus(D(f)) + gamma/2 mean |dD/dx|^2
 *                   (Goodfellow et al. 2014; R1: Mescheder et al. 2018)
 *   hinge           mean relu(1 - D(x)) + mean relu(1 + D(f))  (Miyato et al. 2018)
 *   Wasserstein     mean D(f) - mean D(x) + lambda mean (|dD/dm| - 1)^2, m = x + mix (f - x)
 *                   (Gulrajani et al. 2017)
 */
mien_ref mien_discriminator_loss(const struct mien_network *net, uint32_t n,
                                 struct mien_step_inputs *inputs);

/* The generator's: mean softplus(-D(f)), or -mean D(f). */
mien_ref mien_generator_loss(const struct mien_network *net, uint32_t n,
                             struct mien_step_inputs *inputs);

#endif
