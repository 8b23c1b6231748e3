/* The clip that follows a quantile of the updates' norms.
 *
 * Each unit says by one bit whether its norm was within the clip; the bits are summed and noised
 * with the updates, as part of one vector under one bound, and the clip moves until the share of
 * bits is the quantile asked for. What is computed here is post-processing of the noised sum.
 *
 * Source:  Andrew, Thakkar, McMahan, Ramaswamy 2021, "Differentially Private Learning with Adaptive
 *          Clipping", algorithm 1 (geometric update)
 * Threads: any; no state
 */
#ifndef MIEN_DP_CLIP_H
#define MIEN_DP_CLIP_H

/* The clip of the next round: clip exp(-rate (within - quantile)).
 *
 *   clip      of this round, positive
 *   within    noised share of norms within it; outside of [0, 1], or no number, it counts as cut
 *             to that range, or as the quantile
 *   quantile  in (0, 1)
 *   rate      eta
 *
 * The result is finite and between 1e-9 and 1e9: noise alone never ends a run.
 */
double mien_clip_next(double clip, double within, double quantile, double rate);

/* z_delta = (z^-2 - (2 sigma_b)^-2)^(-1/2): the multiplier left for the updates when the pair of
 * updates and bits costs as much as z, the bits being noised by sigma_b units of deviation. What it
 * costs is z; this is what the updates feel. 0 where sigma_b <= z / 2 leaves nothing. */
double mien_clip_update_noise(double z, double sigma_b);

#endif
