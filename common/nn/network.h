/* The plan's networks and losses as graphs.
 *
 * Threads: as tensor/graph.h
 */
#ifndef MIEN_NN_NETWORK_H
#define MIEN_NN_NETWORK_H

#include "common/nn/model.h"
#include "common/tensor/graph.h"

/* What the builders need to know. */
struct mien_network {
    struct mien_graph *graph;
    const struct mien_plan *plan;
    const struct mien_layout *layout;
};

/* Scores of pictures: x [n, size, size, channels] in [-1, 1] gives [n, 1].
 *
 *   code  [n, code size] attributes, MIEN_NO_REF when the plan has none
 */
mien_ref mien_discriminator(const struct mien_network *net, mien_ref x, mien_ref code);

/* Pictures of noise: z [n, latent] gives [n, size, size, channels] in [-1, 1]. */
mien_ref mien_generator_net(const struct mien_network *net, mien_ref z, mien_ref code);

/* Leaves of a step; every one is an input of the graph, in this order, the absent ones skipped. */
struct mien_step_inputs {
    mien_ref real;      /* [n, size, size, channels] (discriminator step) */
    mien_ref real_code; /* [n, code size] (discriminator step, conditioned) */
    mien_ref z;         /* [n, latent] */
    mien_ref fake_code; /* [n, code size] (conditioned) */
    mien_ref mix;       /* [n, 1, 1, 1] in [0, 1] (discriminator step, Wasserstein) */
};

/* The discriminator's loss of one step, [1], on n real and n generated pictures.
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
