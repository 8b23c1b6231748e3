/* A plan as bytes, in one spelling, and its fingerprint.
 *
 * The bytes are what the coordinator signs and a device fetches; H(plan) is their SHA-256. Other
 * spellings of the same plan (field order, explicit zeros, long numbers) are refused, so that one
 * plan has one fingerprint.
 *
 * Source:  proto/plan.proto, docs/protocol.md
 * Threads: any
 */
#ifndef MIEN_WIRE_PLAN_CODEC_H
#define MIEN_WIRE_PLAN_CODEC_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdint.h>

struct mien_plan;

/* Adds the canonical bytes of a plan.
 *
 *   errors  MIEN_EINVAL  mien_plan_validate refuses it, or it has no spelling (a NaN)
 *           MIEN_ELIMIT  longer than MIEN_MESSAGE_PLAN_BYTES
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_plan_encode(const struct mien_plan *plan, struct mien_buf *out);

/* The plan in canonical bytes, every field in range and the whole accepted by mien_plan_validate.
 *
 *   errors  MIEN_EPARSE  malformed, or not the one spelling
 *           MIEN_ELIMIT  a count, length or number is over its limit
 *           MIEN_EINVAL  the fields do not make a plan (err says why)
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_plan_decode(struct mien_span bytes, struct mien_plan *out,
                                             struct mien_err *err);

/* H(plan): the SHA-256 of its canonical bytes.  errors  as mien_plan_encode, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_plan_fingerprint(const struct mien_plan *plan, uint8_t out[32]);

#endif
