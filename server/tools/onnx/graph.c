// SPDX-License-Identifier: Apache-2.0
#include "server/tools/onnx/graph.h"

#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/num.h"

#include "onnx.pb-c.h"

#include <assert.h>
#include <string.h>

#define IR_VERSION 7
#define OPERATOR_SET 13

/* A network of MIEN_PLAN_MAX_LAYERS layers stays under these. */
#define MAX_NODES 256
#define MAX_TENSORS 256
#define MAX_VALUES 8
#define MAX_ATTRIBUTES 8
#define MAX_PROPERTIES 32

/* Blocks that messages point to, freed together. */
struct block {
    struct block *next;
};

struct mien_onnx {
    enum mien_status status; /* of the first failure */
    struct block *blocks;
    Mien__Onnx__Model model;
    Mien__Onnx__Graph graph;
    Mien__Onnx__OperatorSet opset;
    Mien__Onnx__OperatorSet *opsets[1];
    Mien__Onnx__Node *nodes[MAX_NODES];
    Mien__Onnx__Tensor *tensors[MAX_TENSORS];
    Mien__Onnx__Value *inputs[MAX_VALUES];
    Mien__Onnx__Value *outputs[MAX_VALUES];
    Mien__Onnx__Property *properties[MAX_PROPERTIES];
};

/* ---- memory ---- */

/* A zeroed block that lives as long as the model; NULL once anything has failed. */
static void *block(struct mien_onnx *onnx, size_t bytes)
{
    size_t total;
    struct block *made = NULL;

    if (onnx->status != MIEN_OK)
        return NULL;
    if (mien_add_size(bytes, sizeof(*made), &total))
        made = mien_calloc(1, total);
    if (made == NULL) {
        onnx->status = MIEN_ENOMEM;
        return NULL;
    }
    made->next = onnx->blocks;
    onnx->blocks = made;
    return made + 1;
}

static char *text(struct mien_onnx *onnx, const char *from)
{
    const size_t n = strlen(from) + 1;
    char *copy = block(onnx, n);

    if (copy != NULL)
        memcpy(copy, from, n);
    return copy;
}

static int64_t *numbers(struct mien_onnx *onnx, const int64_t *from, uint32_t n)
{
    int64_t *copy = block(onnx, n * sizeof(*from));

    if (copy != NULL)
        memcpy(copy, from, n * sizeof(*from));
    return copy;
}

/* Whether a list of n may take one more. */
static bool room(struct mien_onnx *onnx, size_t n, size_t max)
{
    if (onnx->status == MIEN_OK && n >= max)
        onnx->status = MIEN_ELIMIT;
    return onnx->status == MIEN_OK;
}

/* ---- the whole ---- */

enum mien_status mien_onnx_new(const char *name, struct mien_onnx **out)
{
    static char producer[] = "mien";
    static char version[] = MIEN_VERSION;
    static char domain[] = "";
    struct mien_onnx *onnx = mien_calloc(1, sizeof(*onnx));

    if (onnx == NULL)
        return MIEN_ENOMEM;
    mien__onnx__model__init(&onnx->model);
    mien__onnx__graph__init(&onnx->graph);
    mien__onnx__operator_set__init(&onnx->opset);
    onnx->model.has_ir_version = 1;
    onnx->model.ir_version = IR_VERSION;
    onnx->model.producer_name = producer;
    onnx->model.producer_version = version;
    onnx->model.graph = &onnx->graph;
    onnx->model.n_opset_import = 1;
    onnx->model.opset_import = onnx->opsets;
    onnx->model.metadata_props = onnx->properties;
    onnx->opsets[0] = &onnx->opset;
    onnx->opset.domain = domain;
    onnx->opset.has_version = 1;
    onnx->opset.version = OPERATOR_SET;
    onnx->graph.node = onnx->nodes;
    onnx->graph.initializer = onnx->tensors;
    onnx->graph.input = onnx->inputs;
    onnx->graph.output = onnx->outputs;
    onnx->graph.name = text(onnx, name);
    if (onnx->status != MIEN_OK) {
        mien_onnx_free(onnx);
        return MIEN_ENOMEM;
    }
    *out = onnx;
    return MIEN_OK;
}

void mien_onnx_free(struct mien_onnx *onnx)
{
    if (onnx == NULL)
        return;
    while (onnx->blocks != NULL) {
        struct block *next = onnx->blocks->next;

        mien_free(onnx->blocks);
        onnx->blocks = next;
    }
    mien_free(onnx);
}

enum mien_status mien_onnx_encode(const struct mien_onnx *onnx, struct mien_buf *out)
{
    if (onnx->status != MIEN_OK)
        return onnx->status;
    const size_t n = protobuf_c_message_get_packed_size(&onnx->model.base);
    if (n > INT32_MAX)
        return MIEN_ELIMIT;
    enum mien_status status = mien_buf_reserve(out, n);
    if (status == MIEN_OK)
        out->len += protobuf_c_message_pack(&onnx->model.base, out->data + out->len);
    return status;
}

/* ---- inputs and outputs ---- */

static Mien__Onnx__Dimension *dimension(struct mien_onnx *onnx, const char *name, uint32_t size)
{
    Mien__Onnx__Dimension *made = block(onnx, sizeof(*made));

    if (made == NULL)
        return NULL;
    mien__onnx__dimension__init(made);
    if (name != NULL) {
        made->value_case = MIEN__ONNX__DIMENSION__VALUE_DIM_PARAM;
        made->dim_param = text(onnx, name);
    } else {
        made->value_case = MIEN__ONNX__DIMENSION__VALUE_DIM_VALUE;
        made->dim_value = size;
    }
    return made;
}

/* [N, the axes of `shape`] of float32. */
static Mien__Onnx__Type *type_of(struct mien_onnx *onnx, const struct mien_shape *shape)
{
    struct parts {
        Mien__Onnx__Type type;
        Mien__Onnx__TensorType tensor;
        Mien__Onnx__Shape shape;
        Mien__Onnx__Dimension *dim[MIEN_MAX_AXES + 1];
    };
    struct parts *parts = block(onnx, sizeof(*parts));

    if (parts == NULL)
        return NULL;
    mien__onnx__type__init(&parts->type);
    mien__onnx__tensor_type__init(&parts->tensor);
    mien__onnx__shape__init(&parts->shape);
    parts->type.tensor_type = &parts->tensor;
    parts->tensor.has_elem_type = 1;
    parts->tensor.elem_type = MIEN__ONNX__TENSOR__KIND__FLOAT;
    parts->tensor.shape = &parts->shape;
    parts->shape.dim = parts->dim;
    parts->shape.n_dim = shape->n_axes + 1;
    parts->dim[0] = dimension(onnx, "N", 0);
    for (uint32_t i = 0; i < shape->n_axes; i++)
        parts->dim[i + 1] = dimension(onnx, NULL, shape->dim[i]);
    return &parts->type;
}

static Mien__Onnx__Value *value_of(struct mien_onnx *onnx, const char *name,
                                   const struct mien_shape *shape, const char *about)
{
    Mien__Onnx__Value *made = block(onnx, sizeof(*made));

    if (made == NULL)
        return NULL;
    mien__onnx__value__init(made);
    made->name = text(onnx, name);
    made->doc_string = text(onnx, about);
    made->type = type_of(onnx, shape);
    return made;
}

void mien_onnx_input(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                     const char *about)
{
    if (room(onnx, onnx->graph.n_input, MAX_VALUES))
        onnx->inputs[onnx->graph.n_input++] = value_of(onnx, name, &shape, about);
}

void mien_onnx_output(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                      const char *about)
{
    if (room(onnx, onnx->graph.n_output, MAX_VALUES))
        onnx->outputs[onnx->graph.n_output++] = value_of(onnx, name, &shape, about);
}

/* ---- constants ---- */

/* A constant whose n_bytes are still zero; NULL once anything has failed. */
static uint8_t *constant(struct mien_onnx *onnx, const char *name, const struct mien_shape *shape,
                         Mien__Onnx__Tensor__Kind kind, uint64_t n_bytes)
{
    int64_t dims[MIEN_MAX_AXES];
    Mien__Onnx__Tensor *made;

    if (!room(onnx, onnx->graph.n_initializer, MAX_TENSORS))
        return NULL;
    made = block(onnx, sizeof(*made));
    if (made == NULL)
        return NULL;
    mien__onnx__tensor__init(made);
    for (uint32_t i = 0; i < shape->n_axes; i++)
        dims[i] = shape->dim[i];
    made->name = text(onnx, name);
    made->n_dims = shape->n_axes;
    made->dims = numbers(onnx, dims, shape->n_axes);
    made->has_data_type = 1;
    made->data_type = (int32_t)kind;
    made->has_raw_data = 1;
    made->raw_data.len = n_bytes;
    made->raw_data.data = block(onnx, n_bytes);
    onnx->tensors[onnx->graph.n_initializer++] = made;
    return made->raw_data.data;
}

void mien_onnx_floats(struct mien_onnx *onnx, const char *name, struct mien_shape shape,
                      const float *values)
{
    const uint64_t n = mien_shape_count(&shape);
    uint8_t *to = constant(onnx, name, &shape, MIEN__ONNX__TENSOR__KIND__FLOAT, 4 * n);

    for (uint64_t i = 0; i < n && to != NULL; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        mien_store_le32(to + 4 * i, bits);
    }
}

void mien_onnx_ints(struct mien_onnx *onnx, const char *name, const int64_t *values, uint32_t n)
{
    const struct mien_shape shape = mien_shape1(n);
    uint8_t *to = constant(onnx, name, &shape, MIEN__ONNX__TENSOR__KIND__INT64, 8 * (uint64_t)n);

    for (uint32_t i = 0; i < n && to != NULL; i++)
        mien_store_le64(to + 8 * (size_t)i, (uint64_t)values[i]);
}

/* ---- operators ---- */

void mien_onnx_node(struct mien_onnx *onnx, const char *op, const char *const *inputs, uint32_t n,
                    const char *output)
{
    Mien__Onnx__Node *made;

    if (!room(onnx, onnx->graph.n_node, MAX_NODES))
        return;
    made = block(onnx, sizeof(*made));
    if (made == NULL)
        return;
    mien__onnx__node__init(made);
    onnx->nodes[onnx->graph.n_node++] = made;
    made->name = text(onnx, output);
    made->op_type = text(onnx, op);
    made->output = block(onnx, sizeof(*made->output));
    made->input = block(onnx, n * sizeof(*made->input));
    made->attribute = block(onnx, MAX_ATTRIBUTES * sizeof(*made->attribute));
    if (onnx->status != MIEN_OK)
        return;
    made->n_output = 1;
    made->output[0] = text(onnx, output);
    for (made->n_input = 0; made->n_input < n; made->n_input++)
        made->input[made->n_input] = text(onnx, inputs[made->n_input]);
}

/* One more attribute of the last operator; NULL once anything has failed. */
static Mien__Onnx__Attribute *attribute(struct mien_onnx *onnx, const char *name,
                                        Mien__Onnx__Attribute__Kind kind)
{
    Mien__Onnx__Attribute *made = block(onnx, sizeof(*made));

    if (made == NULL)
        return NULL;
    assert(onnx->graph.n_node > 0);
    Mien__Onnx__Node *node = onnx->nodes[onnx->graph.n_node - 1];
    if (!room(onnx, node->n_attribute, MAX_ATTRIBUTES))
        return NULL;
    mien__onnx__attribute__init(made);
    made->name = text(onnx, name);
    made->has_type = 1;
    made->type = kind;
    node->attribute[node->n_attribute++] = made;
    return made;
}

void mien_onnx_attr_int(struct mien_onnx *onnx, const char *name, int64_t value)
{
    Mien__Onnx__Attribute *made = attribute(onnx, name, MIEN__ONNX__ATTRIBUTE__KIND__INT);

    if (made == NULL)
        return;
    made->has_i = 1;
    made->i = value;
}

void mien_onnx_attr_ints(struct mien_onnx *onnx, const char *name, const int64_t *values,
                         uint32_t n)
{
    Mien__Onnx__Attribute *made = attribute(onnx, name, MIEN__ONNX__ATTRIBUTE__KIND__INTS);

    if (made == NULL)
        return;
    made->n_ints = n;
    made->ints = numbers(onnx, values, n);
}

void mien_onnx_attr_float(struct mien_onnx *onnx, const char *name, float value)
{
    Mien__Onnx__Attribute *made = attribute(onnx, name, MIEN__ONNX__ATTRIBUTE__KIND__FLOAT);

    if (made == NULL)
        return;
    made->has_f = 1;
    made->f = value;
}

void mien_onnx_attr_text(struct mien_onnx *onnx, const char *name, const char *value)
{
    Mien__Onnx__Attribute *made = attribute(onnx, name, MIEN__ONNX__ATTRIBUTE__KIND__STRING);

    if (made == NULL)
        return;
    made->has_s = 1;
    made->s.len = strlen(value);
    made->s.data = block(onnx, made->s.len + 1);
    if (made->s.data != NULL)
        memcpy(made->s.data, value, made->s.len);
}

void mien_onnx_property(struct mien_onnx *onnx, const char *key, const char *value)
{
    Mien__Onnx__Property *made;

    if (value == NULL || !room(onnx, onnx->model.n_metadata_props, MAX_PROPERTIES))
        return;
    made = block(onnx, sizeof(*made));
    if (made == NULL)
        return;
    mien__onnx__property__init(made);
    made->key = text(onnx, key);
    made->value = text(onnx, value);
    onnx->properties[onnx->model.n_metadata_props++] = made;
}
