/* Whether the groups of a batch stay apart in a graph.
 *
 * A batch of `groups` equal parts, one below the other, is the batches of so many devices. An op
 * that treats each row, or picture, on its own keeps them apart; one that sums over the batch, as
 * batch norm does, mixes them.
 *
 * Threads: as graph.h
 */
#ifndef MIEN_TENSOR_APART_H
#define MIEN_TENSOR_APART_H

#include "common/tensor/graph.h"

enum mien_apart {
    MIEN_SHARED, /* depends on no input: the same for all groups */
    MIEN_APART,  /* equal parts one below the other, each of its own group's inputs only */
    MIEN_MIXED,  /* anything else */
};

/* What the nodes 0 .. last are. Never says APART of what is not; may say MIXED of what is apart by
 * the meaning of its numbers, as rows gathered from a table of the batch.
 *
 *   apart  [last + 1] out
 */
void mien_apart_of(const struct mien_graph *graph, mien_ref last, uint32_t groups,
                   enum mien_apart *apart);

#endif
