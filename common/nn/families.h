/* Losses and outputs of the families that are no gan, as graphs.
 *
 *   vae          mean (x - g(z))^2 + kl_weight KL / pixels, z drawn from what the encoder says;
 *                KL of an example (Kingma, Welling 2014)
 *   autoencoder  mean (x - g(e(x)))^2
 *   classifier   mean softmax cross-entropy; a picture without the label costs nothing
 *   charlm       sum of -log p(next symbol) / (pictures text_length); what lies behind a text's
 *                end costs nothing
 *   moments      |mean phi(g(z)) - target|^2, phi as mien_embedding
 *
 * Threads: as tensor/graph.h
 */
#ifndef MIEN_NN_FAMILIES_H
#define MIEN_NN_FAMILIES_H

#include "common/nn/network.h"

/* The loss over all parameters of one step on n examples, [1]: vae, autoencoder, classifier,
 * charlm. In groups, a loss of each, [groups, 1]; a charlm has no groups. */
mien_ref mien_family_loss(const struct mien_network *net, uint32_t n,
                          struct mien_step_inputs *inputs);

/* What the family makes of n examples: a vae or an autoencoder the reconstruction (a vae from the
 * mean), a classifier scores [n, values], a charlm scores of what comes after each symbol
 * [n, text_length, 1, MIEN_PLAN_N_SYMBOLS]. */
mien_ref mien_family_output(const struct mien_network *net, uint32_t n,
                            struct mien_step_inputs *inputs);

/* What the first network says of n pictures: an autoencoder's codes, a vae's means, [n, latent];
 * the features of moments, [n, features]. */
mien_ref mien_family_codes(const struct mien_network *net, uint32_t n,
                           struct mien_step_inputs *inputs);

/* The mean embedding of pictures x [n, size, size, channels] under the first network: features f
 * and their squares, each scaled to length 1 / sqrt(2), so that no picture weighs more than
 * another and the whole is at most 1 long: [1, 2 features]. */
mien_ref mien_embedding(const struct mien_network *net, mien_ref x);

/* The generator's loss against a mean embedding that is an input, on n generated pictures. */
mien_ref mien_match_loss(const struct mien_network *net, uint32_t n,
                         struct mien_step_inputs *inputs);

#endif
