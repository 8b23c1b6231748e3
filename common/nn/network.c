// SPDX-License-Identifier: Apache-2.0
#include "common/nn/network.h"

#include "common/tensor/grad.h"

/* Added under a root: far below what it ever means. */
#define ROOT_EPSILON 1e-10

struct mien_step_inputs mien_step_no_inputs(void)
{
    return (struct mien_step_inputs){MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF,
                                     MIEN_NO_REF, MIEN_NO_REF, MIEN_NO_REF};
}

mien_ref mien_code_input(const struct mien_network *net, uint32_t n)
{
    const uint32_t n_code = mien_plan_condition_size(net->plan);

    return n_code == 0 ? MIEN_NO_REF : mien_input(net->graph, mien_shape2(n, n_code));
}

/* Miyato, Koyama 2018: what the features say alone, and how they go with the code. */
static mien_ref projection(const struct mien_network *net, mien_ref x, mien_ref code)
{
    struct mien_graph *g = net->graph;
    mien_ref scores;
    mien_ref features = mien_first_features(net, x, &scores);
    mien_ref embedded = mien_matmul(g, code, mien_code_weight(net), 0);
    mien_ref products = mien_multiply(g, features, embedded);

    return mien_add(g, scores, mien_sum_to(g, products, mien_graph_shape(g, scores)));
}

mien_ref mien_discriminator(const struct mien_network *net, mien_ref x, mien_ref code)
{
    if (code != MIEN_NO_REF && net->plan->conditioning == MIEN_CONDITIONING_PROJECTION)
        return projection(net, x, code);
    return mien_first_network(net, x, code);
}

/* mean (|gradient of the scores in the pictures| - target)^2, or of the squares for target < 0 */
static mien_ref gradient_penalty(const struct mien_network *net, mien_ref scores, mien_ref pictures,
                                 double target)
{
    struct mien_graph *g = net->graph;
    const uint32_t n = mien_graph_shape(g, pictures).dim[0];
    mien_ref slope;

    mien_grad(g, mien_sum_all(g, scores), &pictures, 1, &slope);
    mien_ref squares = mien_sum_to(g, mien_multiply(g, slope, slope), mien_shape4(n, 1, 1, 1));
    if (target < 0.0)
        return mien_batch_mean(net, squares);
    mien_ref norm = mien_sqrt(g, mien_shift(g, squares, ROOT_EPSILON));
    mien_ref off = mien_shift(g, norm, -target);
    return mien_batch_mean(net, mien_multiply(g, off, off));
}

/* How scores count: `sign` +1 for a score that should be low, -1 for one that should be high. */
static mien_ref score_loss(const struct mien_network *net, mien_ref scores, double sign)
{
    struct mien_graph *g = net->graph;
    mien_ref x = mien_scale(g, scores, sign);

    if (net->plan->loss == MIEN_LOSS_NON_SATURATING)
        x = mien_softplus(g, x);
    else if (net->plan->loss == MIEN_LOSS_HINGE)
        x = mien_leaky(g, mien_shift(g, x, 1.0), 0.0);
    return mien_batch_mean(net, x);
}

static mien_ref wasserstein_penalty(const struct mien_network *net, uint32_t n, mien_ref fake,
                                    struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;

    inputs->mix = mien_input(g, mien_shape4(n, 1, 1, 1));
    mien_ref towards = mien_multiply(g, mien_subtract(g, fake, inputs->real), inputs->mix);
    mien_ref mixed = mien_add(g, inputs->real, towards);
    mien_ref scores = mien_discriminator(net, mixed, inputs->real_code);
    return mien_scale(g, gradient_penalty(net, scores, mixed, 1.0), net->plan->gp_lambda);
}

struct scores {
    mien_ref real;
    mien_ref fake;
};

/* Whether a picture's score, or its gradient, says something about the pictures beside it: batch
 * norm mixes them, and R1's gradient of the real scores would carry the fake ones along as zeros.
 */
static bool is_scored_apart(const struct mien_plan *plan)
{
    return plan->norm == MIEN_NORM_BATCH ||
           (plan->loss == MIEN_LOSS_NON_SATURATING && plan->r1_gamma > 0.0);
}

/* a over b, each [n, ..]; in groups each one's a over its b. */
static mien_ref stacked(const struct mien_network *net, mien_ref a, mien_ref b)
{
    struct mien_graph *g = net->graph;
    struct mien_shape s = mien_graph_shape(g, a);

    if (net->groups == 0 || a == MIEN_NO_REF)
        return mien_concat(g, a, b, 0);
    const struct mien_shape rows =
        mien_shape2(net->groups, (uint32_t)(mien_shape_count(&s) / net->groups));
    s.dim[0] *= 2;
    return mien_reshape(g, mien_concat(g, mien_reshape(g, a, rows), mien_reshape(g, b, rows), 1),
                        s);
}

/* The first or second half of what was stacked: scores [2 n, 1] give [n, 1]. */
static mien_ref half_of(const struct mien_network *net, mien_ref both, bool second)
{
    struct mien_graph *g = net->graph;
    const uint32_t n = mien_graph_shape(g, both).dim[0] / 2;

    if (net->groups == 0 || both == MIEN_NO_REF)
        return mien_slice(g, both, 0, second ? n : 0, n);
    const uint32_t each = n / net->groups;
    mien_ref rows = mien_reshape(g, both, mien_shape2(net->groups, 2 * each));
    return mien_reshape(g, mien_slice(g, rows, 1, second ? each : 0, each), mien_shape2(n, 1));
}

/* Real and fake pictures in one pass where that gives the same scores: weights are read once for
 * both, and their gradients are one product. */
static struct scores score(const struct mien_network *net, mien_ref fake,
                           const struct mien_step_inputs *inputs)
{
    mien_ref code = MIEN_NO_REF;

    if (is_scored_apart(net->plan))
        return (struct scores){mien_discriminator(net, inputs->real, inputs->real_code),
                               mien_discriminator(net, fake, inputs->fake_code)};
    if (inputs->real_code != MIEN_NO_REF)
        code = stacked(net, inputs->real_code, inputs->fake_code);
    mien_ref both = mien_discriminator(net, stacked(net, inputs->real, fake), code);
    return (struct scores){half_of(net, both, false), half_of(net, both, true)};
}

mien_ref mien_discriminator_loss(const struct mien_network *net, uint32_t n,
                                 struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;
    const struct mien_plan *plan = net->plan;

    *inputs = mien_step_no_inputs();
    inputs->real = mien_input(g, mien_shape4(n, plan->size, plan->size, plan->channels));
    inputs->real_code = mien_code_input(net, n);
    inputs->z = mien_input(g, mien_shape2(n, plan->latent));
    inputs->fake_code = mien_code_input(net, n);
    mien_ref fake = mien_second_network(net, inputs->z, inputs->fake_code);
    const struct scores scores = score(net, fake, inputs);
    mien_ref loss =
        mien_add(g, score_loss(net, scores.real, -1.0), score_loss(net, scores.fake, 1.0));

    if (plan->loss == MIEN_LOSS_NON_SATURATING && plan->r1_gamma > 0.0) {
        mien_ref penalty = gradient_penalty(net, scores.real, inputs->real, -1.0);
        loss = mien_add(g, loss, mien_scale(g, penalty, 0.5 * plan->r1_gamma));
    }
    if (plan->loss == MIEN_LOSS_WASSERSTEIN)
        loss = mien_add(g, loss, wasserstein_penalty(net, n, fake, inputs));
    return loss;
}

mien_ref mien_generator_loss(const struct mien_network *net, uint32_t n,
                             struct mien_step_inputs *inputs)
{
    struct mien_graph *g = net->graph;

    *inputs = mien_step_no_inputs();
    inputs->z = mien_input(g, mien_shape2(n, net->plan->latent));
    inputs->fake_code = mien_code_input(net, n);
    mien_ref fake = mien_second_network(net, inputs->z, inputs->fake_code);
    mien_ref scores = mien_discriminator(net, fake, inputs->fake_code);
    if (net->plan->loss == MIEN_LOSS_NON_SATURATING)
        return score_loss(net, scores, -1.0);
    return mien_scale(g, mien_mean_all(g, scores), -1.0);
}
