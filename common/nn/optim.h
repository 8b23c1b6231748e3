/* Optimisers on flat vectors. Nothing allocates.
 *
 * Source:  Kingma, Ba 2015 (Adam, algorithm 1)
 * Threads: any
 */
#ifndef MIEN_NN_OPTIM_H
#define MIEN_NN_OPTIM_H

#include <stdint.h>

/* value -= rate gradient, for n numbers. */
void mien_sgd_step(float *value, const float *gradient, uint64_t n, double rate);

/* Adam's constants; beta_1 = 0.5 as is usual for adversarial training (Radford et al. 2016). */
struct mien_adam {
    double rate;
    double beta_1;
    double beta_2;
    double epsilon;
};

struct mien_adam mien_adam_default(double rate);

/* The state of Adam over a vector. */
struct mien_moments {
    float *first;  /* zero at first */
    float *second; /* zero at first */
    uint64_t t;    /* steps done */
};

/* One step on the n numbers at `at` of the vector that the moments cover. The caller counts: t is
 * the number of this step, from 1, the same for all parts of one vector. */
void mien_adam_step(const struct mien_adam *adam, const struct mien_moments *moments, uint64_t at,
                    float *value, const float *gradient, uint64_t n);

/* average = keep average + (1 - keep) value, for n numbers. */
void mien_ema_step(float *average, const float *value, uint64_t n, double keep);

#endif
