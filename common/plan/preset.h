/* Documented plans.
 *
 *   demo           faces32's networks, 40 devices of which all take part, large and honest epsilon
 *   faces16        16 x 16 RGB
 *   faces32        32 x 32 RGB, small networks: D 42,865 parameters, G 236,003
 *   faces32-large  DCGAN at width 64: D 662,977, G 1,187,011
 *   faces64        64 x 64 RGB
 *   digits28       the networks of Augenstein et al. 2020, group norm for batch norm
 *   vae32          encoder and decoder of faces32's size
 *   vae32-large    of faces32-large's size
 *   autoencoder32  the same with a plain code
 *   classifier32   of one attribute, glasses
 *   charlm         a recurrent model of short texts
 *   moments32      one round: mean features of fixed convolutions
 *
 * docs/families.md has the parameters of each.
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_PRESET_H
#define MIEN_PLAN_PRESET_H

#include "common/plan/plan.h"

/* Names of all presets, NULL at the end. Static storage. */
const char *const *mien_preset_names(void);

#endif
