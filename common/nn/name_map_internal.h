/* A parsed name map, for those who parse it and those who follow it.
 *
 * Threads: as name_map.h
 */
#ifndef MIEN_NN_NAME_MAP_INTERNAL_H
#define MIEN_NN_NAME_MAP_INTERNAL_H

#include "common/nn/name_map.h"

/* Both networks and an average. */
#define MIEN_NAME_MAP_MAX_LINES (2 * MIEN_MODEL_MAX_TENSORS)

struct mien_name_map_line {
    uint32_t number; /* in the text, from 1 */
    const char *ours;
    const char *theirs;
    struct mien_shape view; /* n_axes 0: the file's own */
    uint32_t n_order;       /* 0: as it is */
    uint32_t order[MIEN_MAX_AXES];
};

struct mien_name_map {
    char *text; /* names point into it */
    uint32_t n_lines;
    struct mien_name_map_line line[MIEN_NAME_MAP_MAX_LINES];
};

#endif
