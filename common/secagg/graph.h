/* Who is whose neighbour in a session, and who holds shares of whose secrets.
 *
 * Complete (k = n - 1): everybody is everybody's neighbour, and holds shares of everybody's
 * secrets, its own included. Ring (k even and below): members stand on a ring in the order of
 * SHA-256("mien ring v1" | beacon | index), first 8 bytes, then index; neighbours are the k / 2 on
 * either side, and they hold the shares.
 *
 * Source:  Bell et al. 2020, section 3 (Harary graphs under a random order)
 * Threads: one at a time while made, then any
 */
#ifndef MIEN_SECAGG_GRAPH_H
#define MIEN_SECAGG_GRAPH_H

#include "common/base/compiler.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct mien_graph {
    uint32_t n;
    uint32_t k;
    uint32_t *order; /* [n] members around the ring; NULL when complete */
    uint32_t *rank;  /* [n] where a member stands in it */
};

/* Makes the graph of a sound session (session.h).
 *
 *   beacon  not used when complete
 *   out     end it with mien_graph_fini
 *   errors  MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_graph_init(struct mien_graph *out, uint32_t n, uint32_t k,
                                            const uint8_t beacon[32]);

/* Zeroed storage is fine. */
void mien_graph_fini(struct mien_graph *graph);

bool mien_graph_is_complete(const struct mien_graph *graph);

/* Holders of each member's shares: n when complete, else k. */
uint32_t mien_graph_n_holders(const struct mien_graph *graph);

/* The holder in a slot below n_holders of member i's; all n_holders are different members. */
uint32_t mien_graph_holder(const struct mien_graph *graph, uint32_t i, uint32_t slot);

/* The slot of member i's in which j is, or UINT32_MAX when j holds no shares of i's. */
uint32_t mien_graph_slot(const struct mien_graph *graph, uint32_t i, uint32_t j);

/* Member i and its neighbours, indices rising.
 *
 *   out  [k + 1]
 */
void mien_graph_list(const struct mien_graph *graph, uint32_t i, uint32_t *out);

#endif
