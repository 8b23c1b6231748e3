/* The rule of each op: what adjoint its operands have when its own is dy.
 *
 * Source:  as grad.h
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_RULES_H
#define MIEN_TENSOR_RULES_H

#include "common/tensor/graph.h"

/* What a rule gets: node `y` (a copy: the graph grows meanwhile), its operands a and b, and the
 * adjoint dy. It returns the adjoints of the operands, MIEN_NO_REF for none.
 *
 * Where the gradient is wanted for each group of the batch apart, an operand that all groups share
 * (weights) has an adjoint for each, one below the other: its shape here says so, and groups_a or
 * groups_b says how many. They are 0 elsewhere. */
struct mien_rule_args {
    struct mien_graph *graph;
    struct mien_node node;
    mien_ref y;
    mien_ref a;
    mien_ref b;
    mien_ref dy;
    struct mien_shape shape_a;
    struct mien_shape shape_b;
    uint32_t groups_a;
    uint32_t groups_b;
};

/* MIEN_NO_REF for none. */
struct mien_adjoints {
    mien_ref da;
    mien_ref db;
};

/* Adds the nodes of the adjoints. */
struct mien_adjoints mien_rule_apply(const struct mien_rule_args *r);

#endif
