/* The probe of one op: values, first and second gradients by the graph, and by differences.
 *
 * A case builds y from up to two parameters; with fixed random weights u and directions v,
 *
 *   f = <u, y>,  g = df/dp by the graph,  s = <v, g>,  h = ds/dp by the graph
 *
 * The flat parameter vector is a, b, u, v of a, v of b.
 */
#ifndef MIEN_TESTS_UNIT_TENSOR64_OP_PROBE_H
#define MIEN_TESTS_UNIT_TENSOR64_OP_PROBE_H

#include "common/base/mem.h"
#include "common/tensor/exec.h"
#include "common/tensor/grad.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMS 2048
#define STEP 1e-5
#define TOLERANCE 2e-6

struct op_case {
    const char *name;
    struct mien_shape a;
    struct mien_shape b; /* {0} for one operand */
    mien_ref (*build)(struct mien_graph *graph, mien_ref a, mien_ref b);
    double low; /* parameters are drawn from [low, low + 1.5] */
};

/* The graph of one case: f, g (flat over a, b), s and h. */
struct probe {
    struct mien_graph *graph;
    struct mien_exec *exec;
    size_t n_a;
    size_t n_b;
    size_t n_y;
    size_t n_params;
    mien_real params[MAX_PARAMS];
};

enum { OUT_F, OUT_S, OUT_GA, OUT_GB, OUT_HA, OUT_HB, OUT_Y, N_OUT };

/* A parameter that is never moved: fixed random numbers behind the moved ones. */
static inline mien_ref fixed(struct probe *p, struct mien_shape shape, size_t *end)
{
    size_t at = *end;

    *end += (size_t)mien_shape_count(&shape);
    assert_true(*end <= MAX_PARAMS);
    return mien_parameter(p->graph, shape, at);
}

static inline mien_ref dot(struct mien_graph *g, mien_ref a, mien_ref b)
{
    return mien_sum_all(g, mien_multiply(g, a, b));
}

static inline void probe_init(struct probe *p, const struct op_case *c)
{
    mien_ref out[N_OUT];

    memset(p, 0, sizeof(*p));
    p->n_a = (size_t)mien_shape_count(&c->a);
    p->n_b = (size_t)mien_shape_count(&c->b);
    size_t end = p->n_a + p->n_b;
    assert_int_equal(mien_graph_new(&p->graph), MIEN_OK);
    struct mien_graph *g = p->graph;
    const mien_ref a = mien_parameter(g, c->a, 0);
    const mien_ref b = p->n_b > 0 ? mien_parameter(g, c->b, p->n_a) : a;
    const mien_ref y = c->build(g, a, b);
    const mien_ref wrt[2] = {a, b};
    mien_ref first[2];
    mien_ref second[2];

    out[OUT_F] = dot(g, y, fixed(p, mien_graph_shape(g, y), &end));
    mien_grad(g, out[OUT_F], wrt, 2, first);
    mien_ref s = dot(g, first[0], fixed(p, mien_graph_shape(g, first[0]), &end));
    if (p->n_b > 0)
        s = mien_add(g, s, dot(g, first[1], fixed(p, mien_graph_shape(g, first[1]), &end)));
    mien_grad(g, s, wrt, 2, second);
    out[OUT_S] = s;
    out[OUT_GA] = first[0];
    out[OUT_GB] = first[1];
    out[OUT_HA] = second[0];
    out[OUT_HB] = second[1];
    out[OUT_Y] = y;
    const struct mien_shape shape_y = mien_graph_shape(g, y);
    p->n_y = (size_t)mien_shape_count(&shape_y);
    assert_int_equal(mien_graph_status(g, NULL), MIEN_OK);
    assert_int_equal(mien_exec_new(g, out, N_OUT, &p->exec), MIEN_OK);
    p->n_params = end;
}

static inline void probe_fini(struct probe *p)
{
    mien_exec_free(p->exec);
    mien_graph_free(p->graph);
}

static inline double value_at(struct probe *p, size_t output)
{
    assert_int_equal(mien_exec_run(p->exec, p->params), MIEN_OK);
    return *mien_exec_output(p->exec, output);
}

/* One parameter's central difference of an output (fourth order in the step). */
static inline double difference(struct probe *p, size_t param, size_t output)
{
    const double at = (double)p->params[param];
    double value[4];
    static const double steps[4] = {-2, -1, 1, 2};

    for (int i = 0; i < 4; i++) {
        p->params[param] = (mien_real)(at + steps[i] * STEP);
        value[i] = value_at(p, output);
    }
    p->params[param] = (mien_real)at;
    return (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * STEP);
}

static inline void compare(struct probe *p, const char *name, const char *order, size_t outputs[2],
                           size_t of)
{
    mien_real by_graph[MAX_PARAMS];
    double scale = 1.0;

    (void)value_at(p, of);
    memcpy(by_graph, mien_exec_output(p->exec, outputs[0]), p->n_a * sizeof(mien_real));
    if (p->n_b > 0)
        memcpy(by_graph + p->n_a, mien_exec_output(p->exec, outputs[1]),
               p->n_b * sizeof(mien_real));
    for (size_t i = 0; i < p->n_a + p->n_b; i++)
        scale = fmax(scale, fabs((double)by_graph[i]));
    for (size_t i = 0; i < p->n_a + p->n_b; i++) {
        const double numeric = difference(p, i, of);

        if (!(fabs(numeric - by_graph[i]) <= TOLERANCE * scale))
            fail_msg("%s, %s order, parameter %zu: %.9g by the graph, %.9g numeric", name, order, i,
                     by_graph[i], numeric);
    }
}

/* First and second gradients of one case against differences, at the parameters as they are. */
static inline void probe_check(struct probe *p, const char *name)
{
    size_t first[2] = {OUT_GA, OUT_GB};
    size_t second[2] = {OUT_HA, OUT_HB};

    compare(p, name, "first", first, OUT_F);
    compare(p, name, "second", second, OUT_S);
}

#endif
