/* What a graph costs, said before anything runs: memory and arithmetic.
 *
 * Threads: any
 */
#ifndef MIEN_TENSOR_COST_H
#define MIEN_TENSOR_COST_H

#include "common/tensor/graph.h"

struct mien_cost {
    uint64_t flops;   /* of a run; a multiplication and an addition are two */
    uint32_t n_steps; /* nodes that are computed */
    uint32_t n_fused; /* of them, those that go through memory together with others (fusion.h) */
    uint64_t arena_bytes;   /* values between nodes, places shared over time */
    uint64_t scratch_bytes; /* of the largest product or convolution, beside the arena */
    uint64_t total_bytes;   /* all that mien_exec_new allocates */
};

/* The cost of computing these outputs. Arithmetic is that of the formulas (a convolution is its
 * windows' products, an element one operation), whatever shorter way a kernel takes.
 *
 *   errors  as mien_exec_bytes
 */
MIEN_CHECK enum mien_status mien_cost_of(const struct mien_graph *graph, const mien_ref *outputs,
                                         size_t n_outputs, struct mien_cost *out);

#endif
