/* Where each node's values live: lifetimes, then offsets in one arena.
 *
 * Threads: as exec.h
 */
#ifndef MIEN_TENSOR_MEMORY_PLAN_H
#define MIEN_TENSOR_MEMORY_PLAN_H

#include "common/tensor/fusion.h"
#include "common/tensor/graph.h"

/* A node that has no place of its own: an input, a parameter, or nothing needs it. */
#define MIEN_NO_PLACE UINT64_MAX

struct mien_memory_plan {
    mien_ref *order; /* [n_steps] nodes to compute, in order; then n_late that are computed later */
    uint32_t n_steps;
    uint32_t n_late;
    struct mien_fusion *fusions; /* [n_fusions] the steps that are computed together */
    uint32_t n_fusions;
    mien_ref *root;       /* [n_nodes] whose values a node shares (reshape), or itself */
    uint64_t *place;      /* [n_nodes] first element of a root in the arena, or MIEN_NO_PLACE */
    uint32_t *last_use;   /* [n_nodes] last step that reads a root; UINT32_MAX for ever */
    uint32_t *fusion_end; /* [n_steps] last step of the chain that a step is in */
    bool *late;           /* [n_nodes] computed when its rows are wanted (late.h) */
    bool *needed;         /* [n_nodes] the outputs depend on it */
    uint64_t n_elements;  /* of the arena */
    uint64_t n_scratch;   /* of the scratch space, beside the arena */
    uint64_t n_constants; /* of the constants, whose places are in a space of their own */
};

/* Plans.
 *
 *   out     overwritten; end it with mien_memory_plan_fini
 *   errors  MIEN_EINVAL  an output is no node, or the graph has failed; MIEN_ELIMIT; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_memory_plan_init(struct mien_memory_plan *out,
                                                  const struct mien_graph *graph,
                                                  const mien_ref *outputs, size_t n_outputs);

void mien_memory_plan_fini(struct mien_memory_plan *plan);

#endif
