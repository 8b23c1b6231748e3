/* The coordinator's optimisers: what to do with the averaged update of a round.
 *
 * The average is noised already, so all of it is post-processing: it costs no privacy, and may keep
 * whatever state helps, as long as that state comes from noised averages only.
 *
 * Source:  McMahan et al. 2017 (plain averaging); Hsu, Qi, Brown 2019 (momentum); Reddi et al.
 * 2021, "Adaptive Federated Optimization", algorithm 2 (Adam) Threads: a state belongs to one
 * thread at a time
 */
#ifndef MIEN_NN_SERVER_OPTIM_H
#define MIEN_NN_SERVER_OPTIM_H

#include "common/plan/plan.h"

/* What is kept between rounds; start with zeros. */
struct mien_server_moments {
    float *first;  /* [n], but for averaging */
    float *second; /* [n], of Adam */
};

/* Whether the plan's optimiser keeps first and second moments. */
bool mien_server_has_first(const struct mien_plan *plan);
bool mien_server_has_second(const struct mien_plan *plan);

/* One round: values += server_rate step, where step is
 *
 *   average   update
 *   momentum  m = beta m + update
 *   adam      m / (sqrt(v) + tau), m = beta m + (1 - beta) update, v = gamma v + (1 - gamma)
 * update^2
 *
 *   values, update  [n]
 *   moments         as the plan's optimiser keeps them; changed
 */
void mien_server_step(const struct mien_plan *plan, const float *update,
                      struct mien_server_moments *moments, float *values, uint64_t n);

#endif
