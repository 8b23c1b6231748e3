/* What a device agrees to do: a plan against the limits of its host.
 *
 * A refusal depends on the plan and on these limits only, never on the examples: whether a device
 * takes part must not say anything about its pictures.
 *
 * Threads: any
 */
#ifndef MIEN_CLIENT_GUARD_H
#define MIEN_CLIENT_GUARD_H

#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdint.h>

struct mien_plan;
struct mien_secagg_params;
struct mien_session;

/* What the owner wants for single examples (local.h); all zero: nothing. */
struct mien_client_local_rule {
    double clip;    /* C, above 0 */
    double noise;   /* z, at least 0.3 */
    double rate;    /* q in (0, 1], of an example in a step */
    double epsilon; /* budget for the device's life, above 0 */
    double delta;   /* in (0, 1) */
};

/* Zero in a field means no limit, but for max_memory_bytes. A limit on epsilon refuses a plan that
 * has no noise or no cap, too. */
struct mien_client_limits {
    uint64_t max_memory_bytes; /* training, the vector and the secure sum together */
    double max_epsilon;        /* of the plan's cap (reader) */
    uint32_t min_cohort;       /* planned cohort of a round */
    uint32_t min_group;        /* fewest units whose sum the coordinator may learn */
    uint32_t allow_curious;    /* 1: also sessions sized for a coordinator that only looks */
    double min_device_noise;   /* z that the noise of devices alone has in any sum */
    uint32_t max_local_steps;
    uint32_t max_rounds; /* rounds this device takes part in, ever */
    char families[128];  /* "gan,vae"; "" for any */
    struct mien_client_local_rule local;
};

/* The limits that the public header documents as defaults. */
struct mien_client_limits mien_client_limits_default(void);

/* Whether the device may run the plan.
 *
 *   need_bytes  what the plan takes on this device (train.h)
 *   errors      MIEN_EPOLICY  one sentence with the limit and the plan's value
 */
MIEN_CHECK enum mien_status mien_client_guard(const struct mien_client_limits *limits,
                                              const struct mien_plan *plan, uint64_t need_bytes,
                                              struct mien_err *err);

/* z of the devices' noise in any sum that this device may be part of: that of the honest survivors
 * of the worst session, over the bound of one vector, the share that colludes being at least
 * MIEN_GUARD_MIN_CORRUPT whatever the plan says. 0 where the coordinator adds the noise, or nobody
 * is left.
 *
 *   params  of the plan (common/wire/vector.h)
 */
double mien_client_device_noise(const struct mien_plan *plan,
                                const struct mien_secagg_params *params);

/* Whether that is as much as the host wants.  errors  MIEN_EPOLICY  as mien_client_guard */
MIEN_CHECK enum mien_status mien_client_guard_noise(const struct mien_client_limits *limits,
                                                    const struct mien_plan *plan,
                                                    const struct mien_secagg_params *params,
                                                    struct mien_err *err);

/* Whether a session of the secure sum protects the device: k and t against the plan's shares of
 * devices that collude and leave, the first at least MIEN_GUARD_MIN_CORRUPT whatever the plan says
 * (secagg/design.h; sigma is MIEN_DESIGN_SIGMA).
 *
 *   errors  MIEN_EPOLICY  t is below what n and k take
 */
#define MIEN_GUARD_MIN_CORRUPT 0.05
MIEN_CHECK enum mien_status mien_client_guard_session(const struct mien_plan *plan,
                                                      const struct mien_session *session,
                                                      struct mien_err *err);

#endif
