// SPDX-License-Identifier: Apache-2.0
/* mien export: a model's network in a format that other programs run. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/keys.h"
#include "server/tools/model_io.h"
#include "server/tools/onnx/network.h"
#include "server/tools/release.h"
#include "server/tools/tools.h"

#include <stdio.h>
#include <string.h>

struct export_options {
    const char *from; /* DIR or MODEL */
    const char *onnx;
    bool encoder;
};

/* What stands in column i of the code: "glasses=1", "glasses=unknown"; "age from 0..100 to -1..1",
 * "age is known". One name a column, separated by commas, which no name of the plan has. */
static enum mien_status format_columns(const struct mien_plan *plan, struct mien_buf *out)
{
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < plan->n_attributes && status == MIEN_OK; i++) {
        const struct mien_attribute *attribute = &plan->attributes[i];
        const char *comma = i == 0 ? "" : ",";

        if (attribute->n_values == 0) {
            status =
                mien_buf_printf(out, "%s%s from %g..%g to -1..1,%s is known", comma,
                                attribute->name, attribute->low, attribute->high, attribute->name);
            continue;
        }
        for (uint32_t j = 0; j < attribute->n_values && status == MIEN_OK; j++)
            status = mien_buf_printf(out, "%s%s=%s", j == 0 ? comma : ",", attribute->name,
                                     attribute->value[j]);
        if (status == MIEN_OK)
            status = mien_buf_printf(out, ",%s=unknown", attribute->name);
    }
    return status == MIEN_OK ? mien_buf_append_u8(out, 0) : status;
}

static enum mien_status add_attributes(const struct mien_plan *plan, struct mien_onnx *onnx)
{
    struct mien_buf vocabulary = {0};
    struct mien_buf columns = {0};
    enum mien_status status = mien_plan_format_attributes(plan, &vocabulary);

    if (status == MIEN_OK)
        status = mien_buf_append_u8(&vocabulary, 0);
    if (status == MIEN_OK)
        status = format_columns(plan, &columns);
    if (status == MIEN_OK) {
        mien_onnx_property(onnx, "mien_attributes", (const char *)vocabulary.data);
        mien_onnx_property(onnx, "mien_code_columns", (const char *)columns.data);
    }
    mien_buf_fini(&vocabulary);
    mien_buf_fini(&columns);
    return status;
}

/* What the model file says about itself goes with the model. */
static void add_origin(const struct mien_safetensors *file, const char *network,
                       struct mien_onnx *onnx)
{
    static const char *const keys[] = {MIEN_MODEL_FILE_PLAN, MIEN_MODEL_FILE_ROUND,
                                       MIEN_MODEL_FILE_EPSILON, MIEN_MODEL_FILE_DELTA,
                                       MIEN_MODEL_FILE_TRAINING};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        mien_onnx_property(onnx, keys[i], mien_safetensors_metadata(file, keys[i]));
    mien_onnx_property(onnx, "mien_network", network);
    mien_onnx_property(onnx, "mien_weights",
                       strcmp(network, "encoder") == 0 ? "as trained" : "running average");
}

/* The averaged generator, from its inputs to pictures. */
static enum mien_status add_generator(const struct mien_tool_model *model, struct mien_onnx *onnx)
{
    const struct mien_plan *plan = &model->plan;
    const uint32_t n_code = mien_plan_condition_size(plan);
    const char *const both[2] = {"latent", "code"};
    float *values = NULL;
    enum mien_status status = mien_tool_model_averaged(model, &values);

    if (status != MIEN_OK)
        return status;
    mien_onnx_input(onnx, "latent", mien_shape1(plan->latent),
                    "independent normal numbers of deviation 1");
    if (n_code > 0) {
        mien_onnx_input(onnx, "code", mien_shape1(n_code),
                        "attributes asked for: mien_code_columns says which number means what");
        mien_onnx_node(onnx, "Concat", both, 2, "input");
        mien_onnx_attr_int(onnx, "axis", 1);
    }
    mien_onnx_output(onnx, "pictures",
                     (struct mien_shape){3, {plan->channels, plan->size, plan->size}},
                     "from -1 (black) to 1, channels before rows");
    const struct mien_onnx_network network = {
        .prefix = "g",
        .layers = plan->g_layers,
        .n_layers = plan->n_g_layers,
        .from = {0, 0, plan->latent + n_code},
        .tensor = &model->layout.tensor[model->layout.n_d_tensors],
        .values = values,
        .input = n_code > 0 ? "input" : "latent",
        .output = "pictures",
    };
    status = mien_onnx_network(onnx, &network);
    mien_free(values);
    return status;
}

static void add_pictures_input(const struct mien_plan *plan, struct mien_onnx *onnx)
{
    mien_onnx_input(onnx, "pictures",
                    (struct mien_shape){3, {plan->channels, plan->size, plan->size}},
                    "from -1 (black) to 1, channels before rows");
}

/* The averaged classifier, from pictures to a score per value of its label. */
static enum mien_status add_classifier(const struct mien_tool_model *model, struct mien_onnx *onnx)
{
    const struct mien_plan *plan = &model->plan;
    float *values = NULL;
    enum mien_status status = mien_tool_model_averaged(model, &values);

    if (status != MIEN_OK)
        return status;
    add_pictures_input(plan, onnx);
    mien_onnx_output(onnx, "scores", mien_shape1(plan->attributes[0].n_values),
                     "one for each value of the label, the largest the likeliest");
    const struct mien_onnx_network network = {
        .prefix = "c",
        .layers = plan->g_layers,
        .n_layers = plan->n_g_layers,
        .from = mien_plan_second_input(plan),
        .tensor = &model->layout.tensor[model->layout.n_d_tensors],
        .values = values,
        .input = "pictures",
        .output = "scores",
    };
    status = mien_onnx_network(onnx, &network);
    mien_free(values);
    return status;
}

/* The code's numbers times a weight each, added to every pixel of the first layer's maps. */
static void add_code_planes(const struct mien_tool_model *model, struct mien_onnx *onnx)
{
    const struct mien_tensor *weight = &model->layout.tensor[model->layout.n_d_tensors - 1];
    const int64_t planes[4] = {0, weight->shape.dim[1], 1, 1};

    mien_onnx_input(onnx, "code", mien_shape1(weight->shape.dim[0]),
                    "attributes of the pictures: mien_code_columns says which number means what");
    mien_onnx_floats(onnx, weight->name, weight->shape, model->values + weight->offset);
    mien_onnx_ints(onnx, "planes_shape", planes, 4);
    mien_onnx_node(onnx, "MatMul", (const char *const[2]){"code", weight->name}, 2, "sums");
    mien_onnx_node(onnx, "Reshape", (const char *const[2]){"sums", "planes_shape"}, 2, "planes");
    mien_onnx_node(onnx, "Add", (const char *const[2]){"first", "planes"}, 2, "coded");
}

/* The encoder as trained: it has no average. The code enters behind its first layer. */
static enum mien_status add_encoder(const struct mien_tool_model *model, struct mien_onnx *onnx)
{
    const struct mien_plan *plan = &model->plan;
    const bool coded = mien_plan_condition_size(plan) > 0;
    struct mien_onnx_network network = {
        .prefix = "e",
        .layers = plan->d_layers,
        .n_layers = coded ? 1 : plan->n_d_layers,
        .from = mien_plan_first_input(plan),
        .tensor = &model->layout.tensor[0],
        .values = model->values,
        .input = "pictures",
        .output = coded ? "first" : "features",
    };

    add_pictures_input(plan, onnx);
    mien_onnx_output(onnx, "features", mien_shape1(mien_plan_n_features(plan)),
                     plan->family == MIEN_FAMILY_VAE
                         ? "the mean of each latent number, then the logarithm of each variance"
                         : "what the pictures are to the second network");
    enum mien_status status = mien_onnx_network(onnx, &network);
    if (status != MIEN_OK || !coded)
        return status;
    add_code_planes(model, onnx);
    const struct mien_extent before = network.from;
    status = mien_layer_extent(&plan->d_layers[0], &before, &network.from, NULL);
    if (status != MIEN_OK)
        return status;
    network.layers = plan->d_layers + 1;
    network.n_layers = plan->n_d_layers - 1;
    network.first_layer = 1;
    network.tensor += plan->d_layers[0].no_bias ? 1 : 2; /* it is a convolution */
    network.input = "coded";
    network.output = "features";
    return mien_onnx_network(onnx, &network);
}

/* Whether there is such a network, whose results do not depend on each other. */
static enum mien_status check_plan(const struct mien_plan *plan, bool encoder, struct mien_err *err)
{
    const bool encodes = plan->family == MIEN_FAMILY_VAE ||
                         plan->family == MIEN_FAMILY_AUTOENCODER ||
                         plan->family == MIEN_FAMILY_MOMENTS;

    if (plan->family == MIEN_FAMILY_CHARLM)
        return mien_err_set(err, MIEN_EINVAL, "a charlm has no network of pictures to export");
    if (encoder && !encodes)
        return mien_err_set(err, MIEN_EINVAL, "a %s has no encoder to export",
                            mien_family_name(plan->family));
    if (encoder && plan->family == MIEN_FAMILY_VAE && plan->share == MIEN_PLAN_SHARE_DECODER)
        return mien_err_set(err, MIEN_EINVAL,
                            "under plan.share = decoder trained encoders stay on their devices");
    if (plan->norm == MIEN_NORM_BATCH)
        return mien_err_set(err, MIEN_EINVAL,
                            "plan.norm = batch takes statistics of the batch that is drawn, which "
                            "ONNX cannot say");
    return MIEN_OK;
}

static enum mien_status add_network(const struct mien_tool_model *model,
                                    const struct mien_safetensors *file, bool encoder,
                                    struct mien_onnx *onnx)
{
    const bool classifier = model->plan.family == MIEN_FAMILY_CLASSIFIER;
    enum mien_status status;

    if (classifier)
        status = add_classifier(model, onnx);
    else
        status = encoder ? add_encoder(model, onnx) : add_generator(model, onnx);
    if (status == MIEN_OK)
        status = add_attributes(&model->plan, onnx);
    if (status == MIEN_OK)
        add_origin(file, classifier ? "classifier" : encoder ? "encoder" : "generator", onnx);
    return status;
}

static enum mien_status make_onnx(struct mien_span bytes, bool encoder, struct mien_buf *out,
                                  struct mien_err *err)
{
    struct mien_safetensors *file = NULL;
    struct mien_onnx *onnx = NULL;
    struct mien_tool_model model = {0};
    enum mien_status status = mien_tool_model_decode(bytes, &model, err);

    if (status == MIEN_OK)
        status = check_plan(&model.plan, encoder, err);
    if (status == MIEN_OK)
        status = mien_safetensors_open(bytes, &file, err);
    if (status == MIEN_OK)
        status = mien_onnx_new("network", &onnx);
    if (status == MIEN_OK)
        status = add_network(&model, file, encoder, onnx);
    if (status == MIEN_OK)
        status = mien_onnx_encode(onnx, out);
    mien_onnx_free(onnx);
    mien_safetensors_free(file);
    mien_tool_model_fini(&model);
    return status;
}

static enum mien_status run(const struct export_options *o, struct mien_err *err)
{
    struct mien_release_origin origin = {0};
    struct mien_buf onnx = {0};
    enum mien_status status;

    if (o->onnx == NULL)
        return mien_err_set(err, MIEN_EINVAL, "--onnx is missing");
    status = mien_release_origin_open(o->from, &origin, err);
    if (status == MIEN_OK) {
        status = make_onnx(mien_buf_span(&origin.file), o->encoder, &onnx, err);
        if (status != MIEN_OK)
            status = mien_err_prefix(err, status, "%s", origin.path);
    }
    if (status == MIEN_OK)
        status = mien_file_replace(o->onnx, mien_buf_span(&onnx), 0644, err);
    mien_release_origin_fini(&origin);
    mien_buf_fini(&onnx);
    return status;
}

int mien_tool_export(int argc, char **argv)
{
    struct export_options o = {0};
    const struct mien_option options[] = {
        {"--onnx", MIEN_OPTION_TEXT, &o.onnx, "FILE", "the ONNX file to write"},
        {"--encoder", MIEN_OPTION_FLAG, &o.encoder, NULL,
         "the encoder of a vae, an autoencoder or of moments, not the generator"},
    };
    const struct mien_command command = {
        .name = "mien export",
        .synopsis = "DIR|MODEL --onnx FILE [--encoder]",
        .about = "Writes the averaged generator or classifier of the latest model of a state "
                 "directory, or of a model file, as ONNX, for any number of pictures at once.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1] = {NULL};
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done) {
        o.from = operands[0];
        status = run(&o, &err);
    }
    return mien_command_end(&command, status, &err);
}
