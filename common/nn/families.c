// SPDX-License-Identifier: Apache-2.0
#include "common/nn/families.h"

#include "common/tensor/compose.h"
#include "common/tensor/select.h"

/* Added under a root: far below what it ever means. */
#define ROOT_EPSILON 1e-10

static mien_ref pictures_input(const struct mien_network *net, uint32_t n)
{
    const struct mien_plan *plan = net->plan;

    return mien_input(net->graph, mien_shape4(n, plan->size, plan->size, plan->channels));
}

static mien_ref mean_square(const struct mien_network *net, mien_ref a, mien_ref b)
{
    mien_ref off = mien_subtract(net->graph, a, b);

    return mien_batch_mean(net, mien_multiply(net->graph, off, off));
}

/* The encoder's mean and log variance of each latent number. */
static void encode(const struct mien_network *net, struct mien_step_inputs *inputs, uint32_t n,
                   mien_ref *mean, mien_ref *log_variance)
{
    const uint32_t latent = net->plan->latent;

    *inputs = mien_step_no_inputs();
    inputs->real = pictures_input(net, n);
    inputs->real_code = mien_code_input(net, n);
    mien_ref both = mien_first_network(net, inputs->real, inputs->real_code);
    *mean = both;
    if (net->plan->family == MIEN_FAMILY_AUTOENCODER)
        return;
    *mean = mien_slice(net->graph, both, 1, 0, latent);
    *log_variance = mien_slice(net->graph, both, 1, latent, latent);
}

static mien_ref vae_loss(const struct mien_network *net, uint32_t n,
                         struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;
    mien_ref mean;
    mien_ref log_variance = MIEN_NO_REF;

    encode(net, inputs, n, &mean, &log_variance);
    inputs->z = mien_input(g, mien_shape2(n, net->plan->latent));
    mien_ref z = mien_reparameterise(g, mean, log_variance, inputs->z);
    mien_ref again = mien_second_network(net, z, inputs->real_code);
    mien_ref divergence = mien_batch_mean(net, mien_normal_divergence(g, mean, log_variance));
    const double weight = net->plan->kl_weight / (double)mien_plan_example_size(net->plan);

    return mien_add(g, mean_square(net, again, inputs->real), mien_scale(g, divergence, weight));
}

mien_ref mien_family_codes(const struct mien_network *net, uint32_t n,
                           struct mien_step_inputs *inputs)
{
    mien_ref codes;
    mien_ref log_variance = MIEN_NO_REF;

    if (net->plan->family != MIEN_FAMILY_MOMENTS) {
        encode(net, inputs, n, &codes, &log_variance);
        return codes;
    }
    *inputs = mien_step_no_inputs();
    inputs->real = pictures_input(net, n);
    return mien_first_network(net, inputs->real, MIEN_NO_REF);
}

static mien_ref reconstruction(const struct mien_network *net, uint32_t n,
                               struct mien_step_inputs *inputs)
{
    mien_ref mean;
    mien_ref log_variance = MIEN_NO_REF;

    encode(net, inputs, n, &mean, &log_variance);
    return mien_second_network(net, mean, inputs->real_code);
}

static mien_ref classifier_scores(const struct mien_network *net, uint32_t n,
                                  struct mien_step_inputs *inputs)
{
    *inputs = mien_step_no_inputs();
    inputs->real = pictures_input(net, n);
    return mien_second_network(net, inputs->real, MIEN_NO_REF);
}

static mien_ref classifier_loss(const struct mien_network *net, uint32_t n,
                                struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;
    mien_ref scores = classifier_scores(net, n, inputs);

    /* The last number of the code says "unknown": without it such a row is zero. */
    inputs->real_code = mien_input(g, mien_shape2(n, mien_plan_code_size(net->plan)));
    mien_ref labels = mien_slice(g, inputs->real_code, 1, 0, net->plan->attributes[0].n_values);
    return mien_batch_mean(net, mien_softmax_cross_entropy(g, scores, labels));
}

static mien_ref charlm_scores(const struct mien_network *net, uint32_t n,
                              struct mien_step_inputs *inputs)
{
    *inputs = mien_step_no_inputs();
    inputs->real = mien_input(net->graph, mien_shape4(n, net->plan->text_length, 1, 1));
    return mien_second_network(net, inputs->real, MIEN_NO_REF);
}

static mien_ref charlm_loss(const struct mien_network *net, uint32_t n,
                            struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;
    const uint32_t n_places = n * net->plan->text_length;
    const uint32_t n_scores = n_places * MIEN_PLAN_N_SYMBOLS;
    mien_ref scores = charlm_scores(net, n, inputs);
    mien_ref rows = mien_reshape(g, scores, mien_shape2(n_places, MIEN_PLAN_N_SYMBOLS));
    mien_ref logs = mien_reshape(g, mien_log_softmax(g, rows), mien_shape2(n_scores, 1));

    inputs->target = mien_input(g, mien_shape1(n_places));
    mien_ref said = mien_sum_all(g, mien_gather(g, logs, inputs->target));
    return mien_scale(g, said, -1.0 / (double)n_places);
}

mien_ref mien_family_loss(const struct mien_network *net, uint32_t n,
                          struct mien_step_inputs *inputs)
{
    switch (net->plan->family) {
    case MIEN_FAMILY_VAE:
        return vae_loss(net, n, inputs);
    case MIEN_FAMILY_CLASSIFIER:
        return classifier_loss(net, n, inputs);
    case MIEN_FAMILY_CHARLM:
        return charlm_loss(net, n, inputs);
    default: {
        mien_ref again = reconstruction(net, n, inputs);

        return mean_square(net, again, inputs->real);
    }
    }
}

mien_ref mien_family_output(const struct mien_network *net, uint32_t n,
                            struct mien_step_inputs *inputs)
{
    switch (net->plan->family) {
    case MIEN_FAMILY_CLASSIFIER:
        return classifier_scores(net, n, inputs);
    case MIEN_FAMILY_CHARLM:
        return charlm_scores(net, n, inputs);
    default:
        return reconstruction(net, n, inputs);
    }
}

/* Rows of x [n, c] scaled to length 1 / sqrt(2). */
static mien_ref half_length(struct mien_graph *g, mien_ref x)
{
    const struct mien_shape s = mien_graph_shape(g, x);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, x, x), mien_shape2(s.dim[0], 1));
    mien_ref length = mien_sqrt(g, mien_shift(g, mien_scale(g, squares, 2.0), ROOT_EPSILON));

    return mien_divide(g, x, length);
}

mien_ref mien_embedding(const struct mien_network *net, mien_ref x)
{
    struct mien_graph *g = net->graph;
    mien_ref f = mien_first_network(net, x, MIEN_NO_REF);
    mien_ref each = mien_concat(g, half_length(g, f), half_length(g, mien_multiply(g, f, f)), 1);
    const struct mien_shape s = mien_graph_shape(g, each);

    return mien_scale(g, mien_sum_to(g, each, mien_shape2(1, s.dim[1])), 1.0 / (double)s.dim[0]);
}

mien_ref mien_match_loss(const struct mien_network *net, uint32_t n,
                         struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;

    *inputs = mien_step_no_inputs();
    inputs->z = mien_input(g, mien_shape2(n, net->plan->latent));
    mien_ref mean = mien_embedding(net, mien_second_network(net, inputs->z, MIEN_NO_REF));
    inputs->target = mien_input(g, mien_graph_shape(g, mean));
    mien_ref off = mien_subtract(g, mean, inputs->target);
    return mien_sum_all(g, mien_multiply(g, off, off));
}
