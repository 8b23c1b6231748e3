// SPDX-License-Identifier: Apache-2.0
#include "server/tools/plan_layers.h"

#include <inttypes.h>

#define TEXT_BYTES 48

/* One layer as the table shows it. */
struct row {
    uint32_t number;
    char what[TEXT_BYTES];
    char shape[TEXT_BYTES];
    uint64_t n_parameters;
    uint64_t flops;
};

/* "conv 4 x 4 / 2": kernel and stride where the layer has them. */
static void describe(const struct mien_layer *layer, char out[TEXT_BYTES])
{
    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        (void)snprintf(out, TEXT_BYTES, "dense");
        break;
    case MIEN_LAYER_CONV:
        (void)snprintf(out, TEXT_BYTES, "conv %ux%u / %u", layer->kernel, layer->kernel,
                       layer->stride);
        break;
    case MIEN_LAYER_CONV_TRANSPOSED:
        (void)snprintf(out, TEXT_BYTES, "transposed conv %ux%u / %u", layer->kernel, layer->kernel,
                       layer->stride);
        break;
    case MIEN_LAYER_UPSAMPLE:
        (void)snprintf(out, TEXT_BYTES, "upsample x 2");
        break;
    case MIEN_LAYER_GROUP_NORM:
        (void)snprintf(out, TEXT_BYTES, "norm of %u groups", layer->groups);
        break;
    case MIEN_LAYER_LEAKY_RELU:
        (void)snprintf(out, TEXT_BYTES, layer->slope > 0.0 ? "leaky relu %g" : "relu",
                       layer->slope);
        break;
    case MIEN_LAYER_TANH:
        (void)snprintf(out, TEXT_BYTES, "tanh");
        break;
    case MIEN_LAYER_RESHAPE:
        (void)snprintf(out, TEXT_BYTES, "reshape");
        break;
    case MIEN_LAYER_FLATTEN:
        (void)snprintf(out, TEXT_BYTES, "flatten");
        break;
    case MIEN_LAYER_MAX_POOL:
        (void)snprintf(out, TEXT_BYTES, "max pool %u / %u", layer->kernel, layer->stride);
        break;
    case MIEN_LAYER_AVERAGE_POOL:
        (void)snprintf(out, TEXT_BYTES, "average pool %u", layer->kernel);
        break;
    case MIEN_LAYER_EMBED:
        (void)snprintf(out, TEXT_BYTES, "embedding");
        break;
    case MIEN_LAYER_GRU:
        (void)snprintf(out, TEXT_BYTES, "gru");
        break;
    }
}

static uint64_t places(const struct mien_extent *extent)
{
    return extent->h == 0 ? 1 : (uint64_t)extent->h * extent->w;
}

/* Products count two. An element that is only looked at counts one, one that is moved none. */
static uint64_t flops_of(const struct mien_layer *layer, const struct mien_extent *from,
                         const struct mien_extent *to)
{
    const uint64_t window = (uint64_t)layer->kernel * layer->kernel;

    switch (layer->kind) {
    case MIEN_LAYER_DENSE:
        return 2 * places(to) * from->c * to->c;
    case MIEN_LAYER_CONV:
        return 2 * places(to) * to->c * window * from->c;
    case MIEN_LAYER_CONV_TRANSPOSED:
        return 2 * places(from) * from->c * window * to->c;
    case MIEN_LAYER_GRU: /* three gates of the input and of the state */
        return 6 * places(to) * ((uint64_t)from->c + to->c) * to->c;
    case MIEN_LAYER_MAX_POOL:
    case MIEN_LAYER_AVERAGE_POOL:
        return places(to) * to->c * window;
    case MIEN_LAYER_GROUP_NORM: /* mean, variance, centre, divide, scale, shift */
        return 7 * places(to) * to->c;
    case MIEN_LAYER_LEAKY_RELU:
    case MIEN_LAYER_TANH:
        return places(to) * to->c;
    case MIEN_LAYER_UPSAMPLE:
    case MIEN_LAYER_RESHAPE:
    case MIEN_LAYER_FLATTEN:
    case MIEN_LAYER_EMBED:
        break;
    }
    return 0;
}

/* The rows of a layer list; false at a layer that does not fit, which a valid plan has not. */
static bool next_row(const struct mien_layer *layers, struct mien_extent *at, struct row *row)
{
    const struct mien_layer *layer = &layers[row->number];
    const struct mien_extent from = *at;

    if (mien_layer_extent(layer, &from, at, NULL) != MIEN_OK)
        return false;
    describe(layer, row->what);
    if (at->h == 0)
        (void)snprintf(row->shape, sizeof(row->shape), "%u", at->c);
    else
        (void)snprintf(row->shape, sizeof(row->shape), "%u x %u x %u", at->h, at->w, at->c);
    row->n_parameters = mien_layer_n_parameters(layer, &from);
    row->flops = flops_of(layer, &from, at);
    return true;
}

static void print_network(const char *name, const struct mien_layer *layers, uint32_t n,
                          struct mien_extent at, FILE *to)
{
    (void)fprintf(to, "%s\n  layer                          gives         parameters       MFLOP\n",
                  name);
    for (struct row row = {0}; row.number < n && next_row(layers, &at, &row); row.number++)
        (void)fprintf(to, "  %2u %-24s %14s %14" PRIu64 " %11.3f\n", row.number, row.what,
                      row.shape, row.n_parameters, (double)row.flops / 1e6);
}

void mien_plan_layers_print(const struct mien_plan *plan, FILE *to)
{
    if (plan->n_d_layers > 0)
        print_network("first network", plan->d_layers, plan->n_d_layers,
                      mien_plan_first_input(plan), to);
    print_network("second network", plan->g_layers, plan->n_g_layers, mien_plan_second_input(plan),
                  to);
    if (mien_plan_code_width(plan) > 0)
        (void)fprintf(to, "attributes enter the first network by %u x %u weights more\n",
                      mien_plan_condition_size(plan), mien_plan_code_width(plan));
}

static bool add_row(cJSON *list, const struct row *row)
{
    cJSON *item = cJSON_CreateObject();

    if (item == NULL || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return false;
    }
    return cJSON_AddStringToObject(item, "layer", row->what) != NULL &&
           cJSON_AddStringToObject(item, "shape", row->shape) != NULL &&
           cJSON_AddNumberToObject(item, "parameters", (double)row->n_parameters) != NULL &&
           cJSON_AddNumberToObject(item, "flops", (double)row->flops) != NULL;
}

static bool add_network(cJSON *json, const char *name, const struct mien_layer *layers, uint32_t n,
                        struct mien_extent at)
{
    cJSON *list = cJSON_AddArrayToObject(json, name);

    if (list == NULL)
        return false;
    for (struct row row = {0}; row.number < n && next_row(layers, &at, &row); row.number++) {
        if (!add_row(list, &row))
            return false;
    }
    return true;
}

cJSON *mien_plan_layers_json(const struct mien_plan *plan)
{
    cJSON *json = cJSON_CreateObject();

    if (json != NULL &&
        add_network(json, "first", plan->d_layers, plan->n_d_layers,
                    plan->n_d_layers > 0 ? mien_plan_first_input(plan) : (struct mien_extent){0}) &&
        add_network(json, "second", plan->g_layers, plan->n_g_layers, mien_plan_second_input(plan)))
        return json;
    cJSON_Delete(json);
    return NULL;
}
