/* Events as the accountants see them.
 *
 * Threads: any; no state
 */
#ifndef MIEN_DP_EVENT_H
#define MIEN_DP_EVENT_H

#include "common/dp/account.h"
#include "common/dp/law.h"

/* Every event in range, delta too, all under one relation.
 *
 *   errors  MIEN_EINVAL  (named in err)
 */
MIEN_CHECK enum mien_status mien_event_check_list(const struct mien_dp_event *events,
                                                  size_t n_events, double delta,
                                                  struct mien_err *err);

/* Whether not everybody takes part. */
bool mien_event_amplified(const struct mien_dp_event *event);

/* How far a unit that takes part moves the sum, in units of B. In a subset of fixed size another
 * unit comes in a removed one's place. */
double mien_event_distance(const struct mien_dp_event *event);

/* Whether a pair is known that dominates the event and composes. For a subset of fixed size there
 * is one for a unit more or less, none for one replaced; zero-out changes what the subset's other
 * members stand beside, so it is charged as a replacement. */
bool mien_event_has_pair(const struct mien_dp_event *event);

/* The event as pairs (where it has one; else the pair of the addition and removal). A capped sample
 * is, with the chance c that so many others are drawn that the cap takes hold, a replacement at
 * twice the distance, drawn as often as it is kept then; else a Poisson sample (Ganesh et al. 2025,
 * section 4). Where there may be fewer units, c of the largest population and q instead of what the
 * cap leaves of it dominate every smaller population. */
struct mien_law_step mien_event_step(const struct mien_dp_event *event);

#endif
