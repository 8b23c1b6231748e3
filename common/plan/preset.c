// SPDX-License-Identifier: Apache-2.0
#include "common/plan/preset.h"

#include "common/base/text.h"

#include <string.h>

/* Lists of layers grow at their end; the presets below stay under the limit. */
struct layers {
    struct mien_layer *at;
    uint32_t *n;
};

static void push(struct layers *to, struct mien_layer layer)
{
    to->at[(*to->n)++] = layer;
}

static void conv(struct layers *to, uint32_t channels, uint32_t kernel, uint32_t stride)
{
    push(to,
         (struct mien_layer){
             .kind = MIEN_LAYER_CONV, .channels = channels, .kernel = kernel, .stride = stride});
}

static void conv_up(struct layers *to, uint32_t channels)
{
    push(to,
         (struct mien_layer){
             .kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = channels, .kernel = 4, .stride = 2});
}

static void dense(struct layers *to, uint32_t units)
{
    push(to, (struct mien_layer){.kind = MIEN_LAYER_DENSE, .channels = units});
}

static void leaky(struct layers *to, double slope)
{
    push(to, (struct mien_layer){.kind = MIEN_LAYER_LEAKY_RELU, .slope = slope});
}

static void simple(struct layers *to, enum mien_layer_kind kind)
{
    push(to, (struct mien_layer){.kind = kind});
}

static void norm(struct layers *to, uint32_t channels)
{
    uint32_t groups = channels / 4 < 8 ? channels / 4 : 8;

    push(to, (struct mien_layer){.kind = MIEN_LAYER_GROUP_NORM, .groups = groups});
}

static void reshape(struct layers *to, uint32_t side, uint32_t channels)
{
    push(to, (struct mien_layer){
                 .kind = MIEN_LAYER_RESHAPE, .height = side, .width = side, .channels = channels});
}

/* Halving 4 x 4 convolutions of width, 2 width, ... down to 4 x 4, no norm; flat. */
static void halving(struct layers *to, uint32_t side, uint32_t width)
{
    for (uint32_t channels = width; side > 4; side /= 2, channels *= 2) {
        conv(to, channels, 4, 2);
        leaky(to, 0.2);
    }
    simple(to, MIEN_LAYER_FLATTEN);
}

/* The same with a dense layer behind, the first network of a plan. */
static void small_first(struct mien_plan *plan, uint32_t width, uint32_t n_out)
{
    struct layers d = {plan->d_layers, &plan->n_d_layers};

    halving(&d, plan->size, width);
    dense(&d, n_out);
}

/* Dense to 4 x 4, then upsample + 3 x 3 convolution with group norm and relu up to the size; the
 * width halves on the way but never below `width`. */
static void upsampling_generator(struct mien_plan *plan, uint32_t width)
{
    struct layers g = {plan->g_layers, &plan->n_g_layers};
    uint32_t channels = width * plan->size / 8;

    dense(&g, 16 * channels);
    reshape(&g, 4, channels);
    norm(&g, channels);
    leaky(&g, 0.0);
    for (uint32_t side = 4; side < plan->size; side *= 2) {
        channels = channels / 2 > width ? channels / 2 : width;
        simple(&g, MIEN_LAYER_UPSAMPLE);
        conv(&g, channels, 3, 1);
        norm(&g, channels);
        leaky(&g, 0.0);
    }
    conv(&g, plan->channels, 3, 1);
    simple(&g, MIEN_LAYER_TANH);
}

/* DCGAN at width 64: three transposed convolutions, no norm. */
static void large_generator(struct mien_plan *plan)
{
    struct layers g = {plan->g_layers, &plan->n_g_layers};

    dense(&g, 4096);
    reshape(&g, 4, 256);
    leaky(&g, 0.0);
    conv_up(&g, 128);
    leaky(&g, 0.0);
    conv_up(&g, 64);
    leaky(&g, 0.0);
    conv_up(&g, plan->channels);
    simple(&g, MIEN_LAYER_TANH);
}

/* A layer without bias, and the norm that only shifts behind it: the paper's way. */
static void plain(struct layers *to, struct mien_layer layer, uint32_t channels)
{
    layer.no_bias = true;
    push(to, layer);
    norm(to, channels);
    to->at[*to->n - 1].no_scale = true;
}

static void plain_dense(struct layers *to, uint32_t units)
{
    plain(to, (struct mien_layer){.kind = MIEN_LAYER_DENSE, .channels = units}, units);
}

static void plain_conv_up(struct layers *to, uint32_t channels)
{
    plain(to,
          (struct mien_layer){
              .kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = channels, .kernel = 4, .stride = 2},
          channels);
}

/* Augenstein et al. 2020 (their EMNIST networks), group norm where they have batch norm unless
 * plan.norm says batch. */
static void digits_networks(struct mien_plan *plan)
{
    struct layers d = {plan->d_layers, &plan->n_d_layers};
    struct layers g = {plan->g_layers, &plan->n_g_layers};

    conv(&d, 64, 4, 2);
    leaky(&d, 0.01);
    conv(&d, 128, 4, 2);
    leaky(&d, 0.01);
    simple(&d, MIEN_LAYER_FLATTEN);
    plain_dense(&d, 1024);
    leaky(&d, 0.01);
    dense(&d, 1);
    plain_dense(&g, 1024);
    leaky(&g, 0.0);
    plain_dense(&g, 12544);
    leaky(&g, 0.0);
    reshape(&g, 7, 256);
    plain_conv_up(&g, 64);
    leaky(&g, 0.0);
    plain_conv_up(&g, 32);
    leaky(&g, 0.0);
    conv(&g, 1, 4, 1);
    simple(&g, MIEN_LAYER_TANH);
}

/* What all presets share: the recipe of docs/experiments, a person as the unit. */
static struct mien_plan common_plan(uint32_t size, uint32_t channels, uint32_t latent)
{
    return (struct mien_plan){
        .family = MIEN_FAMILY_GAN,
        .train_on_device = MIEN_TRAIN_GENERATOR,
        .loss = MIEN_LOSS_NON_SATURATING,
        .size = size,
        .channels = channels,
        .latent = latent,
        .share = MIEN_PLAN_SHARE_ALL,
        .conditioning = MIEN_CONDITIONING_CONCATENATION,
        .norm = MIEN_NORM_GROUP,
        .optimiser = MIEN_OPTIMISER_SGD,
        .local_steps = 3,
        .batch = 5,
        .min_examples = 1,
        .flip = true,
        .d_rate = 0.02,
        .g_rate = 0.02,
        .gp_lambda = 10.0,
        .kl_weight = 0.1,
        .server_rate = 1.0,
        .server_optimiser = MIEN_SERVER_AVERAGE,
        .server_momentum = 0.9,
        .server_second = 0.99,
        .server_tau = 1e-3,
        .g_steps = 1,
        .g_batch = 64,
        .g_server_rate = 1e-4,
        .ema = 0.9,
        .rate = 0.02,
        .cohort = 150,
        .min_reports = 60,
        .deadline_s = 120,
        .rounds = 250,
        .group_min = 10,
        .group_max = 200,
        .drop_out = 0.1,
        .corrupt = 0.05,
        .sum_class = MIEN_PLAN_SEMI_MALICIOUS,
        .rotate = MIEN_PLAN_UNROTATED,
        .clip = 0.1,
        .clip_by = MIEN_CLIP_BY_UPDATE,
        .mechanism = MIEN_PLAN_ROUNDED_GAUSSIAN,
        .noise_by = MIEN_PLAN_NOISE_BY_COORDINATOR,
        .strategy = MIEN_PLAN_INDEPENDENT,
        .clip_rate = 0.2,
        .noise_multiplier = 1.0,
        .delta = 1e-6,
        .epsilon_cap = 3.0,
        .sampling = MIEN_PLAN_POISSON,
    };
}

static void make_faces(struct mien_plan *plan, uint32_t size)
{
    *plan = common_plan(size, 3, 64);
    small_first(plan, size == 16 ? 32 : 16, 1);
    upsampling_generator(plan, 32);
}

static void make_faces16(struct mien_plan *plan)
{
    make_faces(plan, 16);
}

static void make_faces32(struct mien_plan *plan)
{
    make_faces(plan, 32);
}

static void make_faces64(struct mien_plan *plan)
{
    make_faces(plan, 64);
}

static void make_faces32_large(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 128);
    plan->batch = 16;
    plan->d_rate = 0.005;
    plan->g_rate = 0.005;
    small_first(plan, 64, 1);
    large_generator(plan);
}

static void make_digits28(struct mien_plan *plan)
{
    *plan = common_plan(28, 1, 128);
    plan->train_on_device = MIEN_TRAIN_DISCRIMINATOR;
    plan->loss = MIEN_LOSS_WASSERSTEIN;
    plan->local_steps = 6;
    plan->batch = 32;
    plan->min_examples = 5;
    plan->flip = false;
    plan->d_rate = 5e-4;
    plan->g_steps = 6;
    plan->g_batch = 32;
    plan->rate = 0.2;
    plan->cohort = 100;
    plan->min_reports = 30;
    plan->rounds = 1000;
    digits_networks(plan);
}

/* An encoder of half the halvings' width beside faces32's generator as its decoder. */
static void make_vae32(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 64);
    plan->family = MIEN_FAMILY_VAE;
    plan->local_steps = 8;
    plan->d_rate = 0.1;
    small_first(plan, 16, 2 * plan->latent);
    upsampling_generator(plan, 32);
}

/* faces32-large's networks with 2 x 128 numbers in the middle: what the benchmarks measure. */
static void make_vae32_large(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 128);
    plan->family = MIEN_FAMILY_VAE;
    plan->batch = 16;
    plan->d_rate = 0.02;
    small_first(plan, 64, 2 * plan->latent);
    large_generator(plan);
}

static void make_autoencoder32(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 64);
    plan->family = MIEN_FAMILY_AUTOENCODER;
    plan->local_steps = 8;
    plan->d_rate = 0.1;
    small_first(plan, 16, plan->latent);
    upsampling_generator(plan, 32);
}

/* Whether a face wears glasses, unless plan.attributes asks for something else. */
static void make_classifier32(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 64);
    plan->family = MIEN_FAMILY_CLASSIFIER;
    plan->local_steps = 8;
    plan->d_rate = 0.05;
    plan->n_attributes = 1;
    plan->attributes[0] =
        (struct mien_attribute){.name = "glasses", .n_values = 2, .value = {"0", "1"}};

    struct layers c = {plan->g_layers, &plan->n_g_layers};
    halving(&c, plan->size, 16);
    dense(&c, 2);
}

/* One recurrent layer over texts of up to 48 characters. */
static void make_charlm(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 1);
    plan->family = MIEN_FAMILY_CHARLM;
    plan->text_length = 48;
    plan->flip = false;
    plan->local_steps = 8;
    plan->d_rate = 0.5;
    plan->clip = 0.5;

    struct layers l = {plan->g_layers, &plan->n_g_layers};
    push(&l, (struct mien_layer){.kind = MIEN_LAYER_EMBED, .channels = 32});
    push(&l, (struct mien_layer){.kind = MIEN_LAYER_GRU, .channels = 128});
    conv(&l, MIEN_PLAN_N_SYMBOLS, 1, 1);
}

/* One round of everybody: features of fixed convolutions, to which faces32's generator is fitted.
 */
static void make_moments32(struct mien_plan *plan)
{
    *plan = common_plan(32, 3, 64);
    plan->family = MIEN_FAMILY_MOMENTS;
    plan->local_steps = 4;
    plan->rate = 1.0;
    plan->sampling = MIEN_PLAN_UNSAMPLED;
    plan->rounds = 1;
    plan->clip = 1.0;
    plan->noise_multiplier = 4.2;
    plan->g_steps = 600;
    plan->ema = 0.0;

    struct layers d = {plan->d_layers, &plan->n_d_layers};
    halving(&d, plan->size, 32);
    upsampling_generator(plan, 32);
}

/* Forty devices, all of which take part: charged as unsampled, honest and large. The settings are
 * those with which new traits arrive within 14 rounds (docs/experiments). */
static void make_demo(struct mien_plan *plan)
{
    make_faces(plan, 32);
    plan->train_on_device = MIEN_TRAIN_DISCRIMINATOR;
    plan->loss = MIEN_LOSS_WASSERSTEIN;
    plan->optimiser = MIEN_OPTIMISER_ADAM;
    plan->local_steps = 4;
    plan->batch = 16;
    plan->min_examples = 4;
    plan->d_rate = 0.001;
    plan->g_steps = 40;
    plan->g_batch = 16;
    plan->g_server_rate = 0.0001;
    plan->ema = 0.6;
    plan->rate = 1.0;
    plan->sampling = MIEN_PLAN_UNSAMPLED;
    plan->cohort = 40;
    plan->min_reports = 25;
    plan->deadline_s = 30;
    plan->rounds = 20;
    plan->group_max = 64;
    plan->clip = 0.5;
    plan->noise_multiplier = 0.05;
    plan->delta = 1e-5;
    plan->epsilon_cap = 0.0;
}

static const struct {
    const char *name;
    void (*make)(struct mien_plan *plan);
} presets[] = {
    {"demo", make_demo},
    {"faces16", make_faces16},
    {"faces32", make_faces32},
    {"faces32-large", make_faces32_large},
    {"faces64", make_faces64},
    {"digits28", make_digits28},
    {"vae32", make_vae32},
    {"vae32-large", make_vae32_large},
    {"autoencoder32", make_autoencoder32},
    {"classifier32", make_classifier32},
    {"charlm", make_charlm},
    {"moments32", make_moments32},
};

#define N_PRESETS (sizeof(presets) / sizeof(presets[0]))

static const char *const preset_names[N_PRESETS + 1] = {
    "demo",     "faces16",   "faces32",     "faces32-large", "faces64",
    "digits28", "vae32",     "vae32-large", "autoencoder32", "classifier32",
    "charlm",   "moments32", NULL};

const char *const *mien_preset_names(void)
{
    return preset_names;
}

enum mien_status mien_plan_preset(const char *name, struct mien_plan *out, struct mien_err *err)
{
    for (size_t i = 0; i < N_PRESETS; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            presets[i].make(out);
            return MIEN_OK;
        }
    }
    const char *nearest = mien_nearest_name(name, preset_names, N_PRESETS);
    return mien_err_set(err, MIEN_ENOTFOUND, "no preset \"%s\"%s%s%s", name,
                        nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
                        nearest == NULL ? "" : "\"?");
}
