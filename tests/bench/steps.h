/* The training steps that are measured, and PyTorch's beside them (torch_peer.py has the same
 * names).
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_BENCH_STEPS_H
#define MIEN_TESTS_BENCH_STEPS_H

#include "common/nn/step.h"

struct bench_step {
    const char *name; /* network-what-batch */
    const char *preset;
    enum mien_loss loss; /* of a gan */
    enum mien_step_kind kind;
    uint32_t batch;
    bool is_longer;        /* a layer more in each network: 64 x 64 pixels instead of 32 x 32 */
    bool is_gradient_only; /* no optimiser behind it */
};

/* All cases; the last one's name is NULL. */
extern const struct bench_step bench_steps[];

struct bench_trained {
    const struct bench_step *what;
    struct mien_plan plan;
    struct mien_layout layout;
    struct mien_step *step;
    struct mien_rng_seeded *rng;
    float *values;
    struct mien_moments moments;
    uint64_t step_bytes;
    struct mien_cost cost;
};

/* Fresh networks and a batch of noise; end it with bench_trained_fini, after an error too. */
MIEN_CHECK enum mien_status bench_trained_init(struct bench_trained *t,
                                               const struct bench_step *what);

void bench_trained_fini(struct bench_trained *t);

/* One step: latents, loss, gradients and, unless it is a gradient only, Adam. */
MIEN_CHECK enum mien_status bench_train_once(struct bench_trained *t);

#endif
