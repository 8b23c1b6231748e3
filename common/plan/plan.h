/* The plan: what to train and how, as data.
 *
 * The coordinator signs a plan, a device judges it with its own guard before it computes anything.
 * Networks are layer lists, so a new architecture needs no new device software. A plan is one
 * value without pointers: copy it by assignment. Its bytes and fingerprint are the wire's business
 * (common/wire/plan_codec.h).
 *
 * Source:  design; Augenstein et al. 2020 (train_on_device = discriminator, server G steps)
 * Threads: any; a plan is a value
 */
#ifndef MIEN_PLAN_PLAN_H
#define MIEN_PLAN_PLAN_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits: what a device is ever asked to hold. */
#define MIEN_PLAN_MAX_LAYERS 32     /* of one network */
#define MIEN_PLAN_MAX_ATTRIBUTES 16 /* pictures are described by a handful */
#define MIEN_PLAN_MAX_VALUES 16     /* of one attribute */
#define MIEN_PLAN_NAME_BYTES 32     /* of an attribute or value, with the NUL */
#define MIEN_PLAN_MAX_SIZE 128      /* pixels a side */
#define MIEN_PLAN_MAX_TEXT 128      /* symbols of an example */
#define MIEN_PLAN_N_SYMBOLS 97      /* of a text: see symbols.h */
#define MIEN_PLAN_MAX_GROUP 16384   /* devices of one session of the secure sum */
#define MIEN_PLAN_MAX_LOCAL_STEPS 1024
#define MIEN_PLAN_MAX_PARAMETERS (UINT64_C(1) << 25) /* of all networks together */

/* What is trained, as one or two networks. The second is the one that models are released for: its
 * running average goes into the model file.
 *
 *   family       first, d_layers                        second, g_layers
 *   gan          discriminator: picture to 1 number     generator: latent, code to picture
 *   vae          encoder: picture to 2 latent numbers   decoder: latent, code to picture
 *   autoencoder  encoder: picture to latent numbers     decoder: latent, code to picture
 *   classifier   none                                   picture to a score per value of the label
 *   charlm       none                                   text_length symbols to scores of the next
 *   moments      encoder: picture to features           generator: latent to picture
 */
enum mien_family {
    MIEN_FAMILY_GAN = 1,
    MIEN_FAMILY_VAE = 2,
    MIEN_FAMILY_AUTOENCODER = 3,
    MIEN_FAMILY_CLASSIFIER = 4,
    MIEN_FAMILY_CHARLM = 5,
    MIEN_FAMILY_MOMENTS = 6,
};

/* Which networks a device trains: both, one clipped update over both; or the discriminator only,
 * the generator being trained by the coordinator against each noised discriminator (ICLR 2020). */
enum mien_train_on_device { MIEN_TRAIN_GENERATOR = 1, MIEN_TRAIN_DISCRIMINATOR = 2 };

enum mien_loss {
    MIEN_LOSS_NON_SATURATING = 1, /* with R1 where r1_gamma > 0 */
    MIEN_LOSS_HINGE = 2,
    MIEN_LOSS_WASSERSTEIN = 3, /* with gradient penalty gp_lambda */
};

/* What of a vae leaves the device: all, or the decoder, the encoder staying on the device. */
enum mien_plan_share { MIEN_PLAN_SHARE_ALL = 1, MIEN_PLAN_SHARE_DECODER = 2 };

/* How a discriminator learns of attributes: as planes beside the picture, or by a product of its
 * last features with an embedding of the code (Miyato, Koyama 2018). */
enum mien_conditioning { MIEN_CONDITIONING_CONCATENATION = 1, MIEN_CONDITIONING_PROJECTION = 2 };

/* What a norm layer takes its statistics over: an example's groups of channels, or the batch. */
enum mien_norm { MIEN_NORM_GROUP = 1, MIEN_NORM_BATCH = 2 };

enum mien_optimiser { MIEN_OPTIMISER_SGD = 1, MIEN_OPTIMISER_ADAM = 2 };

/* What the secure sum holds the coordinator to be; the numbers are those of enum mien_design_class
 * in common/secagg. */
enum mien_plan_class { MIEN_PLAN_SEMI_MALICIOUS = 1, MIEN_PLAN_CURIOUS = 2 };

/* Whether the vector is rotated before it is rounded, for fewer bits a coordinate: not; filled to a
 * power of two of coordinates first, as plans meant that were made before the last was known; or as
 * the smaller upload asks for (common/secagg/rotate.h). */
enum mien_plan_rotate {
    MIEN_PLAN_UNROTATED = 1,
    MIEN_PLAN_ROTATED_FILLED = 2,
    MIEN_PLAN_ROTATED = 3
};

/* How units are drawn; the numbers are those of enum mien_sampling in common/dp. */
enum mien_plan_sampling {
    MIEN_PLAN_UNSAMPLED = 1,
    MIEN_PLAN_POISSON = 2,
    MIEN_PLAN_FIXED = 3,
    MIEN_PLAN_POISSON_CAPPED = 4,
};

/* Whose noise is drawn: the rounded Gaussian, for which every Gaussian accountant is a proof, or
 * the discrete one; the numbers are those of enum mien_mechanism_kind in server/store. */
enum mien_plan_mechanism { MIEN_PLAN_ROUNDED_GAUSSIAN = 1, MIEN_PLAN_DISCRETE_GAUSSIAN = 2 };

/* Who adds the noise: the coordinator, to the sum; or every device, to its own vector, so that the
 * coordinator sees no sum without; the numbers are those of enum mien_noise_by in server/store. */
enum mien_plan_noise_by { MIEN_PLAN_NOISE_BY_COORDINATOR = 1, MIEN_PLAN_NOISE_BY_DEVICES = 2 };

/* How the noise of a run's rounds hangs together; the numbers are those of enum mien_strategy_kind
 * in common/dp. */
enum mien_plan_strategy {
    MIEN_PLAN_INDEPENDENT = 1,
    MIEN_PLAN_TREE = 2,
    MIEN_PLAN_BANDED = 3,
    MIEN_PLAN_BLT = 4,
};

/* Rounds of a run with noise of a table at most: a step costs as much time as there were steps. */
#define MIEN_PLAN_MAX_TABLE_ROUNDS 2048

/* What the clip bounds: the update as a whole, or each of its k tensors at S / sqrt(k), which adds
 * up to S as well. */
enum mien_clip_by { MIEN_CLIP_BY_UPDATE = 1, MIEN_CLIP_BY_TENSOR = 2 };

/* What the coordinator does with the averaged update. */
enum mien_server_optimiser {
    MIEN_SERVER_AVERAGE = 1,
    MIEN_SERVER_MOMENTUM = 2,
    MIEN_SERVER_ADAM = 3,
};

enum mien_layer_kind {
    MIEN_LAYER_DENSE = 1, /* channels = units out; bias unless no_bias */
    MIEN_LAYER_CONV = 2,  /* channels, kernel, stride; padding "same"; bias likewise */
    MIEN_LAYER_CONV_TRANSPOSED =
        3,                     /* channels, kernel, stride: h, w grow by stride; bias likewise */
    MIEN_LAYER_UPSAMPLE = 4,   /* nearest neighbour by 2 */
    MIEN_LAYER_GROUP_NORM = 5, /* groups; shift and, unless no_scale, scale per channel; over the
                                * batch when the plan's norm says so */
    MIEN_LAYER_LEAKY_RELU = 6, /* slope; 0 is relu */
    MIEN_LAYER_TANH = 7,
    MIEN_LAYER_RESHAPE = 8, /* flat to [height, width, channels] */
    MIEN_LAYER_FLATTEN = 9,
    MIEN_LAYER_MAX_POOL = 10,     /* kernel, stride; no padding */
    MIEN_LAYER_AVERAGE_POOL = 11, /* kernel, which divides h and w and is the stride */
    MIEN_LAYER_EMBED = 12,        /* symbols to channels numbers each */
    MIEN_LAYER_GRU = 13,          /* channels = units; over the symbols in order */
};

/* One layer; fields that its kind does not use are 0. */
struct mien_layer {
    enum mien_layer_kind kind;
    uint32_t channels;
    uint32_t kernel;
    uint32_t stride;
    uint32_t groups;
    uint32_t height;
    uint32_t width;
    double slope;
    bool no_bias;
    bool no_scale;
};

/* One attribute of pictures. An enumerated one has n_values names and takes n_values + 1 numbers of
 * the code (one-hot, the last for unknown); a scalar one (n_values 0) takes 2: its value scaled
 * from [low, high] to [-1, 1], and whether it is known. */
struct mien_attribute {
    char name[MIEN_PLAN_NAME_BYTES];
    uint32_t n_values;
    char value[MIEN_PLAN_MAX_VALUES][MIEN_PLAN_NAME_BYTES];
    double low;
    double high;
};

struct mien_plan {
    /* What: networks and their inputs. */
    enum mien_family family;
    enum mien_train_on_device train_on_device;
    enum mien_loss loss;
    uint32_t size;     /* pixels a side */
    uint32_t channels; /* 1 grey, 3 RGB */
    uint32_t latent;   /* numbers of noise into the generator */
    uint32_t n_d_layers;
    struct mien_layer d_layers[MIEN_PLAN_MAX_LAYERS];
    uint32_t n_g_layers;
    struct mien_layer g_layers[MIEN_PLAN_MAX_LAYERS];
    enum mien_plan_share share;
    enum mien_conditioning conditioning;
    enum mien_norm norm;
    uint32_t text_length; /* symbols of an example (charlm) */
    uint32_t n_attributes;
    struct mien_attribute attributes[MIEN_PLAN_MAX_ATTRIBUTES];

    /* Local training. */
    enum mien_optimiser optimiser;
    uint32_t local_steps;  /* steps of the discriminator; each is followed by one of the generator
                            * when that is trained on the device */
    uint32_t batch;        /* pictures of a step */
    uint32_t min_examples; /* fewer on a device: it sends zeros */
    bool flip;             /* mirror pictures at random */
    double d_rate;         /* of whatever is trained on the device, the generator apart */
    double g_rate;         /* of the generator on the device */
    double r1_gamma;
    double gp_lambda;
    double kl_weight; /* of the divergence in a vae's loss */

    /* At the coordinator: post-processing, free of privacy cost. */
    double server_rate; /* the averaged update is applied times this */
    enum mien_server_optimiser server_optimiser;
    double server_momentum; /* of momentum and Adam: share of the first moment that is kept */
    double server_second;   /* of Adam: share of the second moment that is kept */
    double server_tau;      /* of Adam: added to its root */
    uint32_t g_steps;       /* of the generator per round (train_on_device = discriminator) */
    uint32_t g_batch;
    double g_server_rate; /* Adam's */
    double ema;           /* share of the old average kept per round */

    /* Rounds and secure sum. */
    double rate;          /* q: probability that a unit is drawn; 1 draws everybody */
    uint32_t population;  /* units that a round draws from: at least, for fixed samples; at most,
                           * for capped ones (more are left out before any coin); else 0 or a note */
    uint32_t cohort;      /* planned units of a round: the fixed denominator */
    uint32_t cap;         /* units of a round at most (poisson-capped), else 0 */
    uint32_t min_reports; /* fewer survivors: the round is abandoned */
    uint32_t deadline_s;  /* for training, from the assignment */
    uint32_t rounds;      /* planned releases of the run */
    uint32_t group_min;
    uint32_t group_max;
    double drop_out;                /* planned share of devices that leave */
    double corrupt;                 /* assumed share of devices that collude with the coordinator */
    enum mien_plan_class sum_class; /* what else the coordinator may do */
    uint32_t bits; /* of a coordinate of the secure sum, 12 to 32; 0: as many as needed */
    enum mien_plan_rotate rotate;

    /* Privacy. */
    double clip; /* S: L2 bound of the update */
    enum mien_clip_by clip_by;
    double clip_quantile;    /* above 0: the clip, which starts at S, follows this quantile */
    double clip_rate;        /* eta of its steps */
    double clip_noise;       /* on the count of norms within, in units; 0: cohort / 20 */
    double noise_multiplier; /* z; 0 trains without privacy, which every program says */
    double delta;
    double epsilon_cap; /* of the reader; 0 for none */
    enum mien_plan_sampling sampling;
    enum mien_plan_mechanism mechanism;
    enum mien_plan_noise_by noise_by;
    enum mien_plan_strategy strategy; /* other than independent: with MIEN_PLAN_UNSAMPLED only */
    uint32_t min_separation; /* rounds from one part of a unit to the next; 0 or 1: none between */
    uint32_t max_participations; /* vectors a unit gives, ever; 0: as many as fit */
};

/* A plan that mien_plan_set can start from: the preset of that name (preset.h lists them).
 *
 *   errors  MIEN_ENOTFOUND  no such preset (err says the nearest)
 */
MIEN_CHECK enum mien_status mien_plan_preset(const char *name, struct mien_plan *out,
                                             struct mien_err *err);

/* Whether a plan holds together: every field in range, layers that fit each other (the networks'
 * shapes are walked and must end at what the family needs), a cohort that can make groups.
 *
 *   errors  MIEN_EINVAL, MIEN_ELIMIT  (the sentence names the key and what was expected)
 */
MIEN_CHECK enum mien_status mien_plan_validate(const struct mien_plan *plan, struct mien_err *err);

/* What a valid plan does that whoever runs it should know, as a sentence; NULL for nothing. Static
 * storage. */
const char *mien_plan_warning(const struct mien_plan *plan);

/* "gan", "vae", ...; "?" for no family. Static storage. */
const char *mien_family_name(enum mien_family family);

/* Numbers that describe one picture's attributes: 0 without attributes. */
uint32_t mien_plan_code_size(const struct mien_plan *plan);

/* Those of them that networks are conditioned on: all of them in a gan, vae or autoencoder; none
 * in a classifier, whose attribute is what it tells. */
uint32_t mien_plan_condition_size(const struct mien_plan *plan);

/* Writes the code of one picture.
 *
 *   value  gives the text of an attribute by name, or NULL for unknown; text that is not in the
 *          vocabulary counts as unknown
 *   code   [mien_plan_code_size] out
 */
void mien_plan_code(const struct mien_plan *plan,
                    const char *(*value)(void *self, const char *name), void *self, float *code);

/* Numbers of one example: a picture's, or a text's (symbols.h). */
uint32_t mien_plan_example_size(const struct mien_plan *plan);

/* Shape of the data after a layer. */
struct mien_extent {
    uint32_t h; /* 0 for flat data; symbols of a text */
    uint32_t w;
    uint32_t c; /* channels, or units */
};

/* The extent after `layer` on data of extent `in`.  errors  MIEN_EINVAL, MIEN_ELIMIT */
MIEN_CHECK enum mien_status mien_layer_extent(const struct mien_layer *layer,
                                              const struct mien_extent *in, struct mien_extent *out,
                                              struct mien_err *err);

/* Parameters of a layer on data of extent `in`. */
uint64_t mien_layer_n_parameters(const struct mien_layer *layer, const struct mien_extent *in);

/* What the first and the second network get. The plan is valid. */
struct mien_extent mien_plan_first_input(const struct mien_plan *plan);
struct mien_extent mien_plan_second_input(const struct mien_plan *plan);

/* Numbers that the first network ends at; 0 without one. The plan is valid. */
uint32_t mien_plan_n_features(const struct mien_plan *plan);

/* Rows of weights for the code in the first network, `code size x this`; 0 without conditioning. */
uint32_t mien_plan_code_width(const struct mien_plan *plan);

/* Parameters of the networks together with their conditioning.  The plan is valid. */
uint64_t mien_plan_n_parameters(const struct mien_plan *plan);

/* Numbers of a device's update: its change of the parameters from mien_plan_first_shared on, or the
 * mean embedding (moments).  The plan is valid. */
uint64_t mien_plan_n_shared(const struct mien_plan *plan);
uint64_t mien_plan_first_shared(const struct mien_plan *plan);

/* Parameters, the first ones, that a device keeps to itself from round to round.  The plan is
 * valid. */
uint64_t mien_plan_n_private(const struct mien_plan *plan);

/* Whether pictures can be drawn from random latents: a gan, a vae, moments. An autoencoder's codes
 * have no distribution to draw from. */
bool mien_plan_draws(const struct mien_plan *plan);

/* Whether the coordinator trains the second network after each round. */
bool mien_plan_trains_at_coordinator(const struct mien_plan *plan);

#endif
