/* How many neighbours a member of the secure sum needs, and how many of them rebuild its secrets.
 *
 * Members stand on a ring in random order; each is the neighbour of the k / 2 on either side. Of n
 * members at most corrupt x n collude with the coordinator and at most drop_out x n leave. A pair
 * (k, t) is private if, but for probability 2^-sigma over the order,
 *
 *   - the ring without those who collude or leave is in one piece (half of 2^-sigma: a gap takes
 *     k / 2 of them in a row, at two places), and
 *   - no member has more than c colluding neighbours (the other half, 1 / n of it a member), with
 *     t > c against a coordinator that follows the protocol, t > (k + c) / 2 against one that may
 *     tell different members that different members survived.
 *
 * It lives if, but for probability 2^-eta, every member keeps t neighbours that did not leave.
 * Tails of hypergeometric distributions are summed in logarithms and rounded up.
 *
 * Source:  Bell, Bonawitz, Gascon, Lepoint, Raykova 2020, "Secure Single-Server Aggregation with
 *          (Poly)Logarithmic Overhead", section 3 and appendix (semi-malicious)
 * Threads: any
 */
#ifndef MIEN_SECAGG_DESIGN_H
#define MIEN_SECAGG_DESIGN_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* What the coordinator is held to be. */
enum mien_design_class {
    MIEN_DESIGN_SEMI_MALICIOUS = 1, /* it may show different members different survivors */
    MIEN_DESIGN_CURIOUS = 2,        /* it follows the protocol, and looks */
};

struct mien_design_goal {
    double corrupt;  /* share of members that collude, 0 to below 1 */
    double drop_out; /* share of members that leave, 0 to below 1 */
    enum mien_design_class trust;
    uint32_t sigma; /* private but for 2^-sigma */
    uint32_t eta;   /* fails for want of shares with 2^-eta */
};

/* 40 bits, and 64 bits of a coordinator that tries rosters until it likes the ring. */
#define MIEN_DESIGN_SIGMA (40 + 64)
#define MIEN_DESIGN_ETA 20

struct mien_design {
    uint32_t k; /* neighbours of a member; n - 1: everybody */
    uint32_t t; /* shares that rebuild a secret */
};

/* Everybody is everybody's neighbour up to here: a ring would save little. */
#define MIEN_DESIGN_COMPLETE_MEMBERS 128

/* Most neighbours of a member: a list of them has 16 parts (wire/message.h). */
#define MIEN_DESIGN_MAX_DEGREE 510

/* floor(2n / 3) + 1 of n holders, the member itself being one: the threshold where everybody is
 * everybody's neighbour. A coordinator that shows two sets needs n / 3 members on its side. */
uint32_t mien_design_complete_threshold(uint32_t n);

/* An upper bound of log2 P[X > x], X being the marked ones among `drawn` drawn from n. */
double mien_design_log2_tail(uint32_t n, uint32_t marked, uint32_t drawn, uint32_t x);

/* Whether k neighbours on a ring of n, and threshold t, are private; and whether they live.
 * 2 <= k < n - 1, k even. */
bool mien_design_is_private(const struct mien_design_goal *goal, uint32_t n, struct mien_design d);
bool mien_design_is_live(const struct mien_design_goal *goal, uint32_t n, struct mien_design d);

/* The smallest even k below n - 1 on a ring, with its smallest t; false when there is none. */
bool mien_design_ring(const struct mien_design_goal *goal, uint32_t n, struct mien_design *out);

/* The design of a session: everybody's neighbour up to MIEN_DESIGN_COMPLETE_MEMBERS and wherever
 * a ring would need that; else the ring's.
 *
 *   errors  MIEN_EPOLICY  more than MIEN_DESIGN_MAX_DEGREE neighbours would be needed
 */
MIEN_CHECK enum mien_status mien_design_of(const struct mien_design_goal *goal, uint32_t n,
                                           struct mien_design *out, struct mien_err *err);

#endif
