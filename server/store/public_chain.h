/* The public chain as a file of its own: what a reader needs to recompute every epsilon.
 *
 * Entries and signatures, no private table; docs/file-formats.md gives the bytes. It is written
 * beside every generated set (ledger.chain).
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_PUBLIC_CHAIN_H
#define MIEN_STORE_PUBLIC_CHAIN_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/chain.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_PUBLIC_CHAIN_BYTES ((size_t)256 << 20) /* a million entries */

/* Adds the whole chain as it is now.  errors  MIEN_ESTATE, MIEN_EIO, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_public_chain_write(struct mien_store *store, struct mien_buf *out,
                                                    struct mien_err *err);

/* What a chain says. */
struct mien_public_chain {
    struct mien_chain chain;
    uint64_t n_entries;
    bool has_model; /* one has the file that was asked for */
    struct mien_store_model model;
};

/* Reads a chain: every head is recomputed, every entry judged, every signature checked under the
 * key of the first entry.
 *
 *   file_digest  [32] of the model file to look for
 *   errors       MIEN_EPARSE    no chain, or a damaged one (err names the entry)
 *                MIEN_ECORRUPT  an entry may not come where it is, or a signature does not hold
 *                MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_public_chain_read(struct mien_span file,
                                                   const uint8_t file_digest[32],
                                                   struct mien_public_chain *out,
                                                   struct mien_err *err);

#endif
