// SPDX-License-Identifier: Apache-2.0
#include "common/plan/keys.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

enum kind { NUMBER, COUNT, NAME, SWITCH, ATTRIBUTES };

#define MAX_NAMES 6

struct key {
    struct mien_plan_key_info info;
    enum kind kind;
    size_t offset;
    const char *names[MAX_NAMES]; /* NAME: the text of 1, 2, 3, ... */
};

#define AT(field) offsetof(struct mien_plan, field)

static const struct key keys[] = {
    {{"plan.family", "name",
      "what is trained: gan, vae, autoencoder, classifier, charlm or moments; the preset's "
      "networks fit one of them"},
     NAME,
     AT(family),
     {"gan", "vae", "autoencoder", "classifier", "charlm", "moments"}},
    {{"plan.train_on_device", "name",
      "generator: devices train both networks; discriminator: the coordinator trains the "
      "generator"},
     NAME,
     AT(train_on_device),
     {"generator", "discriminator"}},
    {{"plan.loss", "name",
      "non-saturating (with R1), hinge, or wasserstein (with gradient penalty)"},
     NAME,
     AT(loss),
     {"non-saturating", "hinge", "wasserstein"}},
    {{"plan.share", "name", "of a vae: all, or decoder (the encoder stays on the device)"},
     NAME,
     AT(share),
     {"all", "decoder"}},
    {{"plan.conditioning", "name",
      "how a discriminator learns of attributes: concatenation or projection"},
     NAME,
     AT(conditioning),
     {"concatenation", "projection"}},
    {{"plan.norm", "name", "of norm layers: group, or batch (with its warning)"},
     NAME,
     AT(norm),
     {"group", "batch"}},
    {{"plan.text_length", "symbols", "of an example of a charlm"}, COUNT, AT(text_length), {0}},
    {{"plan.attributes", "vocabulary",
      "what pictures are conditioned on, as name:a|b|c or name:low..high, separated by commas; "
      "the one attribute that a classifier tells"},
     ATTRIBUTES,
     0,
     {0}},
    {{"plan.optimiser", "name", "of local steps: sgd or adam"},
     NAME,
     AT(optimiser),
     {"sgd", "adam"}},
    {{"plan.local_steps", "steps", "local steps of a device in a round"},
     COUNT,
     AT(local_steps),
     {0}},
    {{"plan.batch", "pictures", "pictures of a local step"}, COUNT, AT(batch), {0}},
    {{"plan.min_examples", "pictures", "a device with fewer sends zeros"},
     COUNT,
     AT(min_examples),
     {0}},
    {{"plan.flip", "yes or no", "mirror pictures at random"}, SWITCH, AT(flip), {0}},
    {{"plan.d_rate", "1", "learning rate on the device, of all but a gan's generator"},
     NUMBER,
     AT(d_rate),
     {0}},
    {{"plan.g_rate", "1", "learning rate of the generator on the device"}, NUMBER, AT(g_rate), {0}},
    {{"plan.r1_gamma", "1", "weight of the R1 penalty (non-saturating); 0 for none"},
     NUMBER,
     AT(r1_gamma),
     {0}},
    {{"plan.gp_lambda", "1", "weight of the gradient penalty (wasserstein)"},
     NUMBER,
     AT(gp_lambda),
     {0}},
    {{"plan.kl_weight", "1", "weight of the divergence in a vae's loss"},
     NUMBER,
     AT(kl_weight),
     {0}},
    {{"plan.server_rate", "1", "the averaged update is applied times this"},
     NUMBER,
     AT(server_rate),
     {0}},
    {{"plan.server_optimiser", "name",
      "what the coordinator does with averages: average, momentum or adam"},
     NAME,
     AT(server_optimiser),
     {"average", "momentum", "adam"}},
    {{"plan.server_momentum", "1", "share of the first moment kept (momentum, adam)"},
     NUMBER,
     AT(server_momentum),
     {0}},
    {{"plan.server_second", "1", "share of the second moment kept (adam)"},
     NUMBER,
     AT(server_second),
     {0}},
    {{"plan.server_tau", "1", "added to the root of the second moment (adam)"},
     NUMBER,
     AT(server_tau),
     {0}},
    {{"plan.g_steps", "steps",
      "generator steps at the coordinator in a round (discriminator plans, moments)"},
     COUNT,
     AT(g_steps),
     {0}},
    {{"plan.g_batch", "pictures", "pictures of a generator step at the coordinator"},
     COUNT,
     AT(g_batch),
     {0}},
    {{"plan.g_server_rate", "1", "Adam's rate of the generator at the coordinator"},
     NUMBER,
     AT(g_server_rate),
     {0}},
    {{"plan.ema", "1", "share of the old average generator that each round keeps"},
     NUMBER,
     AT(ema),
     {0}},
    {{"round.rate", "1", "q, the probability that a unit is drawn for a round; 1 draws everybody"},
     NUMBER,
     AT(rate),
     {0}},
    {{"round.population", "units",
      "units that a round draws from: at least, with fixed; at most, with poisson-capped"},
     COUNT,
     AT(population),
     {0}},
    {{"round.cap", "units",
      "units of a round at most, the rest left out at random; with poisson-capped only"},
     COUNT,
     AT(cap),
     {0}},
    {{"round.cohort", "units", "planned units of a round: the fixed denominator of the average"},
     COUNT,
     AT(cohort),
     {0}},
    {{"round.min_reports", "units", "with fewer survivors a round is abandoned"},
     COUNT,
     AT(min_reports),
     {0}},
    {{"round.deadline_s", "seconds", "for training, from the assignment"},
     COUNT,
     AT(deadline_s),
     {0}},
    {{"round.rounds", "rounds", "planned releases of the run"}, COUNT, AT(rounds), {0}},
    {{"secure_sum.group_min", "devices", "smallest group whose sum the coordinator may learn"},
     COUNT,
     AT(group_min),
     {0}},
    {{"secure_sum.group_max", "devices", "largest group of one session"},
     COUNT,
     AT(group_max),
     {0}},
    {{"secure_sum.drop_out", "share", "planned share of devices that leave in mid-round"},
     NUMBER,
     AT(drop_out),
     {0}},
    {{"secure_sum.corrupt", "share", "assumed share of devices that collude with the coordinator"},
     NUMBER,
     AT(corrupt),
     {0}},
    {{"secure_sum.class", "name",
      "what the coordinator is held to be: semi-malicious (it may show devices different "
      "survivors) "
      "or curious (it only looks)"},
     NAME,
     AT(sum_class),
     {"semi-malicious", "curious"}},
    {{"secure_sum.bits", "bits", "of a coordinate on the wire, 12 to 32; 0 for as many as needed"},
     COUNT,
     AT(bits),
     {0}},
    {{"quantise.rotate", "name",
      "yes: rotate the vector, which then has up to 7 bits a coordinate fewer; filled: to a power "
      "of two of coordinates first, as older plans meant it; no"},
     NAME,
     AT(rotate),
     {"no", "filled", "yes"}},
    {{"privacy.clip", "L2 norm", "S, the bound of a device's update"}, NUMBER, AT(clip), {0}},
    {{"privacy.clip_by", "name",
      "what the clip bounds: the update, or each tensor at its share of the clip"},
     NAME,
     AT(clip_by),
     {"update", "tensor"}},
    {{"privacy.clip_quantile", "share",
      "the clip follows this quantile of the norms, from privacy.clip on; 0 for a fixed clip"},
     NUMBER,
     AT(clip_quantile),
     {0}},
    {{"privacy.clip_rate", "1", "size of the clip's steps"}, NUMBER, AT(clip_rate), {0}},
    {{"privacy.clip_noise", "units",
      "noise on the count of norms within the clip; above half of the multiplier; 0 for cohort / "
      "20"},
     NUMBER,
     AT(clip_noise),
     {0}},
    {{"privacy.noise_multiplier", "1", "z, the noise's standard deviation over the bound"},
     NUMBER,
     AT(noise_multiplier),
     {0}},
    {{"privacy.delta", "probability", "of (epsilon, delta); far below 1 / units"},
     NUMBER,
     AT(delta),
     {0}},
    {{"privacy.epsilon_cap", "epsilon", "a round that would pass it is refused; 0 for no cap"},
     NUMBER,
     AT(epsilon_cap),
     {0}},
    {{"privacy.mechanism", "name",
      "noise: rounded_gaussian, or discrete_gaussian (charged by zCDP and RDP only)"},
     NAME,
     AT(mechanism),
     {"rounded_gaussian", "discrete_gaussian"}},
    {{"privacy.noise_by", "name",
      "who adds it: coordinator, or devices, each to its own vector (discrete_gaussian; nothing is "
      "amplified by sampling then)"},
     NAME,
     AT(noise_by),
     {"coordinator", "devices"}},
    {{"privacy.sampling", "name",
      "none: everybody takes part; poisson: a coin per unit; fixed: round.cohort of at least "
      "round.population; poisson-capped: coins, at most round.cap"},
     NAME,
     AT(sampling),
     {"none", "poisson", "fixed", "poisson-capped"}},
    {{"privacy.strategy", "name",
      "how the noise of rounds hangs together: independent; or, with privacy.sampling = none and "
      "limits of taking part, tree, banded or blt (DP-FTRL)"},
     NAME,
     AT(strategy),
     {"independent", "tree", "banded", "blt"}},
    {{"privacy.min_separation", "rounds",
      "from one part of a unit to its next, kept by coordinator and device; 1 is every round; with "
      "privacy.sampling = none only"},
     COUNT,
     AT(min_separation),
     {0}},
    {{"privacy.max_participations", "vectors",
      "that a unit gives, ever, kept by coordinator and device; 0 for as many as rounds allow; "
      "with "
      "privacy.sampling = none only"},
     COUNT,
     AT(max_participations),
     {0}},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

size_t mien_plan_n_keys(void)
{
    return N_KEYS;
}

struct mien_plan_key_info mien_plan_key(size_t i)
{
    return i < N_KEYS ? keys[i].info : (struct mien_plan_key_info){0};
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].info.name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static enum mien_status no_such_key(const char *name, struct mien_err *err)
{
    const char *names[N_KEYS];

    for (size_t i = 0; i < N_KEYS; i++)
        names[i] = keys[i].info.name;
    const char *nearest = mien_nearest_name(name, names, N_KEYS);
    if (nearest == NULL)
        return mien_err_set(err, MIEN_ENOTFOUND, "no key \"%s\"", name);
    return mien_err_set(err, MIEN_ENOTFOUND, "no key \"%s\", did you mean \"%s\"?", name, nearest);
}

static enum mien_status set_name(const struct key *key, const char *value, void *field,
                                 struct mien_err *err)
{
    char listed[128] = "";

    for (int i = 0; i < MAX_NAMES && key->names[i] != NULL; i++) {
        if (strcmp(key->names[i], value) == 0) {
            /* Enumerations of plan.h start at 1 in the order of the names. */
            unsigned number = (unsigned)i + 1;

            memcpy(field, &number, sizeof(number));
            return MIEN_OK;
        }
        size_t used = strlen(listed);
        (void)snprintf(listed + used, sizeof(listed) - used, "%s%s", i > 0 ? " or " : "",
                       key->names[i]);
    }
    return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not %s", key->info.name, value, listed);
}

static enum mien_status set_switch(const struct key *key, const char *value, void *field,
                                   struct mien_err *err)
{
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    bool no = strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;

    if (!yes && !no)
        return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not yes or no", key->info.name, value);
    memcpy(field, &yes, sizeof(yes));
    return MIEN_OK;
}

enum mien_status mien_plan_set(struct mien_plan *plan, const char *key, const char *value,
                               struct mien_err *err)
{
    const struct key *found = find_key(key);
    double number;
    uint64_t count;

    if (found == NULL)
        return no_such_key(key, err);
    char *field = (char *)plan + found->offset;
    switch (found->kind) {
    case NUMBER:
        if (mien_parse_double(value, &number) != MIEN_OK)
            return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not a number", key, value);
        memcpy(field, &number, sizeof(number));
        return MIEN_OK;
    case COUNT:
        if (mien_parse_u64(value, 0, UINT32_MAX, &count) != MIEN_OK)
            return mien_err_set(err, MIEN_EPARSE, "%s: \"%s\" is not a whole number", key, value);
        memcpy(field, &(uint32_t){(uint32_t)count}, sizeof(uint32_t));
        return MIEN_OK;
    case NAME:
        return set_name(found, value, field, err);
    case SWITCH:
        return set_switch(found, value, field, err);
    case ATTRIBUTES:
        return mien_plan_parse_attributes(plan, value, err);
    }
    return MIEN_ENOTFOUND;
}

enum mien_status mien_plan_get(const struct mien_plan *plan, const char *key, struct mien_buf *out)
{
    const struct key *found = find_key(key);

    if (found == NULL)
        return MIEN_ENOTFOUND;
    const char *field = (const char *)plan + found->offset;
    double number;
    uint32_t count;
    bool on;
    switch (found->kind) {
    case NUMBER:
        memcpy(&number, field, sizeof(number));
        return mien_buf_printf(out, "%.15g", number);
    case COUNT:
        memcpy(&count, field, sizeof(count));
        return mien_buf_printf(out, "%u", count);
    case NAME:
        memcpy(&count, field, sizeof(count));
        if (count == 0 || count > MAX_NAMES || found->names[count - 1] == NULL)
            return MIEN_ENOTFOUND;
        return mien_buf_printf(out, "%s", found->names[count - 1]);
    case SWITCH:
        memcpy(&on, field, sizeof(on));
        return mien_buf_printf(out, "%s", on ? "yes" : "no");
    case ATTRIBUTES:
        return mien_plan_format_attributes(plan, out);
    }
    return MIEN_ENOTFOUND;
}
