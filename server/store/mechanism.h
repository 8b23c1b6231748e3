/* From a plan to the constants that the ledger charges.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_MECHANISM_H
#define MIEN_STORE_MECHANISM_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/plan/plan.h"
#include "server/store/entry.h"

/* The ledger's view of a plan: fingerprint, bound, noise, sampling.
 * errors  MIEN_EINVAL  the plan has no valid mechanism; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_mechanism_of_plan(const struct mien_plan *plan,
                                                   struct mien_entry_plan *out,
                                                   struct mien_err *err);

#endif
