// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/graph.h"

#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Where a member's digest puts it. */
struct place {
    uint64_t digest;
    uint32_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;

    if (x->digest != y->digest)
        return x->digest < y->digest ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static enum mien_status find_places(const uint8_t beacon[32], uint32_t n, struct place *places)
{
    uint8_t bytes[12 + 32 + 4];
    uint8_t digest[MIEN_DIGEST_BYTES];
    enum mien_status status = MIEN_OK;

    memcpy(bytes, "mien ring v1", 12);
    memcpy(bytes + 12, beacon, 32);
    for (uint32_t i = 0; i < n && status == MIEN_OK; i++) {
        mien_store_be32(bytes + 44, i);
        status = mien_digest((struct mien_span){bytes, sizeof(bytes)}, digest);
        places[i] = (struct place){mien_load_be64(digest), i};
    }
    qsort(places, n, sizeof(*places), compare_places);
    return status;
}

enum mien_status mien_graph_init(struct mien_graph *out, uint32_t n, uint32_t k,
                                 const uint8_t beacon[32])
{
    struct mien_graph graph = {.n = n, .k = k};

    if (k == n - 1) {
        *out = graph;
        return MIEN_OK;
    }
    struct place *places = mien_calloc(n, sizeof(*places));
    graph.order = mien_calloc(n, sizeof(*graph.order));
    graph.rank = mien_calloc(n, sizeof(*graph.rank));
    enum mien_status status = MIEN_ENOMEM;
    if (places != NULL && graph.order != NULL && graph.rank != NULL)
        status = find_places(beacon, n, places);
    for (uint32_t at = 0; at < n && status == MIEN_OK; at++) {
        graph.order[at] = places[at].index;
        graph.rank[places[at].index] = at;
    }
    mien_free(places);
    if (status == MIEN_OK)
        *out = graph;
    else
        mien_graph_fini(&graph);
    return status;
}

void mien_graph_fini(struct mien_graph *graph)
{
    mien_free(graph->order);
    mien_free(graph->rank);
    *graph = (struct mien_graph){0};
}

bool mien_graph_is_complete(const struct mien_graph *graph)
{
    return graph->order == NULL;
}

uint32_t mien_graph_n_holders(const struct mien_graph *graph)
{
    return graph->order == NULL ? graph->n : graph->k;
}

/* On the ring slots 0 .. k/2 - 1 are those before a member, the nearest last, then those after. */
uint32_t mien_graph_holder(const struct mien_graph *graph, uint32_t i, uint32_t slot)
{
    if (graph->order == NULL)
        return slot;
    const uint32_t half = graph->k / 2;
    const uint32_t from_first = slot < half ? slot : slot + 1;
    return graph->order[(graph->rank[i] + graph->n - half + from_first) % graph->n];
}

uint32_t mien_graph_slot(const struct mien_graph *graph, uint32_t i, uint32_t j)
{
    if (graph->order == NULL)
        return j;
    const uint32_t half = graph->k / 2;
    const uint32_t from_first = (graph->rank[j] + graph->n - graph->rank[i] + half) % graph->n;
    if (from_first == half || from_first > graph->k)
        return UINT32_MAX;
    return from_first < half ? from_first : from_first - 1;
}

static int compare_indices(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void mien_graph_list(const struct mien_graph *graph, uint32_t i, uint32_t *out)
{
    const uint32_t n = mien_graph_n_holders(graph);

    for (uint32_t slot = 0; slot < n; slot++)
        out[slot] = mien_graph_holder(graph, i, slot);
    if (graph->order == NULL)
        return; /* in order, itself included */
    out[n] = i;
    qsort(out, (size_t)n + 1, sizeof(*out), compare_indices);
}
