/* The worst rounds for one unit under a binary tree. Threads: any; no state */
#ifndef MIEN_DP_STRATEGY_TREE_H
#define MIEN_DP_STRATEGY_TREE_H

#include "common/dp/strategy.h"

/* mien_strategy_tree for limits in range, separation at most the rounds, participations that fit.
 */
MIEN_CHECK enum mien_status mien_strategy_tree_search(const struct mien_strategy_limits *limits,
                                                      double *squared, struct mien_err *err);

#endif
