/* A computation as data: ops are nodes with static shapes.
 *
 * Build a graph with the op functions below, differentiate it with grad.h (which only adds nodes,
 * so its result can be differentiated again), run it with exec.h. Nothing computes here.
 *
 * Errors are sticky: an op on bad operands returns MIEN_NO_REF and notes one sentence in the graph;
 * every op on MIEN_NO_REF returns MIEN_NO_REF. So builders read top to bottom and ask once, with
 * mien_graph_status, at the end. Equal nodes are shared: the same op on the same operands is the
 * same node.
 *
 * Tensors are row-major with 1 to 4 axes; pictures are [n, h, w, c]. Binary ops broadcast their
 * second operand over axes of length 1.
 *
 * Threads: a graph belongs to one thread while it is built; read-only afterwards
 */
#ifndef MIEN_TENSOR_GRAPH_H
#define MIEN_TENSOR_GRAPH_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIEN_MAX_AXES 4

/* No tensor has more elements: indexes stay in 32 bits, products of two sizes in 64. */
#define MIEN_MAX_ELEMENTS (UINT64_C(1) << 30)

/* A node of one graph. */
typedef uint32_t mien_ref;
#define MIEN_NO_REF UINT32_MAX

struct mien_shape {
    uint32_t n_axes; /* 1 to MIEN_MAX_AXES */
    uint32_t dim[MIEN_MAX_AXES];
};

static inline struct mien_shape mien_shape1(uint32_t a)
{
    return (struct mien_shape){1, {a}};
}

static inline struct mien_shape mien_shape2(uint32_t a, uint32_t b)
{
    return (struct mien_shape){2, {a, b}};
}

static inline struct mien_shape mien_shape3(uint32_t a, uint32_t b, uint32_t c)
{
    return (struct mien_shape){3, {a, b, c}};
}

static inline struct mien_shape mien_shape4(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return (struct mien_shape){4, {a, b, c, d}};
}

/* The number of elements, 0 when the shape is none (an axis of 0, too many). */
uint64_t mien_shape_count(const struct mien_shape *shape);

bool mien_shape_equal(const struct mien_shape *a, const struct mien_shape *b);

enum mien_op {
    MIEN_OP_INPUT,     /* bound by the caller before a run */
    MIEN_OP_PARAMETER, /* a part of the flat parameter vector */
    MIEN_OP_CONSTANT,  /* one number everywhere */
    MIEN_OP_ADD,
    MIEN_OP_SUBTRACT,
    MIEN_OP_MULTIPLY,
    MIEN_OP_DIVIDE,
    MIEN_OP_SCALE, /* number x */
    MIEN_OP_SHIFT, /* x + number */
    MIEN_OP_SQRT,  /* 0 at x <= 0 */
    MIEN_OP_EXP,
    MIEN_OP_LOG,
    MIEN_OP_TANH,
    MIEN_OP_SIGMOID,
    MIEN_OP_SOFTPLUS, /* log(1 + e^x) */
    MIEN_OP_LEAKY,    /* x > 0 ? x : number x */
    MIEN_OP_GATE,     /* b > 0 ? a : number a; shapes equal; no gradient in b */
    MIEN_OP_RESHAPE,
    MIEN_OP_SUM,       /* over the axes where the result has length 1 */
    MIEN_OP_BROADCAST, /* the adjoint of SUM */
    MIEN_OP_MATMUL,
    MIEN_OP_CONV,
    MIEN_OP_CONV_INPUT_GRAD,  /* the adjoint of CONV in x: a transposed convolution */
    MIEN_OP_CONV_WEIGHT_GRAD, /* the adjoint of CONV in w */
    MIEN_OP_UPCONV,           /* CONV of an upsampled picture, 3 x 3, "same" */
    MIEN_OP_UPCONV_INPUT_GRAD,
    MIEN_OP_UPCONV_WEIGHT_GRAD,
    MIEN_OP_UPSAMPLE, /* nearest neighbour, by 2 */
    MIEN_OP_SUM_POOL, /* sums of 2 x 2: the adjoint of UPSAMPLE */
    MIEN_OP_SLICE,    /* a range of one axis */
    MIEN_OP_PAD,      /* zeros around, on one axis: the adjoint of SLICE */
    MIEN_OP_GATHER,   /* rows of a table (select.h) */
    MIEN_OP_SCATTER,  /* the adjoint of GATHER in the table */
    MIEN_OP_PICK,     /* elements where another tensor is largest in a window */
    MIEN_OP_UNPICK,   /* the adjoint of PICK */
    MIEN_OP_ROW_MAX,  /* the largest of the last axis; counts as a constant */
};

/* Geometry of a convolution: x [n, h, w, c], weights [kh, kw, c, o]; padding in elements. */
struct mien_conv {
    uint32_t stride;
    uint32_t pad_top;
    uint32_t pad_left;
    uint32_t pad_bottom;
    uint32_t pad_right;
};

/* Transposes of a matrix product. */
#define MIEN_TRANSPOSE_LEFT 1u
#define MIEN_TRANSPOSE_RIGHT 2u

struct mien_node {
    enum mien_op op;
    struct mien_shape shape;
    mien_ref in[2];  /* MIEN_NO_REF where the op takes fewer */
    double number;   /* SCALE, SHIFT, LEAKY, GATE, CONSTANT */
    uint64_t offset; /* PARAMETER: its place in the flat vector; INPUT: its index */
    uint32_t flags;  /* MATMUL: transposes; SLICE, PAD: the axis; PICK, UNPICK: window's side */
    uint32_t start;  /* SLICE, PAD: first element of the range */
    uint32_t groups; /* MATMUL, SCATTER, weight gradients: parts of the batch with a result each,
                      * one below the other; 0: one (grad.h) */
    struct mien_conv conv;
    bool may_be_late; /* mien_graph_late */
};

struct mien_graph;

/* An empty graph.
 *
 *   out     given: end it with mien_graph_free
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_graph_new(struct mien_graph **out);

void mien_graph_free(struct mien_graph *graph);

/* MIEN_OK, or what the first failing op said.  errors  MIEN_EINVAL, MIEN_ELIMIT, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_graph_status(const struct mien_graph *graph, struct mien_err *err);

/* Nodes so far, and one of them (borrowed until the next op). */
uint32_t mien_graph_n_nodes(const struct mien_graph *graph);
const struct mien_node *mien_graph_node(const struct mien_graph *graph, mien_ref ref);

/* The shape of a node; {0} for MIEN_NO_REF. */
struct mien_shape mien_graph_shape(const struct mien_graph *graph, mien_ref ref);

/* Inputs made so far; they are numbered in the order they were made. */
uint32_t mien_graph_n_inputs(const struct mien_graph *graph);

/* Length that a flat parameter vector must have at least. */
uint64_t mien_graph_n_params(const struct mien_graph *graph);

/* Notes that this output is only wanted through mien_exec_visit, so it need not be stored. Does
 * nothing to MIEN_NO_REF. */
void mien_graph_late(struct mien_graph *graph, mien_ref output);

/* Leaves. */
mien_ref mien_input(struct mien_graph *graph, struct mien_shape shape);
mien_ref mien_parameter(struct mien_graph *graph, struct mien_shape shape, uint64_t offset);
mien_ref mien_constant(struct mien_graph *graph, struct mien_shape shape, double number);

/* a op b, element by element; b may have axes of length 1 where a has more, or be [1]. */
mien_ref mien_add(struct mien_graph *graph, mien_ref a, mien_ref b);
mien_ref mien_subtract(struct mien_graph *graph, mien_ref a, mien_ref b);
mien_ref mien_multiply(struct mien_graph *graph, mien_ref a, mien_ref b);
mien_ref mien_divide(struct mien_graph *graph, mien_ref a, mien_ref b);

/* One operand, element by element. */
mien_ref mien_scale(struct mien_graph *graph, mien_ref x, double number);
mien_ref mien_shift(struct mien_graph *graph, mien_ref x, double number);
mien_ref mien_sqrt(struct mien_graph *graph, mien_ref x);
mien_ref mien_exp(struct mien_graph *graph, mien_ref x);
mien_ref mien_log_of(struct mien_graph *graph, mien_ref x);
mien_ref mien_tanh(struct mien_graph *graph, mien_ref x);
mien_ref mien_sigmoid(struct mien_graph *graph, mien_ref x);
mien_ref mien_softplus(struct mien_graph *graph, mien_ref x);
mien_ref mien_leaky(struct mien_graph *graph, mien_ref x, double slope);

/* a where b > 0, slope a elsewhere; both of one shape. What opens the gate does not change in a
 * small neighbourhood: b has no gradient. */
mien_ref mien_gate(struct mien_graph *graph, mien_ref a, mien_ref b, double slope);

/* The same elements in another shape; costs nothing at run time. */
mien_ref mien_reshape(struct mien_graph *graph, mien_ref x, struct mien_shape shape);

/* Sums over the axes where `shape` has length 1 and x has more. */
mien_ref mien_sum_to(struct mien_graph *graph, mien_ref x, struct mien_shape shape);

/* The sum, or mean, of all elements: [1]. */
mien_ref mien_sum_all(struct mien_graph *graph, mien_ref x);
mien_ref mien_mean_all(struct mien_graph *graph, mien_ref x);

/* Repeats x along the axes where it has length 1. */
mien_ref mien_broadcast_to(struct mien_graph *graph, mien_ref x, struct mien_shape shape);

/* a [m, k] times b [k, n], either one transposed by its flag. */
mien_ref mien_matmul(struct mien_graph *graph, mien_ref a, mien_ref b, uint32_t transposes);

/* Convolution of x [n, h, w, c] with w [kh, kw, c, o]: [n, oh, ow, o]. Where x was just upsampled,
 * a 3 x 3 convolution of the same size takes less than half the work of another. */
mien_ref mien_conv2d(struct mien_graph *graph, mien_ref x, mien_ref w,
                     const struct mien_conv *conv);

/* The adjoint in x: y [n, oh, ow, o] and w give [n, h, w, c]; also known as transposed convolution.
 *
 *   x_shape  [n, h, w, c] whose convolution has the shape of y
 */
mien_ref mien_conv2d_input_grad(struct mien_graph *graph, mien_ref y, mien_ref w,
                                struct mien_shape x_shape, const struct mien_conv *conv);

/* The adjoint in w: x [n, h, w, c] and y [n, oh, ow, o] give [kh, kw, c, o]. */
mien_ref mien_conv2d_weight_grad(struct mien_graph *graph, mien_ref x, mien_ref y,
                                 struct mien_shape w_shape, const struct mien_conv *conv);

/* Nearest neighbour by 2 in h and w, and its adjoint, sums of 2 x 2 blocks (h and w even). */
mien_ref mien_upsample(struct mien_graph *graph, mien_ref x);
mien_ref mien_sum_pool(struct mien_graph *graph, mien_ref x);

/* Elements start .. start + len - 1 of one axis, and the adjoint: x at `start` of an axis of length
 * `total`, zeros elsewhere. */
mien_ref mien_slice(struct mien_graph *graph, mien_ref x, uint32_t axis, uint32_t start,
                    uint32_t len);
mien_ref mien_pad(struct mien_graph *graph, mien_ref x, uint32_t axis, uint32_t start,
                  uint32_t total);

/* a and b one after the other on one axis; all other axes equal. */
mien_ref mien_concat(struct mien_graph *graph, mien_ref a, mien_ref b, uint32_t axis);

#endif
