/* An ONNX model under construction: inputs, constants, operators, outputs, metadata.
 *
 * Errors are sticky: after the first one every call does nothing, and mien_onnx_encode says it. So
 * builders read top to bottom. Names and texts are copied. Inputs, outputs and constants have up to
 * MIEN_MAX_AXES axes; the first axis of inputs and outputs is the batch, free and named "N".
 *
 * Source:  proto/onnx.proto (IR version 7, operator set 13)
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_ONNX_GRAPH_H
#define MIEN_TOOLS_ONNX_GRAPH_H

#include "common/base/buf.h"
#include "common/tensor/graph.h"

struct mien_onnx;

/* An empty model.
 *
 *   name    of its graph
 *   out     given: end it with mien_onnx_free
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_onnx_new(const char *name, struct mien_onnx **out);

void mien_onnx_free(struct mien_onnx *onnx);

/* An input or output of float32, [N, the axes of `shape`], with a line for people. */
void mien_onnx_input(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                     const char *about);
void mien_onnx_output(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                      const char *about);

/* A constant of float32.  values  [count of shape], the last axis running fastest */
void mien_onnx_floats(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                      const float *values);

/* A constant list of whole numbers: shapes for Reshape. */
void mien_onnx_ints(struct mien_onnx *onnx, const char *name, const int64_t *values, uint32_t n);

/* An operator of one output, named after it; operators come in order of computation.
 *
 *   inputs  [n] names; "" for one that is left out
 */
void mien_onnx_node(struct mien_onnx *onnx, const char *op, const char *const *inputs, uint32_t n,
                    const char *output);

/* Attributes of the last operator. */
void mien_onnx_attr_int(struct mien_onnx *onnx, const char *name, int64_t value);
void mien_onnx_attr_ints(struct mien_onnx *onnx, const char *name, const int64_t *values,
                         uint32_t n);
void mien_onnx_attr_float(struct mien_onnx *onnx, const char *name, float value);
void mien_onnx_attr_text(struct mien_onnx *onnx, const char *name, const char *value);

/* One pair of metadata_props; a value of NULL is left out. */
void mien_onnx_property(struct mien_onnx *onnx, const char *key, const char *value);

/* Adds the file's bytes.  errors  MIEN_ENOMEM, MIEN_ELIMIT  over 2 GiB, which no protobuf holds */
MIEN_CHECK enum mien_status mien_onnx_encode(const struct mien_onnx *onnx, struct mien_buf *out);

#endif
