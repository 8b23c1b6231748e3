/* Runs a graph: memory planned once, nothing allocated in a run.
 *
 * A plan keeps only nodes that the outputs need, gives each a place in one arena by its lifetime,
 * and adds the scratch space of the largest convolution.
 *
 * Threads: an exec belongs to one thread at a time; any number may share a graph
 */
#ifndef MIEN_TENSOR_EXEC_H
#define MIEN_TENSOR_EXEC_H

#include "common/base/real.h"
#include "common/tensor/graph.h"

struct mien_exec;

/* Memory that executions use one at a time, as large as the largest needs: the arena and the
 * scratch space of each. Starts as zeros; mien_exec_new_in lets it grow. */
struct mien_workspace {
    mien_real *arena; /* [n_arena] */
    uint64_t n_arena;
    mien_real *scratch; /* [n_scratch] */
    uint64_t n_scratch;
};

void mien_workspace_fini(struct mien_workspace *workspace);

/* Bytes that mien_exec_new would allocate for these outputs.
 *
 *   errors  MIEN_EINVAL  an output is MIEN_NO_REF or the graph has failed
 *           MIEN_ELIMIT  sizes overflow; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_exec_bytes(const struct mien_graph *graph, const mien_ref *outputs,
                                            size_t n_outputs, uint64_t *bytes);

/* Plans and allocates.
 *
 *   graph   lent until mien_exec_free
 *   out     given: end it with mien_exec_free
 *   errors  as above
 */
MIEN_CHECK enum mien_status mien_exec_new(const struct mien_graph *graph, const mien_ref *outputs,
                                          size_t n_outputs, struct mien_exec **out);

/* The same in a workspace: what one execution gives is lost when another one of it runs, or is
 * made.
 *
 *   workspace  lent until mien_exec_free
 */
MIEN_CHECK enum mien_status mien_exec_new_in(const struct mien_graph *graph,
                                             const mien_ref *outputs, size_t n_outputs,
                                             struct mien_workspace *workspace,
                                             struct mien_exec **out);

void mien_exec_free(struct mien_exec *exec);

/* Points input number `index` (in the order of mien_input) at values of its shape.
 *
 *   values  lent until the next bind of this input or mien_exec_free
 *   errors  MIEN_EINVAL  no such input
 */
MIEN_CHECK enum mien_status mien_exec_bind(struct mien_exec *exec, uint32_t index,
                                           const mien_real *values);

/* Computes all outputs; denormal numbers count as zero meanwhile.
 *
 *   params  [at least mien_graph_n_params] borrowed; may be NULL for a graph without parameters
 *   errors  MIEN_ESTATE  an input that is needed was never bound
 */
MIEN_CHECK enum mien_status mien_exec_run(struct mien_exec *exec, const mien_real *params);

/* The values of output number `index`, valid until the next run; NULL where it is not stored, which
 * only a node of mien_graph_late is not. */
const mien_real *mien_exec_output(const struct mien_exec *exec, size_t index);

/* Takes n values of an output, beginning with its element `at`. */
typedef void mien_visitor(void *self, uint64_t at, const mien_real *values, uint64_t n);

/* Shows all values of output number `index`, in order, a part at a time; each part is valid during
 * its call. Values of the last run's operands: a visitor may change parameters, inputs it may not.
 */
void mien_exec_visit(struct mien_exec *exec, size_t index, mien_visitor *visitor, void *self);

#endif
