/* What a run of the simulator says on stdout.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_SIM_REPORT_H
#define MIEN_TESTS_SIM_REPORT_H

#include "tests/sim/sim.h"

/* A line a round, and one of the whole. */
void sim_report_lines(const struct sim_options *options, const struct sim_result *result);

/* One JSON object (mien-sim(1)).
 *
 *   model   path of the model that was written, "" for none
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status sim_report_json(const struct sim_options *options,
                                            const struct sim_result *result, const char *model);

#endif
