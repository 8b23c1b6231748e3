// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "server/tools/model_io.h"
#include "tests/sim/sim.h"

enum mien_status sim_start_values(const struct sim_options *options, float **values,
                                  float **average, struct mien_err *err)
{
    struct mien_tool_model model = {0};
    struct mien_layout layout;
    enum mien_status status = mien_layout_init(&layout, &options->plan, err);

    if (status != MIEN_OK)
        return status;
    if (options->init == NULL)
        status = mien_tool_model_start(&options->plan, options->seed, &model, err);
    else
        status = mien_tool_model_read(options->init, &model, err);
    if (status == MIEN_OK && options->init != NULL && !mien_layout_same(&model.layout, &layout))
        status = mien_err_set(err, MIEN_EINVAL, "%s holds a model of another shape", options->init);
    if (status == MIEN_OK) {
        *values = model.values;
        *average = model.average;
        model.values = NULL;
        model.average = NULL;
    }
    mien_tool_model_fini(&model);
    return status;
}

void sim_result_fini(struct sim_result *result)
{
    mien_free(result->rounds);
    mien_free(result->values);
    mien_free(result->average);
    *result = (struct sim_result){0};
}
