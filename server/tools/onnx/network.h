/* A plan's network as ONNX operators.
 *
 * Pictures are [N, channels, height, width] here, as ONNX and PyTorch have them, and flat data
 * keeps mien's order (height, width, channels), so that dense weights stand as in the model file.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_ONNX_NETWORK_H
#define MIEN_TOOLS_ONNX_NETWORK_H

#include "common/nn/model.h"
#include "server/tools/onnx/graph.h"

/* Adds the operators of a layer list.
 *
 *   prefix  of the names of values and constants: "g.3" is what layer 3 gives
 *   layers  [n] valid; names count from first_layer
 *   from    what the first layer gets
 *   tensor  the first of the layers' tensors in plan order
 *   values  [n_values] of the model that tensors' offsets count in
 *   input, output  names of the values at both ends
 */
struct mien_onnx_network {
    const char *prefix;
    const struct mien_layer *layers;
    uint32_t n_layers;
    uint32_t first_layer;
    struct mien_extent from;
    const struct mien_tensor *tensor;
    const float *values;
    const char *input;
    const char *output;
};

/* errors  MIEN_ENOMEM, MIEN_EINVAL; those of building stay in `onnx` */
MIEN_CHECK enum mien_status mien_onnx_network(struct mien_onnx *onnx,
                                              const struct mien_onnx_network *network);

#endif
